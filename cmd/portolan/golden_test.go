package main

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// logLine is a line of a server's log, which holds times and addresses.
var logLine = regexp.MustCompile(`(?m)^time=.*\n`)

// transcript shows a run as one text: what was typed and all that came of it.
func transcript(r result, args []string) string {
	return fmt.Sprintf("$ portolan %s\n%s-- stderr --\n%s-- exit %d --\n", strings.Join(args, " "), r.stdout, logLine.ReplaceAllString(r.stderr, ""), r.code)
}

type goldenCase struct {
	name  string
	line  string // arguments, split at spaces
	stdin string
}

func TestGolden(t *testing.T) {
	const both = " --import " + scanXML + " --import " + agentsFile
	for _, group := range [][]goldenCase{
		formats("ports", "ports --limit 0"+both),
		formats("ports-empty", "ports --port 9 --import "+scanXML),
		formats("hosts", "hosts --port 22"+both),
		formats("hosts-where", "hosts --where open(22)and(name~*1*) --import "+scanXML),
		formats("host", "host 192.0.2.10 "+scanXML),
		formats("assets", "assets --limit 3 "+scanXML),
		formats("groups", "groups --by env --sort num --desc "+labelsFile),
		formats("coverage", "coverage --ports 22/tcp "+scanXML),
		formats("together", "together 22/tcp --sort lift "+scanXML),
		formats("findings", "findings --policy testdata/expected.yaml "+scanXML),
		formats("doctor", "doctor "+scanXML+" testdata/twice.ndjson"),
		formats("labels", "labels "+labelsFile),
		formats("assets-labels", "assets "+labelsFile),
		formats("hosts-empty", "hosts --port 9 --import "+scanXML),
		filters(both),
		exports(both),
		diffs(),
		badFiles(),
		wrongUse(),
		helpTexts(),
	} {
		for _, c := range group {
			t.Run(c.name, func(t *testing.T) {
				args := strings.Fields(c.line)
				golden(t, c.name, transcript(callWith(t, nil, c.stdin, args...), args))
			})
		}
	}
}

// formats is one question in every output format.
func formats(name, line string) []goldenCase {
	var cases []goldenCase
	for _, format := range []string{asTable, asJSON, asNDJSON, asCSV} {
		cases = append(cases, goldenCase{name: name + "-" + format, line: line + " -o " + format})
	}
	return cases
}

// exports are whole assets, and rows in the formats that are for others to read.
func exports(both string) []goldenCase {
	return []goldenCase{
		{name: "export-ndjson", line: "export" + both},
		{name: "export-csv", line: "export -o csv --ports 22,/udp" + both},
		{name: "ports-tell", line: "ports --coverage --explain --ports 22,80,123,9 --policy testdata/policy.yaml " + scanXML},
		{name: "ports-tell-json", line: "ports --coverage --explain --port 80 -o json --policy testdata/policy.yaml " + scanXML},
		{name: "hosts-tell", line: "hosts --coverage --explain --port 80 -o csv --policy testdata/policy.yaml " + scanXML},
		{name: "hosts-tell-assets", line: "hosts --coverage --where open(80) " + scanXML},
		{name: "assets-sort", line: "assets --sort id -o ndjson" + both},
		{name: "hosts-sort", line: "hosts --ports 22,123 --sort id -o csv --limit 0" + both},
		{name: "doctor-none", line: "doctor " + scanXML},
		{name: "ports-shared", line: "ports --top 1 " + scanXML + " testdata/twice.ndjson"},
		{name: "export-list", line: "export -o list" + both},
		{name: "export-where", line: "export --where open(22)and(not(open(443))) --type tcp " + scanXML},
		{name: "export-nothing", line: "export -o csv --ports 9 " + scanXML},
		{name: "export-wrong", line: "export -o json " + scanXML},
		{name: "ports-list", line: "ports -o list --ports 1-1024" + both},
		{name: "ports-list-type", line: "ports -o list --type tcp --top 3" + both},
		{name: "ports-prometheus", line: "ports -o prometheus --ports 22,123" + both},
	}
}

// diffs are what changed between two files.
func diffs() []goldenCase {
	const both = " " + mondayFile + " " + tuesdayFile
	cases := formats("diff", "diff"+both)
	return append(cases,
		goldenCase{name: "diff-markdown", line: "diff -o markdown --by port" + both},
		goldenCase{name: "diff-kind", line: "diff -o csv --kind found,closed" + both},
		goldenCase{name: "diff-nothing", line: "diff " + mondayFile + " " + mondayFile},
		goldenCase{name: "diff-strangers", line: "diff testdata/agents.ndjson " + mondayFile + " --kind closed"},
		goldenCase{name: "diff-missing", line: "diff " + mondayFile},
	)
}

func filters(both string) []goldenCase {
	return []goldenCase{
		{name: "ports-default", line: "ports" + both},
		{name: "ports-port", line: "ports --port 123 -o ndjson" + both},
		{name: "ports-match", line: "ports --match 3 --desc -o ndjson" + both},
		{name: "ports-type", line: "ports --type udp -o ndjson" + both},
		{name: "ports-status", line: "ports --status Danger -o ndjson" + both},
		{name: "ports-unknow", line: "ports --status unknow --limit 3 -o ndjson" + both},
		{name: "ports-container", line: "ports --category CONTAINER -o ndjson" + both},
		{name: "ports-enterprise-project", line: "ports --enterprise-project shop -o ndjson" + both},
		{name: "ports-enterprise-projects", line: "ports --enterprise-project shop,0 --port 22 -o ndjson" + both},
		{name: "ports-all-granted", line: "ports --enterprise-project all_granted_eps --port 22 -o ndjson" + both},
		{name: "ports-page", line: "ports --offset 3 --limit 2" + both},
		{name: "ports-past-end", line: "ports --offset 3000000 -o json" + both},
		{name: "ports-arguments", line: "ports " + scanXML + " " + agentsFile + " --top 3"},
		{name: "ports-selector", line: "ports --ports 1-1024,!80,!/udp --sort num --desc -o ndjson" + both},
		{name: "ports-service", line: "ports --ports https/tcp*,match=12 --min-num 2 -o csv" + both},
		{name: "ports-where", line: "ports --where open(443)or(not(open(22))) -o ndjson" + both},
		{name: "hosts-ports", line: "hosts --ports 400-500,/udp --limit 4" + both},
		{name: "host-page", line: "host 192.0.2.10 --ports !22 --limit 1 --offset 1 -o ndjson " + scanXML},
		{name: "host-none", line: "host nobody " + scanXML},
		{name: "ports-why-empty", line: "ports --port 161 --type tcp --enterprise-project shop -o json" + both},
		{name: "hosts-why-empty", line: "hosts --port 8080 --status danger" + both},
		{name: "assets-why-empty", line: "assets --category container " + scanXML},
		{name: "ports-color", line: "ports --color always --ports 22,123/udp " + scanXML},
		{name: "groups-projects", line: "groups " + labelsFile},
		{name: "groups-where", line: "groups --by owner --where open(443) --label owner=all -o ndjson " + labelsFile},
		{name: "groups-page", line: "groups --by env --limit 1 " + labelsFile},
		{name: "groups-none", line: "groups --by nobody " + labelsFile},
		{name: "labels-given", line: "labels --label site=a --label env= " + scanXML},
		{name: "host-labels", line: "host web-1 " + labelsFile},
		{name: "coverage-where", line: "coverage --where not(looked(9999/udp)) " + agentsFile},
		{name: "findings-hosts", line: "hosts --where missing(443)or(unexpected(1-65535)) --policy testdata/expected.yaml " + scanXML + " -o csv"},
		{name: "policy-show", line: "policy show testdata/expected.yaml -o csv"},
		{name: "coverage-none", line: "coverage --ports 9/sctp --category container " + scanXML},
		{name: "ports-label", line: "ports --where label(env)=prod " + labelsFile},
		{name: "convert-label", line: "convert --label site=a --label owner=b " + labelsFile},
		{name: "ports-sort-type", line: "ports --sort type --desc --max-num 1 --limit 4" + both},
		{name: "ports-sort-status", line: "ports --sort status --limit 4" + both},
		{name: "ports-stdin", line: "ports --import - -o json", stdin: `{"asset":"h1","open":["123/udp"]}` + "\n"},
		{name: "hosts-past-end", line: "hosts --port 22 --offset 99" + both},
		{name: "hosts-type", line: "hosts --port 53 --type udp -o ndjson" + both},
		{name: "hosts-status", line: "hosts --port 123 --status DANGER -o csv" + both},
		{name: "hosts-name", line: "hosts --port 22 --name shop- -o ndjson" + both},
		{name: "hosts-name-case", line: "hosts --port 22 --name Shop-" + both},
		{name: "hosts-address", line: "hosts --port 22 --address .2.1 --type tcp -o csv" + both},
		{name: "hosts-container", line: "hosts --port 8080 --category container --name cart -o ndjson" + both},
		{name: "hosts-page", line: "hosts --port 22 --offset 2 --limit 2" + both},
		{name: "hosts-enterprise-project", line: "hosts --port 22 --enterprise-project shop -o ndjson" + both},
		{name: "hosts-hostile-name", line: "hosts --port 22 --import -", stdin: `{"asset":"h\u001b[31m1","name":"a\tb\nc","open":["22/tcp"]}` + "\n"},
	}
}

func badFiles() []goldenCase {
	const unknown = "testdata/unknown.bin"
	return []goldenCase{
		{name: "damaged", line: "ports -o ndjson --import " + damagedXML},
		{name: "damaged-strict", line: "ports -o ndjson --strict --import " + damagedXML},
		{name: "rejects", line: "ports -o ndjson --import " + rejectsFile},
		{name: "rejects-strict", line: "ports -o ndjson --strict --import " + rejectsFile},
		{name: "unknown-format", line: "ports --import " + scanXML + " --import " + unknown},
		{name: "unknown-format-serve", line: "serve --listen 127.0.0.1:0 --import " + unknown},
		{name: "missing-file", line: "ports --import testdata/missing.xml"},
		{name: "folder", line: "ports testdata/folder -o ndjson"},
		{name: "folder-hidden", line: "ports testdata/folder/.hidden"},
		{name: "pattern", line: "ports testdata/folder/*.xml testdata/fol*r/deep -o ndjson"},
		{name: "pattern-none", line: "ports testdata/none-*.xml"},
		{name: "empty-stdin", line: "ports --import -"},
		{name: "nothing", line: "ports --import -", stdin: `{"asset":"h1","open":["123"]}` + "\n"},
		{name: "nothing-forced", line: "ports --format nmap-xml --import " + agentsFile},
		{name: "compressed", line: "ports --import -", stdin: "\x1f\x8b\x08\x00"},
	}
}

func wrongUse() []goldenCase {
	const scan = " --import " + scanXML
	cases := make([]goldenCase, 0, 32)
	for name, line := range map[string]string{
		"unknown-command": "prots", "unknown-flag": "ports --prot 1" + scan, "no-source": "ports",
		"two-sources": "ports --server http://127.0.0.1:1" + scan, "strict-server": "ports --strict --server http://127.0.0.1:1",
		"bench-suite": "bench speed", "bench-hosts": "bench --hosts 0", "bench-profile": "bench --profile zoo", "bench-for": "bench library --for -1s",
		"bench-output": "bench -o xml", "stray-argument": "verify b.xml", "bad-port": "ports --port 70000" + scan, "bad-match": "ports --match 8x" + scan, "empty-match": "ports --match=" + scan, "bad-type": "ports --type quic" + scan,
		"bad-selector": "ports --ports 22,htps" + scan, "empty-selector": "ports --ports=" + scan, "bad-sort": "ports --sort count" + scan, "top-and-sort": "ports --top 3 --sort num" + scan,
		"top-and-limit": "ports --top 3 --limit 4" + scan, "bad-top": "ports --top 0" + scan, "no-number": "ports --min-num 3 --max-num 2" + scan, "bad-status": "ports --status bad" + scan, "bad-category": "hosts --port 1 --category vm" + scan,
		"bad-limit": "ports --limit -1" + scan, "bad-offset": "ports --offset x" + scan, "bad-output": "ports -o xml" + scan,
		"bad-label": "ports --label env" + scan, "label-twice": "ports --label env=a --label env=b" + scan, "bad-by": "groups --by a=b" + scan, "groups-nothing": "groups", "together-nothing": "together", "findings-no-policy": "findings" + scan, "findings-no-expectation": "findings --policy cloud" + scan, "bad-together": "together htps" + scan, "labels-nothing": "labels",
		"bad-scope": "ports --scope 1-x/tcp" + scan, "bad-format": "ports --format gif" + scan,
		"empty-enterprise-project": "ports --enterprise-project=" + scan, "no-port": "hosts" + scan, "no-files": "hosts --port 1", "hosts-two-sources": "hosts --port 1 --server http://127.0.0.1:1" + scan,
		"hosts-no-port": "hosts --server http://127.0.0.1:1", "host-nothing": "host", "bad-where": "hosts --where open(22" + scan, "hosts-name-alone": "hosts --where open(22) --name web" + scan, "assets-nothing": "assets",
		"stdin-twice": "ports --import - --import -", "import-nothing": "import --server http://127.0.0.1:1",
		"import-no-server": "import " + scanXML, "remove-nothing": "remove --server http://127.0.0.1:1",
		"no-token": "remove h1 --server http://127.0.0.1:1", "bad-listen": "serve --listen nowhere",
		"public-no-token": "serve --listen 0.0.0.0:0", "bad-demo": "serve --demo -5", "bad-max-body": "serve --max-body 0",
		"bad-expire": "serve --expire -1s", "bad-lag": "serve --data d --durable-within 2h", "lag-no-data": "serve --durable-within 1s",
	} {
		cases = append(cases, goldenCase{name: "use-" + name, line: line})
	}
	return cases
}

func helpTexts() []goldenCase {
	cases := []goldenCase{{name: "help", line: "--help"}, {name: "help-nothing"}}
	for _, name := range []string{"serve", "ports", "hosts", "host", "assets", "groups", "labels", "coverage", "together", "findings", "policy", "policy check", "policy show", "import", "remove", "verify", "backup", "restore", "bench", "version"} {
		cases = append(cases, goldenCase{name: "help-" + strings.ReplaceAll(name, " ", "-"), line: name + " --help"})
	}
	return cases
}

// Wrong use is exit 2 and never prints rows.
func TestWrongUseIsTwo(t *testing.T) {
	for _, c := range wrongUse() {
		r := call(t, nil, strings.Fields(c.line)...)
		if r.code != exitUsage || r.stdout != "" {
			t.Errorf("portolan %s: exit %d, stdout %q; want 2 and nothing", c.line, r.code, r.stdout)
		}
	}
}
