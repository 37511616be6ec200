package store

import (
	"fmt"
	"sync/atomic"
	"testing"

	"portolan/engine"
)

// BenchmarkCommit measures calls of one report that are synced, by so many callers.
func BenchmarkCommit(b *testing.B) {
	for _, callers := range []int{1, 8, 32} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			d := openOn(b, b.TempDir(), nil, nil)
			var n atomic.Int64
			b.SetParallelism(max(callers/2, 1)) // times GOMAXPROCS
			if callers == 1 {
				for b.Loop() {
					if _, err := d.Apply(b.Context(), []engine.Report{numbered(int(n.Add(1)))}); err != nil {
						b.Fatal(err)
					}
				}
			} else {
				b.RunParallel(func(p *testing.PB) {
					for p.Next() {
						if _, err := d.Apply(b.Context(), []engine.Report{numbered(int(n.Add(1)))}); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			if err := d.Close(); err != nil {
				b.Fatal(err)
			}
		})
	}
}
