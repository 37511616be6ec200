package main

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestProgress: nothing is drawn before there is something to tell, and the rate is the true one from
// the first time on.
func TestProgress(t *testing.T) {
	for _, total := range []int64{100 << 20, -1} {
		synctest.Test(t, func(t *testing.T) {
			var out bytes.Buffer
			update, done := progress(&out, "reading", total)
			update(10 << 20)
			time.Sleep(2 * progressDelay)
			update(0)
			if out.Len() > 0 {
				t.Errorf("drawn early: %q", out.String())
			}
			time.Sleep(400 * time.Millisecond)
			update(30 << 20)
			if text := out.String(); !strings.Contains(text, "30 MiB/s") && !strings.Contains(text, "30.00 MiB/s") && !strings.Contains(text, "(30/100 MiB, 30 MiB/s)") {
				t.Errorf("of %d: %q", total, text)
			}
			out.Reset()
			done()
			if strings.TrimSpace(out.String()) != "" {
				t.Errorf("not wiped: %q", out.String())
			}
		})
	}
}
