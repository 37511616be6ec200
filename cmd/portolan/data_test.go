package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

var long = flag.Bool("long", false, "run the tests of faults for minutes")

// childEnv makes this test program be portolan itself.
const childEnv = "PORTOLAN_TEST_CHILD"

// child is the program as a process of its own.
type child struct {
	*exec.Cmd
	base         string
	log          bytes.Buffer
	acknowledged int  // calls
	removed      bool // an asset, by a call that was acknowledged
}

// startServer starts serve on a data directory and returns when it answers.
func startServer(t *testing.T, data string, args ...string) *child {
	t.Helper()
	return startUnder(t, nil, data, args...)
}

// startUnder is startServer with a program that watches over the server.
func startUnder(t *testing.T, watcher []string, data string, args ...string) *child {
	t.Helper()
	line := append(append(watcher, os.Args[0], "serve", "--data", data, "--listen", "127.0.0.1:0"), args...)
	c := &child{Cmd: exec.Command(line[0], line[1:]...)}
	c.Env = append(os.Environ(), childEnv+"=1", "PORTOLAN_TOKEN="+testToken)
	c.Stderr = &c.log
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
	address := regexp.MustCompile(`http://[^/]+`)
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if c.base = address.FindString(lines.Text()); c.base != "" {
			return c
		}
	}
	t.Fatalf("the server ended before it answered: %v\n%s", c.Wait(), &c.log)
	return nil
}

// interrupt asks the server to end.
func (c *child) interrupt() error {
	server := c.Process
	if c.Path != os.Args[0] { // that is a program that watches over it
		children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", c.Process.Pid))
		if err != nil {
			return err
		}
		pid, err := strconv.Atoi(strings.TrimSpace(string(children)))
		if err != nil {
			return err
		}
		if server, err = os.FindProcess(pid); err != nil {
			return err
		}
	}
	return server.Signal(os.Interrupt)
}

// stop has the server end well.
func (c *child) stop(t *testing.T) {
	t.Helper()
	if err := c.interrupt(); err != nil {
		t.Fatal(err)
	}
	if err := c.Wait(); err != nil {
		t.Fatalf("the server did not end well: %v\n%s", err, &c.log)
	}
}

// ask asks the server; an error is one of the connection.
func (c *child) ask(method, path, body string) (status int, answer []byte, err error) {
	req, err := http.NewRequest(method, c.base+path, strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("X-Auth-Token", testToken)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close()
	answer, err = io.ReadAll(res.Body)
	return res.StatusCode, answer, err
}

// openPort is a row of an answer.
type openPort struct {
	Port int    `json:"port"`
	Type string `json:"type"`
	Num  int    `json:"num"`
}

// ports returns how many assets have each port open.
func (c *child) ports(t *testing.T) []openPort {
	t.Helper()
	var list []openPort
	for {
		_, answer, err := c.ask("GET", fmt.Sprintf("/v5/default/asset/port/statistics?enterprise_project_id=all_granted_eps&limit=200&offset=%d", len(list)), "")
		if err != nil {
			t.Fatal(err)
		}
		var page struct {
			Total int        `json:"total_num"`
			Rows  []openPort `json:"data_list"`
		}
		if err := json.Unmarshal(answer, &page); err != nil {
			t.Fatalf("%s: %v", answer, err)
		}
		if list = append(list, page.Rows...); len(list) >= page.Total {
			return list
		}
	}
}

// TestKilledServers kills servers in the middle of writing: what they acknowledged is
// there, and what they did not is there as a whole or not at all.
func TestKilledServers(t *testing.T) {
	kills := 3
	if *long {
		kills = 200
	}
	const writers, perCall, mostCalls = 3, 4, 15_000 // of one directory: a call has ports of its own
	defer http.DefaultClient.CloseIdleConnections()
	data := filepath.Join(t.TempDir(), "data")
	rng := rand.New(rand.NewPCG(1, 2))
	var mu sync.Mutex
	next, sent, acknowledged := 0, map[int]bool{}, map[int]bool{} // numbers of calls
	for range kills {
		if next > mostCalls {
			data = filepath.Join(t.TempDir(), "data")
			next, sent, acknowledged = 0, map[int]bool{}, map[int]bool{}
		}
		server := startServer(t, data)
		var done sync.WaitGroup
		for range writers {
			done.Go(func() {
				for {
					mu.Lock()
					n := next
					next++
					sent[n] = true
					mu.Unlock()
					var body strings.Builder
					for i := range perCall { // a call's reports are of assets of its own, with ports of its own
						fmt.Fprintf(&body, `{"asset":"a%d-%d","scope":"all","open":["%d/tcp"]}`+"\n", n, i, 1+n*perCall+i)
					}
					status, answer, err := server.ask("POST", "/v1/projects/default/reports", body.String())
					if err != nil {
						return // killed
					}
					if status != http.StatusOK {
						t.Errorf("%d %s", status, answer)
						return
					}
					mu.Lock()
					acknowledged[n] = true
					mu.Unlock()
				}
			})
		}
		time.Sleep(time.Duration(50+rng.IntN(300)) * time.Millisecond)
		if err := server.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = server.Wait()
		done.Wait()
		if r := call(t, nil, "verify", "--data", data); r.code != exitOK {
			t.Fatalf("verify: %+v", r)
		}
		again := startServer(t, data)
		ports := make(map[int]bool)
		for _, row := range again.ports(t) {
			ports[row.Port] = true
		}
		for n := range sent {
			have := 0
			for i := range perCall {
				if ports[1+n*perCall+i] {
					have++
				}
			}
			if acknowledged[n] && have != perCall || have != 0 && have != perCall {
				t.Errorf("call %d, acknowledged %t: %d of %d reports are there", n, acknowledged[n], have, perCall)
			}
		}
		if r := call(t, nil, "verify", "--data", data); r.code != exitFailed || !strings.Contains(r.stderr, "is in use") {
			t.Errorf("verify beside a server: %+v", r)
		}
		again.stop(t)
	}
	if t.Logf("%d calls, %d acknowledged", len(sent), len(acknowledged)); len(acknowledged) == 0 {
		t.Error("no call was acknowledged: the test tests nothing")
	}
}

// TestKeptFiles: what was read from files is there without them.
func TestKeptFiles(t *testing.T) {
	defer http.DefaultClient.CloseIdleConnections()
	data := filepath.Join(t.TempDir(), "data")
	first := startServer(t, data, "--import", scanXML)
	want := first.ports(t)
	if err := first.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = first.Wait()
	second := startServer(t, data)
	if got := second.ports(t); len(got) == 0 || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("ports %v, want %v", got, want)
	}
	if status, answer, err := second.ask("GET", "/readyz", ""); err != nil || status != http.StatusOK {
		t.Errorf("readyz: %d %s %v", status, answer, err)
	}
}

// TestDamagedData: damage is named once, by serve and verify alike.
func TestDamagedData(t *testing.T) {
	defer http.DefaultClient.CloseIdleConnections()
	path := filepath.Join(t.TempDir(), "data")
	startServer(t, path, "--import", scanXML).stop(t)
	startServer(t, path).stop(t) // writes a table
	tables, err := filepath.Glob(filepath.Join(path, "db", "*.sst"))
	if err != nil || len(tables) == 0 {
		t.Fatalf("tables %v, %v", tables, err)
	}
	for _, table := range tables {
		data, err := os.ReadFile(table)
		if err != nil {
			t.Fatal(err)
		}
		data[40] ^= 4
		if err := os.WriteFile(table, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, command := range []string{"verify", "serve"} {
		cmd := exec.Command(os.Args[0], command, "--data", path)
		cmd.Env = append(os.Environ(), childEnv+"=1", "PORTOLAN_LISTEN=127.0.0.1:0")
		said, err := cmd.CombinedOutput()
		var told []string
		for line := range strings.Lines(string(said)) {
			if strings.HasPrefix(line, "portolan: ") || strings.HasPrefix(line, " ") {
				told = append(told, line)
			}
		}
		if err == nil || len(told) != 1 || !strings.Contains(told[0], path) || !strings.Contains(told[0], "checksum mismatch") {
			t.Errorf("%s: %v\n%s", command, err, said)
		}
	}
}

// TestBadData: a data directory that cannot be used ends serve and verify with a line that
// says why.
func TestBadData(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"serve", "--data", file}, {"verify", "--data", file}} {
		if r := call(t, nil, args...); r.code != exitFailed || !strings.Contains(r.stderr, file+" is a file") || strings.Count(r.stderr, "\n") != 1 {
			t.Errorf("%v: %+v", args, r)
		}
	}
	for _, command := range []string{"serve", "verify"} {
		if r := call(t, nil, command, "--data", ""); r.code != exitUsage || !strings.Contains(r.stderr, "want the path of a directory") {
			t.Errorf("%s with an empty path: %+v", command, r)
		}
	}
	if r := call(t, nil, "verify"); r.code != exitUsage || !strings.Contains(r.stderr, `"data"`) {
		t.Errorf("without a directory: %+v", r)
	}
	if r := call(t, nil, "verify", "--data", filepath.Join(t.TempDir(), "none")); r.code != exitFailed {
		t.Errorf("of nothing: %+v", r)
	}
}

// TestDemoBesideData: a made-up fleet is not put among assets that are kept.
func TestDemoBesideData(t *testing.T) {
	data := t.TempDir()
	first := serve(t, nil, "--data", data, "--import", agentsFile)
	first.stop()
	if r := call(t, nil, "serve", "--data", data, "--demo", "5", "--listen", "127.0.0.1:0"); r.code != exitFailed || !strings.Contains(r.stderr, "--demo is not allowed") {
		t.Errorf("exit %d\n%s", r.code, r.stderr)
	}
}
