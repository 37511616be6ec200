package index

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// TestMemory: the parts of an index add up to what it takes on the heap, but for what
// the allocator rounds up to and what only the writer needs.
func TestMemory(t *testing.T) {
	for name, asset := range map[string]func(i int) Asset{
		"sparse": func(i int) Asset {
			a := Asset{Address: "192.0.2.1", Group: fmt.Sprint(i % 5)}
			for j := range 11 {
				a.Keys = append(a.Keys, MakeKey(uint16(1+j*5000+i*7919%5000), TCP))
			}
			return a
		},
		"dense":     func(i int) Asset { return Asset{Group: "0", Keys: everyOther(1 + i%11)} },
		"interned":  func(i int) Asset { return Asset{Group: "0", Note: []byte(strings.Repeat("n", 300+i%10_000))} },
		"groups":    func(i int) Asset { return Asset{Group: fmt.Sprint(i % 10_000), Keys: everyOther(1)} },
		"long keys": func(i int) Asset { return Asset{Group: "0", Keys: everyOther(1000 + i%3000)} },
	} {
		t.Run(name, func(t *testing.T) {
			n := 60_000
			if name == "long keys" {
				n = 6_000
			}
			before := liveHeap()
			x := New()
			for i := range n {
				a := asset(i)
				a.ID = fmt.Sprint("asset-", i)
				if _, err := x.Add(&a); err != nil {
					t.Fatal(err)
				}
			}
			s := x.Publish()
			m, held := s.Memory(), liveHeap()-before
			if m.Total() > held+held/20 || m.Total() < held*3/4 {
				t.Errorf("%d bytes in parts, %d on the heap: %+v", m.Total(), held, m)
			}
			t.Logf("%.2f of the heap: %+v", float64(m.Total())/float64(held), m)
			runtime.KeepAlive(x)
		})
	}
	if got := New().Snapshot().Memory().Total(); got > 4096 {
		t.Errorf("an empty index takes %d bytes", got)
	}
}

func liveHeap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
