package main

import (
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
)

// words splits a line as a shell does: quotes, $NAME outside single quotes, and
// comments.
func words(line string, getenv func(string) string) []string {
	var list []string
	var word strings.Builder
	inWord, quote := false, byte(0)
	end := func() {
		if inWord {
			list = append(list, word.String())
		}
		word.Reset()
		inWord = false
	}
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case c == quote:
			quote = 0
			continue
		case quote == 0 && (c == '\'' || c == '"'):
			quote = c
		case quote == 0 && c == '#' && !inWord:
			return list
		case quote == 0 && (c == ' ' || c == '\t'):
			end()
			continue
		case quote != '\'' && c == '$':
			name := variable(line[i+1:])
			word.WriteString(getenv(name))
			i += len(name)
		default:
			word.WriteByte(c)
		}
		inWord = true
	}
	end()
	return list
}

// variable returns the name that the text begins with.
func variable(text string) string {
	end := strings.IndexFunc(text, func(r rune) bool {
		return r != '_' && (r < '0' || r > '9') && (r < 'A' || r > 'Z')
	})
	if end < 0 {
		end = len(text)
	}
	return text[:end]
}

// curlRequest is what a curl line asks for.
type curlRequest struct {
	method, url, body string
	header            http.Header
}

// parseCurl reads the few options of curl that our pages use.
func parseCurl(t *testing.T, args []string) curlRequest {
	t.Helper()
	req := curlRequest{method: http.MethodGet, header: http.Header{}}
	for i := 1; i < len(args); i++ {
		switch arg := args[i]; arg {
		case "-s", "-sS", "--fail":
		case "-H":
			i++
			name, value, _ := strings.Cut(args[i], ":")
			req.header.Set(name, strings.TrimSpace(value))
		case "-X":
			i++
			req.method = args[i]
		case "--data-binary":
			i++
			req.method, req.body = http.MethodPost, curlBody(t, args[i])
		default:
			if strings.HasPrefix(arg, "-") {
				t.Fatalf("curl %s: the test does not know this option", arg)
			}
			req.url = arg
		}
	}
	return req
}

// curlBody returns what --data-binary sends: a text, or a file after @.
func curlBody(t *testing.T, text string) string {
	t.Helper()
	name, isFile := strings.CutPrefix(text, "@")
	if !isFile {
		return text
	}
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// do sends the request and returns the answer's body and status.
func (c curlRequest) do(t *testing.T) (string, int) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), c.method, c.url, strings.NewReader(c.body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = c.header
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(data), res.StatusCode
}

func TestWords(t *testing.T) {
	e := env{"A": "x y", "PORTOLAN_TOKEN": "secret"}
	for line, want := range map[string][]string{
		`curl -s 'a b' c`:                      {"curl", "-s", "a b", "c"},
		`-H "X-Auth-Token: $PORTOLAN_TOKEN" z`: {"-H", "X-Auth-Token: secret", "z"},
		`'$A' "$A-$B" ''`:                      {"$A", "x y-", ""},
		`export A=b # comment 'x`:              {"export", "A=b"},
	} {
		if got := words(line, e.get); !slices.Equal(got, want) {
			t.Errorf("words(%s) = %q, want %q", line, got, want)
		}
	}
}
