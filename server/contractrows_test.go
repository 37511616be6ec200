package server_test

import (
	"strings"
	"time"
)

// What the known fleet has in the default enterprise project, and an empty page.
const (
	allRows  = "5: 2×22/TCP 4×123/UDP 2×443/TCP 1×443/TCP6 2×8443/TCP"
	turned   = "5: 2×8443/TCP 1×443/TCP6 2×443/TCP 4×123/UDP 2×22/TCP"
	noRows   = "0:"
	noneLeft = "5:"
	noPage   = `{"total_num":0,"data_list":[]}`
	seed     = `{"total_num":1,"data_list":[{"num":4,"port":123,"type":"UDP","status":"danger"}]}`
)

func statisticsOf(project string) string { return "GET /v5/" + project + "/asset/port/statistics" }

// requestRows are the rows of the table Request.
var requestRows = []contractRow{
	{"project_id: path, 1..256 characters", []contractCase{
		{ask: statisticsOf("p1"), want: allRows},
		{ask: statisticsOf("p%31"), want: allRows},
		{ask: statisticsOf(strings.Repeat("x", 256)), want: noRows},
		{ask: statisticsOf(strings.Repeat("%C3%A9", 256)), want: noRows},
		{ask: statisticsOf(""), want: "404 APIGW.0101 has not been published"},
	}},
	{"port: integer, exact match", []contractCase{
		{ask: "port=443", want: "2: 2×443/TCP 1×443/TCP6"},
		{ask: "port=44", want: noRows},
		{ask: "port=000443", want: "2: 2×443/TCP 1×443/TCP6"},
		{ask: "%70ort=%34%343", want: "2: 2×443/TCP 1×443/TCP6"},
	}},
	{"port outside 1..65535: 200 with an empty list", []contractCase{
		{ask: "port=99999", want: noPage},
		{ask: "port=65536", want: noPage},
		{ask: "port=0", want: noPage},
		{ask: "port=-22", want: noPage},
	}},
	{"port, limit, offset not an integer: 400 naming the parameter", []contractCase{
		{ask: "port=http", want: "400 HSS.0001 port: "},
		{ask: "port=4.5", want: "400 HSS.0001 port: "},
		{ask: "port=44%203", want: "400 HSS.0001 port: "},
		{ask: "limit=ten", want: "400 HSS.0001 limit: "},
		{ask: "limit=1e2", want: "400 HSS.0001 limit: "},
		{ask: "offset=0x10", want: "400 HSS.0001 offset: "},
		{ask: "offset=-", want: "400 HSS.0001 offset: "},
	}},
	{"port_string: 1..256 characters, containment, no wildcards", []contractCase{
		{ask: "port_string=43", want: "3: 2×443/TCP 1×443/TCP6 2×8443/TCP"},
		{ask: "port_string=4*", want: noRows},
		{ask: "port_string=4%25", want: noRows},
		{ask: "port_string=hello", want: noRows},
		{ask: "port_string=+443", want: noRows},
		{ask: "port_string=" + strings.Repeat("4", 256), want: noRows},
		{ask: "port_string=" + strings.Repeat("4", 257), want: "400 HSS.0001 port_string: "},
	}},
	{"port and port_string together: both must hold", []contractCase{
		{ask: "port=8443&port_string=844", want: "1: 2×8443/TCP"},
		{ask: "port=8443&port_string=22", want: noRows},
		{ask: "port=99999&port_string=999", want: noRows},
	}},
	{"type: exact, what was ingested; another is empty", []contractCase{
		{ask: "type=TCP", want: "3: 2×22/TCP 2×443/TCP 2×8443/TCP"},
		{ask: "type=TCP6", want: "1: 1×443/TCP6"},
		{ask: "type=UDP", want: "1: 4×123/UDP"},
		{ask: "type=UDP6", want: noRows},
		{ask: "type=SCTP", want: "1: 1×9/SCTP", rig: fleetOf("h1 9/sctp 9/tcp")},
		{ask: "type=ICMP", want: noPage},
		{ask: "type=TC", want: noRows},
	}},
	{"status: danger, normal, unknown; unknow is an alias", []contractCase{
		{ask: "status=danger", want: "1: 4×123/UDP"},
		{ask: "status=normal", want: noRows},
		{ask: "status=unknown", want: "4: 2×22/TCP 2×443/TCP 1×443/TCP6 2×8443/TCP"},
		{ask: "status=unknow", want: "4: 2×22/TCP 2×443/TCP 1×443/TCP6 2×8443/TCP"},
	}},
	{"enterprise_project_id: 0..128 characters; none is 0; all_granted_eps", []contractCase{
		{ask: "", want: allRows},
		{ask: "enterprise_project_id=", want: allRows},
		{ask: "enterprise_project_id", want: allRows},
		{ask: "enterprise_project_id=0", want: allRows},
		{ask: "enterprise_project_id=shop", want: "1: 1×22/TCP"},
		{ask: "enterprise_project_id=all_granted_eps&port=22", want: "1: 3×22/TCP"},
		{ask: "enterprise_project_id=all_granted_eps", want: "1: 1×22/TCP", as: with("X-Auth-Token", shopToken)},
		{ask: "enterprise_project_id=" + strings.Repeat("x", 128), want: noRows},
	}},
	{"category: host (default) or container; else 400", []contractCase{
		{ask: "category=host", want: allRows},
		{ask: "category=container", want: "1: 1×80/TCP"},
		{ask: "category=vm", want: "400 HSS.0001 host or container"},
	}},
	{"sort_key: port; else 400", []contractCase{
		{ask: "sort_key=port", want: allRows},
		{ask: "sort_key=num", want: "400 HSS.0001 sort_key: "},
	}},
	{"sort_dir: asc (default) or desc, also without sort_key; else 400", []contractCase{
		{ask: "sort_dir=asc", want: allRows},
		{ask: "sort_dir=desc&sort_key=port", want: turned},
		{ask: "sort_dir=desc", want: turned},
		{ask: "sort_dir=up", want: "400 HSS.0001 asc or desc"},
	}},
	{"order of rows: by port, then type name, in the direction asked", []contractCase{
		{ask: "", want: "5: 1×9/SCTP 1×9/TCP 1×9/TCP6 1×9/UDP 1×10/TCP", rig: fleetOf("h1 10/tcp 9/udp 9/tcp6 9/tcp 9/sctp")},
		{ask: "sort_dir=desc", want: "5: 1×10/TCP 1×9/UDP 1×9/TCP6 1×9/TCP 1×9/SCTP", rig: fleetOf("h1 10/tcp 9/udp 9/tcp6 9/tcp 9/sctp")},
	}},
	{"limit: 10..200, default 10; outside 400 naming the bounds", []contractCase{
		{ask: "", want: "11: 1×1/TCP 1×2/TCP 1×3/TCP 1×4/TCP 1×5/TCP 1×6/TCP 1×7/TCP 1×8/TCP 1×9/TCP 1×10/TCP", rig: fleetOf(portsTo(11))},
		{ask: "limit=10", want: allRows},
		{ask: "limit=200", want: allRows},
		{ask: "limit=9", want: "400 HSS.0001 10 to 200"},
		{ask: "limit=201", want: "400 HSS.0001 10 to 200"},
		{ask: "limit=0", want: "400 HSS.0001 10 to 200"},
	}},
	{"offset: 0..2000000, default 0; outside 400; past the end an empty list", []contractCase{
		{ask: "offset=0", want: allRows},
		{ask: "offset=3", want: "5: 1×443/TCP6 2×8443/TCP"},
		{ask: "offset=5", want: noneLeft},
		{ask: "offset=2000000", want: `{"total_num":5,"data_list":[]}`},
		{ask: "offset=-1", want: "400 HSS.0001 0 to 2000000"},
		{ask: "offset=2000001", want: "400 HSS.0001 0 to 2000000"},
		{ask: "offset=1", want: noRows, rig: fleetOf(), also: paged(0)},
		{ask: "offset=100", want: "100:", rig: fleetOf(portsTo(100)), also: paged(100)},
		{ask: "offset=100", want: "101: 1×101/TCP", rig: fleetOf(portsTo(101)), also: paged(101)},
		{ask: "offset=998", want: "1000: 1×999/TCP 1×1000/TCP", rig: fleetOf(portsTo(1000)), also: paged(1000)},
	}},
	{"an empty value or a bare key: the parameter is absent", []contractCase{
		{ask: "port&port_string&type&status&enterprise_project_id&category&sort_key&sort_dir&limit&offset", want: allRows},
		{ask: "port=&port_string=&type=&status=&enterprise_project_id=&category=&sort_key=&sort_dir=&limit=&offset=", want: allRows},
	}},
	{"an integer of any length is an integer", []contractCase{
		{ask: "port=99999999999", want: noRows},
		{ask: "port=" + strings.Repeat("9", 400), want: noRows},
		{ask: "port=" + strings.Repeat("0", 400) + "22", want: "1: 2×22/TCP"},
		{ask: "limit=99999999999", want: "400 HSS.0001 10 to 200"},
		{ask: "offset=" + strings.Repeat("9", 400), want: "400 HSS.0001 0 to 2000000"},
	}},
	{"type, enterprise_project_id, project_id too long; status outside its values: 400", []contractCase{
		{ask: "type=" + strings.Repeat("x", 256), want: noRows},
		{ask: "type=" + strings.Repeat("x", 257), want: "400 HSS.0001 type: "},
		{ask: "enterprise_project_id=" + strings.Repeat("x", 129), want: "400 HSS.0001 enterprise_project_id: "},
		{ask: statisticsOf(strings.Repeat("x", 257)), want: "400 HSS.0001 project_id: "},
		{ask: statisticsOf(strings.Repeat("%C3%A9", 257)), want: "400 HSS.0001 project_id: "},
		{ask: "status=bad", want: "400 HSS.0001 danger, normal or unknown"},
	}},
	{"letter case: exact", []contractCase{
		{ask: "type=tcp", want: noRows},
		{ask: "category=Host", want: "400 HSS.0001 category: "},
		{ask: "sort_dir=DESC", want: "400 HSS.0001 sort_dir: "},
		{ask: "status=Danger", want: "400 HSS.0001 status: "},
		{ask: "enterprise_project_id=Shop", want: noRows},
		{ask: "Port=22", want: allRows},
		{ask: statisticsOf("P1"), want: noRows},
		{ask: "GET /V5/p1/asset/port/statistics", want: "404 APIGW.0101 has not been published"},
	}},
	{"a project or enterprise project without data: 200, empty", []contractCase{
		{ask: statisticsOf("another"), want: noPage},
		{ask: "enterprise_project_id=nobody", want: noPage},
		{ask: "enterprise_project_id=empty", want: noPage, as: with("X-Auth-Token", shopToken)},
	}},
	{"enterprise_project_id omitted but 0 not granted: 403", []contractCase{
		{ask: "", want: "403 APIGW.0302 The IAM user is not authorized to access the API.", as: with("X-Auth-Token", shopToken)},
		{ask: "enterprise_project_id=", want: "403 APIGW.0302 The IAM user is", as: with("X-Auth-Token", shopToken)},
		{ask: "enterprise_project_id=0", want: "403 APIGW.0302 The IAM user is", as: with("X-Auth-Token", shopToken)},
	}},
	{"order of checks: 404 route, 401, 403, 400", []contractCase{
		{ask: "GET /nowhere?port=x", want: "404 APIGW.0101 published", as: with()},
		{ask: "POST " + statistics + "?port=x", want: "404 APIGW.0101 The API does not exist.", as: with()},
		{ask: "port=x", want: "401 APIGW.0301 x-auth-token not found", as: with()},
		{ask: "port=x", want: "403 APIGW.0302 The IAM user is", as: with("X-Auth-Token", otherToken)},
		{ask: "limit=0&enterprise_project_id=other", want: "403 APIGW.0302 The IAM user is", as: with("X-Auth-Token", shopToken)},
		{ask: "limit=0&enterprise_project_id=shop", want: "400 HSS.0001 limit: ", as: with("X-Auth-Token", shopToken)},
		{ask: statisticsOf(strings.Repeat("x", 257)), want: "403 APIGW.0302 The IAM user is", as: with("X-Auth-Token", shopToken)},
	}},
	{"HEAD: a wrong method", []contractCase{
		{ask: "HEAD " + statistics, want: "404 APIGW.0101 The API does not exist."},
	}},
	{"unknown parameters: ignored", []contractCase{
		{ask: "colour=blue&port=22&limitt=3", want: "1: 2×22/TCP"},
		{ask: "&&port=22&=&=3&", want: "1: 2×22/TCP"},
	}},
	{"a parameter given twice: the first counts", []contractCase{
		{ask: "port=22&port=443", want: "1: 2×22/TCP"},
		{ask: "port=22&port=http", want: "1: 2×22/TCP"},
		{ask: "port=&port=443", want: allRows},
		{ask: "enterprise_project_id=shop&enterprise_project_id=0", want: "1: 1×22/TCP"},
	}},
}

// responseRows are the rows of the table Response 200 and of the text around it.
var responseRows = []contractRow{
	{"keys in this order", []contractCase{
		{ask: "port=123&category=host", want: seed},
		{ask: "port=22&enterprise_project_id=all_granted_eps", want: `{"total_num":1,"data_list":[{"num":3,"port":22,"type":"TCP","status":"unknown"}]}`},
	}},
	{"total_num: rows before paging; the true count, also above 10000", []contractCase{
		{ask: "offset=4", want: "5: 2×8443/TCP"},
		{ask: "offset=11999", want: "12000: 1×12000/TCP", rig: fleetOf(portsTo(12_000))},
	}},
	{"data_list: always an array", []contractCase{
		{ask: "type=ICMP", want: noPage},
		{ask: "offset=100", want: `{"total_num":5,"data_list":[]}`},
		{ask: "", want: noPage, rig: fleetOf()},
	}},
	{"num: distinct servers, or containers, in the view asked", []contractCase{
		{ask: "", want: "1: 2×22/TCP", rig: fleetOf("h1 22/tcp 22/tcp 22/tcp", "h1 22/tcp", "h2 22/tcp", "h3@shop 22/tcp", "h1#container 22/tcp")},
		{ask: "category=container", want: "1: 1×22/TCP", rig: fleetOf("h1 22/tcp", "h2 22/tcp", "h1#container 22/tcp 22/tcp")},
	}},
	{"type: TCP6 and UDP6 are rows of their own", []contractCase{
		{ask: "", want: "4: 2×53/TCP 1×53/TCP6 1×53/UDP 2×53/UDP6", rig: fleetOf("h1 53/tcp 53/tcp6 53/udp6", "h2 53/tcp 53/udp 53/udp6")},
	}},
	{"status: danger or unknown; normal only by the operator's policy", []contractCase{
		{ask: "port_string=2&type=TCP", want: `{"total_num":1,"data_list":[{"num":2,"port":22,"type":"TCP","status":"unknown"}]}`},
		{ask: "port=22", want: `{"total_num":1,"data_list":[{"num":2,"port":22,"type":"TCP","status":"normal"}]}`, rig: judged},
		{ask: "port=123", want: seed, rig: judged},
		{ask: "status=normal", want: "1: 2×22/TCP", rig: judged},
	}},
	{"Content-Type: application/json", []contractCase{
		{ask: "", want: allRows, also: header("Content-Type", "application/json")},
		{ask: "limit=1", want: "400 HSS.0001 limit: ", also: header("Content-Type", "application/json")},
	}},
	{"X-Request-Id: 32 hex on every response, errors included", []contractCase{ // wantFailure and sound look at each
		{ask: "port=22", want: "1: 2×22/TCP", as: with("X-Auth-Token", token, "X-Request-Id", sentID), also: keeps(sentID, true)},
		{ask: "port=22", want: "1: 2×22/TCP", as: with("X-Auth-Token", token, "X-Request-Id", strings.Repeat("AB", 16)), also: keeps(strings.Repeat("AB", 16), true)},
		{ask: "port=22", want: "1: 2×22/TCP", as: with("X-Auth-Token", token, "X-Request-Id", "short"), also: keeps("short", false)},
		{ask: "port=22", want: "1: 2×22/TCP", as: with("X-Auth-Token", token, "X-Request-Id", strings.Repeat("xy", 16)), also: keeps(strings.Repeat("xy", 16), false)},
		{ask: "limit=1", want: "400 HSS.0001 limit: ", as: with("X-Auth-Token", token, "X-Request-Id", sentID), also: keeps(sentID, true)},
		{ask: "", want: "401 APIGW.0301 not found", as: with("X-Request-Id", sentID), also: keeps(sentID, true)},
		{ask: "GET /nowhere", want: "404 APIGW.0101 published", as: with("X-Request-Id", sentID), also: keeps(sentID, true)},
	}},
	{"/v1 calls use the API's error envelope", []contractCase{
		{ask: "DELETE /v1/projects/p1/assets/nobody", want: "404 HSS.0002 asset"},
		{ask: "DELETE /v1/projects/nobody", want: "404 HSS.0002 project"},
		{ask: "POST /v1/projects/p1/reports?format=pdf", want: "400 HSS.0001 format: "},
	}},
}

const incorrect = "401 APIGW.0301 Incorrect IAM authentication information: "

// authenticationRows are the rows of the table Authentication.
var authenticationRows = []contractRow{
	{"no token and no signature", []contractCase{
		{ask: "", want: incorrect + "x-auth-token not found", as: with()},
		{ask: "port=22", want: incorrect + "x-auth-token not found", as: with("X-Auth-Token", "")},
		{ask: "port=22", want: incorrect + "x-auth-token not found", as: with("Authorization", "Bearer "+token)},
	}},
	{"a token shorter than 32 or longer than 4096, or unknown", []contractCase{
		{ask: "", want: incorrect + "decrypt token fail", as: with("X-Auth-Token", token[1:])},
		{ask: "", want: incorrect + "decrypt token fail", as: with("X-Auth-Token", strings.Repeat("x", 4097))},
		{ask: "", want: incorrect + "decrypt token fail", as: with("X-Auth-Token", strings.Repeat("x", 32))},
		{ask: "", want: incorrect + "decrypt token fail", as: with("X-Auth-Token", strings.ToUpper(token))},
		{ask: "port=22", want: "1: 2×22/TCP", as: with("X-Auth-Token", longestToken)},
	}},
	{"an expired token", []contractCase{
		{ask: "", want: incorrect + "token expires, expires_at: 2000-01-01T00:00:00", as: with("X-Auth-Token", pastToken)},
		{ask: "port=22", want: "1: 2×22/TCP", as: with("X-Auth-Token", futureToken)},
	}},
	{"unknown access key", []contractCase{
		{ask: "", want: incorrect + "ak NOBODYSKEY not exist", as: signedBy("NOBODYSKEY", keySecret, 0)},
	}},
	{"wrong signature", []contractCase{
		{ask: "port=22", want: "1: 2×22/TCP", as: signedBy(keyID, keySecret, 0)},
		{ask: "port=22", want: incorrect + "verify aksk signature fail", as: signedBy(keyID, strings.ToLower(keySecret), 0)},
		{ask: "port=22", want: incorrect + "verify aksk signature fail", as: both(signedBy(keyID, keySecret, 0), with("X-Sdk-Content-Sha256", strings.Repeat("0", 64)))},
	}},
	{"date off by more than 15 minutes", []contractCase{
		{ask: "port=22", want: "1: 2×22/TCP", as: signedBy(keyID, keySecret, -15*time.Minute)},
		{ask: "port=22", want: "1: 2×22/TCP", as: signedBy(keyID, keySecret, 15*time.Minute)},
		{ask: "", want: incorrect + "calc ak sk signature fail:signature expired", as: signedBy(keyID, keySecret, -15*time.Minute-time.Second)},
		{ask: "", want: incorrect + "calc ak sk signature fail:signature expired", as: signedBy(keyID, keySecret, 15*time.Minute+time.Second)},
	}},
	{"valid caller, another project in the path, or an enterprise project that is not granted", []contractCase{
		{ask: statisticsOf("p2"), want: "403 APIGW.0302 The IAM user is not authorized to access the API.", as: with("X-Auth-Token", shopToken)},
		{ask: statisticsOf("p2"), want: "403 APIGW.0302 The IAM user is not", as: signedBy(keyID, keySecret, 0)},
		{ask: "enterprise_project_id=other", want: "403 APIGW.0302 The IAM user is not", as: with("X-Auth-Token", shopToken)},
		{ask: "enterprise_project_id=shop", want: "1: 1×22/TCP", as: with("X-Auth-Token", shopToken)},
		{ask: "POST /v1/projects/p1/reports", want: "403 APIGW.0302 The IAM user is not", as: with("X-Auth-Token", shopToken)},
		{ask: "DELETE /v1/projects/p1/assets/h5", want: "403 APIGW.0302 The IAM user is not", as: with("X-Auth-Token", shopToken)},
		{ask: "DELETE /v1/projects/p1", want: "403 APIGW.0302 The IAM user is not", as: with("X-Auth-Token", shopToken)},
	}},
	{"unknown path", []contractCase{
		{ask: "GET /v5/p1/asset/ports/everything", want: "404 APIGW.0101 The API does not exist or has not been published in the environment"},
		{ask: "GET " + statistics + "/", want: "404 APIGW.0101 has not been published"},
		{ask: "GET //v5/p1/asset/port/statistics", want: "404 APIGW.0101 has not been published"},
		{ask: "GET /", want: "404 APIGW.0101 has not been published", as: with()},
	}},
	{"known path, wrong method: 404, not 405", []contractCase{
		{ask: "POST " + statistics, want: "404 APIGW.0101 The API does not exist."},
		{ask: "GET /v1/projects/p1/reports", want: "404 APIGW.0101 The API does not exist.", as: with()},
	}},
	{"throttled, where the operator set a limit, with Retry-After; off by default", []contractCase{
		{ask: "port=22", want: "1: 2×22/TCP", rig: limited(3, 2)},
		{ask: "", want: "429 APIGW.0308 The throttling threshold has been reached: ", rig: limited(3, 3), also: header("Retry-After", "1")},
		{ask: "enterprise_project_id=shop", want: "1: 1×22/TCP", rig: limited(3, 3), as: with("X-Auth-Token", shopToken)},
		{ask: "port=22", want: "1: 2×22/TCP", rig: limited(0, 1000)},
	}},
	{"both a signature and a token: the signature decides", []contractCase{
		{ask: "port=22", want: "1: 2×22/TCP", as: both(signedBy(keyID, keySecret, 0), with("X-Auth-Token", "short"))},
		{ask: "port=22", want: incorrect + "verify aksk signature fail", as: both(signedBy(keyID, "another secret of some length", 0), with("X-Auth-Token", token))},
		{ask: "port=22", want: "1: 2×22/TCP", as: signedBy(keyID, keySecret, 0, "X-Auth-Token", "short")},
		{ask: statisticsOf("p2"), want: "403 APIGW.0302 The IAM user is not", as: both(signedBy(keyID, keySecret, 0), with("X-Auth-Token", token))},
	}},
	{"identity service unreachable: 503, and the log says why", []contractCase{
		{ask: "", want: "503 APIGW.0202 The identity service is unavailable.", rig: identityDown, also: header("Retry-After", "1")},
	}},
}
