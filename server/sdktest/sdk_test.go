package sdktest

import (
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	hwauth "github.com/huaweicloud/huaweicloud-sdk-go-v3/core/auth"
	"github.com/huaweicloud/huaweicloud-sdk-go-v3/core/auth/basic"
	"github.com/huaweicloud/huaweicloud-sdk-go-v3/core/impl"
	"github.com/huaweicloud/huaweicloud-sdk-go-v3/core/request"
	"github.com/huaweicloud/huaweicloud-sdk-go-v3/core/sdkerr"
	hss "github.com/huaweicloud/huaweicloud-sdk-go-v3/services/hss/v5"
	"github.com/huaweicloud/huaweicloud-sdk-go-v3/services/hss/v5/model"

	"portolan/engine"
	"portolan/server"
	"portolan/server/auth"
)

const (
	accessKey = "AKEXAMPLE"
	secretKey = "secretEXAMPLEsecretEXAMPLEsecretEXAMPLE1"
	token     = "0123456789abcdef0123456789abcdef"
	numHosts  = 3
	numPorts  = 250
)

// start serves a fleet over loopback: three hosts in project p1, the first in enterprise
// project shop, and a container. Callers sign with an access key that is granted
// everything in p1, or show the operator's token.
func start(t *testing.T) string {
	t.Helper()
	e, err := engine.Open(nil)
	if err != nil {
		t.Fatal(err)
	}
	var reports []engine.Report
	for i := range numHosts {
		r := engine.Report{Project: "p1", Asset: fmt.Sprint("host-", i), Name: fmt.Sprint("web-", i), Address: fmt.Sprint("192.0.2.", i+1), Scope: engine.ScopeAll()}
		if i == 0 {
			r.EnterpriseProject = "shop"
		}
		for port := range numPorts {
			r.Open = append(r.Open, engine.MakeKey(uint16(port+1), engine.TCP))
		}
		if i > 0 {
			r.Open = append(r.Open, engine.MakeKey(53, engine.UDP6))
		}
		reports = append(reports, r)
	}
	reports = append(reports, engine.Report{Project: "p1", Category: engine.Container, Asset: "c1", Open: []engine.Key{engine.MakeKey(8080, engine.TCP)}})
	if _, err := e.Apply(t.Context(), reports); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "keys.json")
	keys := fmt.Sprintf(`[{"access_key":%q,"secret_key":%q,"projects":["p1"],"enterprise_projects":["*"]},
		{"access_key":"SHOPONLY","secret_key":%[2]q,"projects":["p1"],"enterprise_projects":["shop"]}]`, accessKey, secretKey)
	if err := os.WriteFile(file, []byte(keys), 0o600); err != nil {
		t.Fatal(err)
	}
	signed, err := auth.OpenAccessKeys(file, nil)
	if err != nil {
		t.Fatal(err)
	}
	operator, err := auth.OperatorToken(token)
	if err != nil {
		t.Fatal(err)
	}
	s, err := server.New(e, &server.Options{Auth: auth.FirstOf(signed, operator)})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewUnstartedServer(nil)
	srv.Config = server.NewHTTPServer(s, nil)
	srv.Start()
	t.Cleanup(srv.Close)
	return srv.URL
}

// bearer is a credential of the SDK that shows a token.
type bearer struct{ token, project string }

func (b bearer) ProcessAuthParams(*impl.DefaultHttpClient, string) (hwauth.ICredential, error) {
	return b, nil
}

func (b bearer) ProcessAuthRequest(_ *impl.DefaultHttpClient, r *request.DefaultHttpRequest) (*request.DefaultHttpRequest, error) {
	return r.Builder().AddAutoFilledPathParam("project_id", b.project).AddHeaderParam("X-Auth-Token", b.token).Build(), nil
}

// client returns the SDK's client for the service.
func client(t *testing.T, url string, who hwauth.ICredential) *hss.HssClient {
	t.Helper()
	hc, err := hss.HssClientBuilder().WithEndpoint(url).WithCredential(who).WithCredentialsType("basic.Credentials,sdktest.bearer").SafeBuild()
	if err != nil {
		t.Fatal(err)
	}
	return hss.NewHssClient(hc)
}

// signing returns the SDK's own credential.
func signing(t *testing.T, key, secret, project string) hwauth.ICredential {
	t.Helper()
	c, err := basic.NewCredentialsBuilder().WithAk(key).WithSk(secret).WithProjectId(project).SafeBuild()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// rows returns an answer's rows as text.
func rows(t *testing.T, r *model.ListPortStatisticsResponse, err error) (int, []string) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, row := range *r.DataList {
		list = append(list, fmt.Sprintf("%d/%s %d %s", *row.Port, *row.Type, *row.Num, *row.Status))
	}
	return int(*r.TotalNum), list
}

// TestEveryParameter: what the SDK can ask is understood, by signature and by token.
func TestEveryParameter(t *testing.T) {
	url := start(t)
	for name, who := range map[string]hwauth.ICredential{"signature": signing(t, accessKey, secretKey, "p1"), "token": bearer{token, "p1"}} {
		c := client(t, url, who)
		for _, one := range []struct {
			ask   model.ListPortStatisticsRequest
			total int
			first string
		}{
			{model.ListPortStatisticsRequest{}, numPorts + 1, "1/TCP 2 unknown"},
			{model.ListPortStatisticsRequest{EnterpriseProjectId: new("")}, numPorts + 1, "1/TCP 2 unknown"},
			{model.ListPortStatisticsRequest{EnterpriseProjectId: new("all_granted_eps")}, numPorts + 1, "1/TCP 3 unknown"},
			{model.ListPortStatisticsRequest{EnterpriseProjectId: new("shop")}, numPorts, "1/TCP 1 unknown"},
			{model.ListPortStatisticsRequest{Category: new("container")}, 1, "8080/TCP 1 unknown"},
			{model.ListPortStatisticsRequest{Category: new("host"), Port: new(int32(53))}, 2, "53/TCP 2 unknown"},
			{model.ListPortStatisticsRequest{PortString: new("24")}, 13, "24/TCP 2 unknown"},
			{model.ListPortStatisticsRequest{Port: new(int32(53)), PortString: new("4")}, 0, ""},
			{model.ListPortStatisticsRequest{Type: new("UDP6")}, 1, "53/UDP6 2 unknown"},
			{model.ListPortStatisticsRequest{Status: new("danger"), Limit: new(int32(10))}, 0, "23/TCP 2 danger"},
			{model.ListPortStatisticsRequest{SortKey: new("port"), SortDir: new("desc")}, numPorts + 1, "250/TCP 2 unknown"},
			{model.ListPortStatisticsRequest{Limit: new(int32(200)), Offset: new(int32(250))}, numPorts + 1, "250/TCP 2 unknown"},
		} {
			r, err := c.ListPortStatistics(&one.ask)
			total, list := rows(t, r, err)
			switch {
			case one.ask.Status != nil: // as many as the policy says
				if total == 0 || !slices.Contains(list, one.first) {
					t.Errorf("%s: %v: %d, %v", name, one.ask, total, list)
				}
			case total != one.total || len(list) > 0 && list[0] != one.first || len(list) == 0 && one.first != "":
				t.Errorf("%s: %v: %d, %v: want %d from %s", name, one.ask, total, list, one.total, one.first)
			}
		}
	}
}

// TestPagesToTheEnd: pages put together are the whole, and the one behind it is empty.
func TestPagesToTheEnd(t *testing.T) {
	c := client(t, start(t), signing(t, accessKey, secretKey, "p1"))
	var all []string
	for offset := int32(0); ; offset += 100 {
		r, err := c.ListPortStatistics(&model.ListPortStatisticsRequest{Limit: new(int32(100)), Offset: new(offset)})
		total, list := rows(t, r, err)
		if total != numPorts+1 {
			t.Fatalf("from %d: %d in all", offset, total)
		}
		if len(list) == 0 {
			break
		}
		all = append(all, list...)
	}
	if seen := slices.Compact(slices.Sorted(slices.Values(all))); len(all) != numPorts+1 || len(seen) != len(all) {
		t.Errorf("%d rows, %d of them distinct", len(all), len(seen))
	}
}

// TestErrorsAreDecoded: each error has its status, code, message and request id.
func TestErrorsAreDecoded(t *testing.T) {
	url := start(t)
	good := signing(t, accessKey, secretKey, "p1")
	for name, c := range map[string]struct {
		who    hwauth.ICredential
		ask    model.ListPortStatisticsRequest
		status int
		code   string
	}{
		"a limit too small":          {good, model.ListPortStatisticsRequest{Limit: new(int32(5))}, 400, "HSS.0001"},
		"another category":           {good, model.ListPortStatisticsRequest{Category: new("vm")}, 400, "HSS.0001"},
		"an unknown access key":      {signing(t, "NOBODY", secretKey, "p1"), model.ListPortStatisticsRequest{}, 401, "APIGW.0301"},
		"another secret":             {signing(t, accessKey, secretKey+"x", "p1"), model.ListPortStatisticsRequest{}, 401, "APIGW.0301"},
		"a token of nobody":          {bearer{token + "x", "p1"}, model.ListPortStatisticsRequest{}, 401, "APIGW.0301"},
		"another project":            {signing(t, accessKey, secretKey, "p2"), model.ListPortStatisticsRequest{}, 403, "APIGW.0302"},
		"another enterprise project": {signing(t, "SHOPONLY", secretKey, "p1"), model.ListPortStatisticsRequest{}, 403, "APIGW.0302"},
	} {
		_, err := client(t, url, c.who).ListPortStatistics(&c.ask)
		var failed *sdkerr.ServiceResponseError
		if !errors.As(err, &failed) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if failed.StatusCode != c.status || failed.ErrorCode != c.code || failed.ErrorMessage == "" || !regexp.MustCompile(`^[0-9a-f]{32}$`).MatchString(failed.RequestId) {
			t.Errorf("%s: %+v, want %d %s", name, failed, c.status, c.code)
		}
	}
}

// TestSisterCalls: the SDK decodes the hosts of a port and the ports of a host.
func TestSisterCalls(t *testing.T) {
	c := client(t, start(t), signing(t, accessKey, secretKey, "p1"))
	hosts, err := c.ListPortHost(&model.ListPortHostRequest{Category: "host", Port: 22, EnterpriseProjectId: new("all_granted_eps"), HostName: new("web-"), Limit: new(int32(10))})
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, row := range *hosts.DataList {
		names[*row.HostId+" "+*row.HostName+" "+*row.HostIp] = *row.Port == 22 && *row.Type == "TCP"
	}
	if *hosts.TotalNum != numHosts || len(names) != numHosts || !names["host-1 web-1 192.0.2.2"] {
		t.Errorf("%v", hosts)
	}
	ports, err := c.ListPorts(&model.ListPortsRequest{HostId: "host-1", Port: new(int32(53))})
	if err != nil {
		t.Fatal(err)
	}
	var types []string
	for _, row := range *ports.DataList {
		types = append(types, *row.Type)
	}
	if *ports.TotalNum != 2 || !slices.Equal(types, []string{"TCP", "UDP6"}) {
		t.Errorf("%v", ports)
	}
}
