package enginetest

import (
	"flag"
	"os"
)

// Full says whether histories are run at full length, by the variable PORTOLAN_FULL: a plain
// go test is to end within two minutes.
func Full() bool { return os.Getenv("PORTOLAN_FULL") != "" }

// shorten has a random test try fewer histories, unless all are asked for or their number is
// given. What it returns ends that.
func shorten() (restore func()) {
	const few = "25"
	checks := flag.Lookup("rapid.checks")
	if checks == nil || Full() || checks.Value.String() != checks.DefValue {
		return func() {}
	}
	_ = checks.Value.Set(few) // it is a number
	return func() { _ = checks.Value.Set(checks.DefValue) }
}
