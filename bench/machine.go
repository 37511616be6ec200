package bench

import (
	"bufio"
	"io"
	"os"
	"runtime"
	"strings"
)

// Machine is where something was measured.
type Machine struct {
	OS    string `json:"os"`
	Arch  string `json:"arch"`
	CPU   string `json:"cpu,omitempty"` // empty where the system does not say
	Procs int    `json:"gomaxprocs"`
	Go    string `json:"go"`
}

// ThisMachine describes the machine that the program runs on.
func ThisMachine() Machine {
	m := Machine{OS: runtime.GOOS, Arch: runtime.GOARCH, Procs: runtime.GOMAXPROCS(0), Go: runtime.Version()}
	if f, err := os.Open("/proc/cpuinfo"); err == nil { // Linux alone has it
		defer f.Close()
		m.CPU = cpuName(f)
	}
	return m
}

// cpuName returns the first processor's name in the text of /proc/cpuinfo.
func cpuName(r io.Reader) string {
	for s := bufio.NewScanner(r); s.Scan(); {
		name, value, _ := strings.Cut(s.Text(), ":")
		if strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
