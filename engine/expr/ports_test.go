package expr_test

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"portolan/engine"
	"portolan/engine/expr"
	"portolan/index"
)

// policy has danger for 23 and 3389 of TCP, normal for 443.
var policy = func() *engine.Policy {
	p, err := engine.NewPolicy([]engine.Rule{
		{Keys: engine.KeysOf(index.Range{Type: index.TCP, Lo: 23, Hi: 23}), Status: engine.Danger},
		{Keys: engine.KeysOf(index.Range{Type: index.TCP, Lo: 3389, Hi: 3389}), Status: engine.Danger},
		{Keys: engine.KeysOf(index.Range{Type: index.TCP, Lo: 443, Hi: 443}), Status: engine.Normal},
	})
	if err != nil {
		panic(err)
	}
	return p
}()

// wantKeys holds a selector against what lets keys through.
func wantKeys(t interface {
	Helper()
	Fatalf(string, ...any)
}, text string, lets func(port int, typ engine.Type) bool,
) {
	t.Helper()
	ports, err := expr.ParsePorts("ports", text)
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	keys := ports.Keys(policy)
	for _, typ := range index.Types() {
		for p := 1; p <= index.MaxPort; p++ {
			if in := keys.Contains(index.MakeKey(uint16(p), typ)); in != lets(p, typ) {
				t.Fatalf("%q has %d/%s: %t", text, p, typ, in)
			}
		}
	}
}

func TestPorts(t *testing.T) {
	tcp := func(typ engine.Type) bool { return typ == engine.TCP || typ == engine.TCP6 }
	udp := func(typ engine.Type) bool { return typ == engine.UDP || typ == engine.UDP6 }
	of := func(port int, list ...int) bool { return slices.Contains(list, port) }
	for text, lets := range map[string]func(port int, typ engine.Type) bool{
		"22":                    func(p int, _ engine.Type) bool { return p == 22 },
		"22,80,8000-8999,!8080": func(p int, _ engine.Type) bool { return of(p, 22, 80) || p >= 8000 && p <= 8999 && p != 8080 },
		"!8080, 8000-8999":      func(p int, _ engine.Type) bool { return p >= 8000 && p <= 8999 && p != 8080 },
		"!22":                   func(p int, _ engine.Type) bool { return p != 22 },
		"!22/tcp,!/udp":         func(p int, typ engine.Type) bool { return (p != 22 || typ != engine.TCP) && typ != engine.UDP },
		"-1024":                 func(p int, _ engine.Type) bool { return p <= 1024 },
		"65000-/udp*":           func(p int, typ engine.Type) bool { return p >= 65000 && udp(typ) },
		"*/sctp":                func(_ int, typ engine.Type) bool { return typ == engine.SCTP },
		"*":                     func(int, engine.Type) bool { return true },
		"/UDP":                  func(_ int, typ engine.Type) bool { return typ == engine.UDP },
		"53/udp , 53 / Tcp6":    func(p int, typ engine.Type) bool { return p == 53 && (typ == engine.UDP || typ == engine.TCP6) },
		"HTTPS/tcp":             func(p int, typ engine.Type) bool { return p == 443 && typ == engine.TCP },
		"rdp/tcp*":              func(p int, typ engine.Type) bool { return p == 3389 && tcp(typ) },
		"ms-wbt-server":         func(p int, typ engine.Type) bool { return p == 3389 && (tcp(typ) || udp(typ)) },
		"etcd,ipmi":             func(p int, typ engine.Type) bool { return of(p, 2379, 2380) && tcp(typ) || p == 623 && udp(typ) },
		"match=44":              func(p int, _ engine.Type) bool { return strings.Contains(strconv.Itoa(p), "44") },
		"prefix=80/tcp": func(p int, typ engine.Type) bool {
			return strings.HasPrefix(strconv.Itoa(p), "80") && typ == engine.TCP
		},
		"suffix=080, !18080":       func(p int, _ engine.Type) bool { return strings.HasSuffix(strconv.Itoa(p), "080") && p != 18080 },
		"Match=65535":              func(p int, _ engine.Type) bool { return p == 65535 },
		"match=99999":              func(int, engine.Type) bool { return false },
		"type=tcp*":                func(_ int, typ engine.Type) bool { return tcp(typ) },
		"status=danger":            func(p int, typ engine.Type) bool { return of(p, 23, 3389) && typ == engine.TCP },
		"status=unknow/tcp":        func(p int, typ engine.Type) bool { return !of(p, 23, 3389, 443) && typ == engine.TCP },
		"!status=danger/tcp":       func(p int, typ engine.Type) bool { return !of(p, 23, 3389) || typ != engine.TCP },
		"1-1024 and status=DANGER": func(p int, typ engine.Type) bool { return p == 23 && typ == engine.TCP },
		"20-30,443 AND /tcp and !22": func(p int, typ engine.Type) bool {
			return (p >= 20 && p <= 30 || p == 443) && typ == engine.TCP && p != 22
		},
	} {
		wantKeys(t, text, lets)
	}
	if keys := (expr.Ports{}).Keys(policy); !keys.Contains(index.MakeKey(9, index.UDP)) {
		t.Error("the zero selector does not have every key")
	}
	if p, _ := expr.ParsePorts("ports", "22, 80"); p.String() != "22, 80" {
		t.Errorf("String: %q", p)
	}
}

func TestPortsRefused(t *testing.T) {
	const item = "a port, a range such as 8000-8999, a service such as https, /TYPE, match=, prefix=, suffix=, type= or status="
	const typ = "a type: tcp, tcp6, tcp*, udp, udp6, udp*, sctp, sctp6 or sctp*"
	for text, want := range map[string]string{
		"":                                `ports: at the end: want ` + item,
		" ":                               `ports: at the end: want ` + item,
		"22,":                             `ports: at the end: want ` + item,
		"22,,80":                          `ports: character 4, at ",": want ` + item,
		"22 80":                           `ports: character 4, at "80": want ",", "and" or the end`,
		"22;80":                           `ports: character 3, at ";": want ",", "and" or the end`,
		"22, é":                           `ports: character 5, at "é": want ` + item,
		"22/":                             `ports: at the end: want ` + typ,
		"22/tpc":                          `ports: character 4, at "tpc": want ` + typ,
		"22/tcp6*":                        `ports: character 4, at "tcp6*": want ` + typ,
		"!":                               `ports: at the end: want ` + item,
		"!!22":                            `ports: character 2, at "!": want ` + item,
		"0":                               `ports: character 1, at "0": want ports from 1 to 65535, the lower one first`,
		"22,65536":                        `ports: character 4, at "65536": want ports from 1 to 65535, the lower one first`,
		"90-80":                           `ports: character 1, at "90-80": want ports from 1 to 65535, the lower one first`,
		"80-65536":                        `ports: character 1, at "80-65536": want ports from 1 to 65535, the lower one first`,
		"1-2-3":                           `ports: character 1, at "1-2-3": want ` + item,
		"-":                               `ports: character 1, at "-": want ` + item,
		"nosuchservice":                   `ports: character 1, at "nosuchservice": want ` + item,
		"rdp/sctp":                        `ports: character 5, at "sctp": want a type that rdp has: tcp, tcp6, udp, udp6`,
		"match=":                          `ports: at the end: want a word or digits`,
		"match=x":                         `ports: character 7, at "x": want one to five digits`,
		"prefix=123456":                   `ports: character 8, at "123456": want one to five digits`,
		"status=bad":                      `ports: character 8, at "bad": want danger, normal or unknown`,
		"22 and":                          `ports: at the end: want ` + item,
		"and 22":                          `ports: character 1, at "and": want ` + item,
		"22,and":                          `ports: character 4, at "and": want ` + item,
		"22/and":                          `ports: character 4, at "and": want ` + typ,
		"port=22":                         `ports: character 1, at "port": want match, prefix, suffix, type or status before =`,
		"ü\xff":                           `ports: character 2, at "\xff": want UTF-8`,
		"22\x00":                          `ports: character 3, at "\x00": want ",", "and" or the end`,
		strings.Repeat("9,", expr.MaxLen): `ports: character 1, at "` + strings.Repeat("9,", 32) + `…": want at most 8192 bytes, not 16384`,
	} {
		_, err := expr.ParsePorts("ports", text)
		if err == nil || err.Error() != want || !errors.Is(err, engine.ErrInvalid) {
			t.Errorf("%.40q:\n got %v\nwant %s", text, err, want)
		}
	}
}

// drawItem draws an item of a selector and what it lets through.
func drawItem(t *rapid.T) (text string, lets func(port int, typ engine.Type) bool) {
	ports := []int{1, 2, 22, 80, 443, 1024, 3389, 8080, 65534, 65535}
	port := rapid.SampledFrom(ports).Draw(t, "port")
	other := rapid.SampledFrom(ports).Draw(t, "other port")
	low, high := min(port, other), max(port, other)
	digits := rapid.SampledFrom([]string{"0", "8", "44", "080", "6553", "65535"}).Draw(t, "digits")
	var by func(port int, typ engine.Type) bool
	switch rapid.IntRange(0, 7).Draw(t, "kind") {
	case 0:
		text, by = strconv.Itoa(port), func(p int, _ engine.Type) bool { return p == port }
	case 1:
		text, by = fmt.Sprintf("%d-%d", low, high), func(p int, _ engine.Type) bool { return p >= low && p <= high }
	case 2:
		text, by = fmt.Sprintf("-%d", port), func(p int, _ engine.Type) bool { return p <= port }
	case 3:
		text, by = fmt.Sprintf("%d-", port), func(p int, _ engine.Type) bool { return p >= port }
	case 4:
		text, by = "match="+digits, func(p int, _ engine.Type) bool { return strings.Contains(strconv.Itoa(p), digits) }
	case 5:
		text, by = "suffix = "+digits, func(p int, _ engine.Type) bool { return strings.HasSuffix(strconv.Itoa(p), digits) }
	case 6:
		text, by = "prefix="+digits, func(p int, _ engine.Type) bool { return strings.HasPrefix(strconv.Itoa(p), digits) }
	default:
		status := rapid.SampledFrom([]engine.Status{engine.Danger, engine.Normal, engine.Unknown}).Draw(t, "status")
		text, by = "status="+status.String(), func(p int, typ engine.Type) bool {
			return policy.Status(index.MakeKey(uint16(p), typ)) == status
		}
	}
	if rapid.Bool().Draw(t, "typed") {
		typ := rapid.SampledFrom(index.Types()).Draw(t, "type")
		return text + "/" + strings.ToLower(typ.String()), func(p int, of engine.Type) bool { return of == typ && by(p, of) }
	}
	return text, by
}

// TestPortsAnyway holds random selectors against what their items let through, one by one.
func TestPortsAnyway(t *testing.T) {
	type item struct {
		not  bool
		lets func(int, engine.Type) bool
	}
	rapid.Check(t, func(t *rapid.T) {
		var lists [][]item
		var text []string
		for range rapid.IntRange(1, 3).Draw(t, "lists") {
			var list []item
			var texts []string
			for range rapid.IntRange(1, 4).Draw(t, "items") {
				one, lets := drawItem(t)
				not := rapid.IntRange(0, 2).Draw(t, "not") == 0
				if not {
					one = "!" + one
				}
				list, texts = append(list, item{not, lets}), append(texts, one)
			}
			lists, text = append(lists, list), append(text, strings.Join(texts, ","))
		}
		wantKeys(t, strings.Join(text, " and "), func(p int, typ engine.Type) bool {
			for _, list := range lists {
				in, adds := false, false
				for _, i := range list {
					if !i.not {
						adds = true
						in = in || i.lets(p, typ)
					}
				}
				in = in || !adds
				for _, i := range list {
					in = in && (!i.not || !i.lets(p, typ))
				}
				if !in {
					return false
				}
			}
			return true
		})
	})
}

// FuzzPorts: any text is a selector, or an error that points into it.
func FuzzPorts(f *testing.F) {
	for _, text := range []string{"22,80,8000-8999,!8080", "rdp/tcp* and status=danger", "match=44/udp,", "\xff", "*-", "!"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		ports, err := expr.ParsePorts("ports", text)
		wrong, ok := errors.AsType[*expr.Error](err)
		switch {
		case err == nil:
			again, err := expr.ParsePorts("ports", ports.String())
			if err != nil || again.Keys(policy).Contains(0) {
				t.Errorf("%q: %v", text, err)
			}
		case !ok || wrong.At < 0 || wrong.At > len(text) || wrong.Want == "" || !utf8.ValidString(text) != (wrong.Want == "UTF-8"):
			t.Errorf("%q: %#v", text, err)
		}
		if ok && len(err.Error()) > 512 {
			t.Errorf("%q: a long error", text)
		}
	})
}

// BenchmarkPorts is a selector of many ports and one that costs most for its length.
func BenchmarkPorts(b *testing.B) {
	for name, text := range map[string]string{
		"22,80": "22,80", "ports": strings.Repeat("8080,", expr.MaxLen/5-1) + "1", "statuses": strings.Repeat("status=danger/tcp,", expr.MaxLen/18-1) + "1",
		"matches": strings.Repeat("suffix=1/tcp,", expr.MaxLen/13-1) + "1",
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				ports, err := expr.ParsePorts("ports", text)
				if err != nil {
					b.Fatal(err)
				}
				ports.Keys(policy)
			}
		})
	}
}
