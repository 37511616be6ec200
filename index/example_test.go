package index_test

import (
	"fmt"
	"sync"

	"portolan/index"
)

// One goroutine writes and publishes; the others read whole snapshots without
// ever waiting for it.
func Example_concurrent() {
	x := index.New()
	ssh, ntp := index.MakeKey(22, index.TCP), index.MakeKey(123, index.UDP)

	var readers sync.WaitGroup
	done := make(chan struct{})
	for range 4 {
		readers.Go(func() {
			for {
				s := x.Snapshot()
				view := s.View(index.Groups{})
				if view.Count(ssh) != view.Count(ntp) {
					panic("a snapshot has half of a publication")
				}
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}

	for i := range 1000 {
		if _, err := x.Add(&index.Asset{ID: fmt.Sprintf("h%d", i), Group: "0", Keys: []index.Key{ssh, ntp}}); err != nil {
			panic(err)
		}
		x.Publish()
	}
	close(done)
	readers.Wait()

	c := x.Snapshot().View(index.Groups{}).Select(index.Filter{})
	for c.Seek(0, false); c.Next(); {
		fmt.Println(c.Count(), c.Key())
	}
	// Output:
	// 1000 22/tcp
	// 1000 123/udp
}
