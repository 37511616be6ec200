package server

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"portolan/engine/scanfile"
	"portolan/server/auth"
)

// Bounds of uploads. Bodies that must be read before it is known who sends them have rooms of
// their own, so that nobody keeps callers out without credentials.
const (
	// strangersPart is which part of slots and memory is for bodies of unknown senders.
	strangersPart = 4
	// strangersDisk is how many bytes of those are in the temporary folder.
	strangersDisk = 128 << 20
	// recordPart is which part of the memory the longest record may take, so that somebody
	// who is alone always gets enough for one.
	recordPart = 8
)

// holder is who an upload counts for: a caller, or a network that sends what must be read before
// its caller is known.
type holder = callerID

// uploads shares among clients what bodies take while they are read. A body has a slot from
// its first read to the answer.
type uploads struct {
	mu                 sync.Mutex // guards what the rooms hold
	callers, strangers room
}

// room is what bodies share.
type room struct {
	slots, memory, disk pool
}

func newUploads(o *Options) *uploads {
	strange := o.UploadMemory / strangersPart
	return &uploads{
		callers:   room{newPool(int64(o.MaxUploads)), newPool(o.UploadMemory - strange), newPool(o.UploadDisk)},
		strangers: room{newPool(max(1, int64(o.MaxUploads)/strangersPart)), newPool(strange), newPool(min(o.UploadDisk, strangersDisk))},
	}
}

// pool is an amount of something that holders share. Whoever holds some gets more only as long
// as no more is held than is left free, so that one alone may have half of all, two a third
// each, and the next one always finds something (the dynamic threshold of shared buffers:
// Choudhury and Hahne, IEEE/ACM Transactions on Networking 6(2), 1998).
type pool struct {
	size, free int64
	held       map[holder]int64
}

func newPool(size int64) pool { return pool{size: size, free: size, held: map[holder]int64{}} }

// take takes an amount. Who holds nothing yet gets all that is free.
func (p *pool) take(h holder, n int64) bool {
	held := p.held[h]
	if n > p.free || held > 0 && held+n > p.free-n {
		return false
	}
	p.free -= n
	p.held[h] = held + n
	return true
}

// give gives an amount back.
func (p *pool) give(h holder, n int64) {
	p.free += n
	if p.held[h] -= n; p.held[h] == 0 {
		delete(p.held, h)
	}
}

// upload is what one body has taken. The zero upload has nothing.
type upload struct {
	of           *uploads
	room         *room // nil: it has no slot
	holder       holder
	memory, disk int64
}

// begin takes a slot, and the memory that every body needs.
func (u *upload) begin(of *uploads, r *room, h holder) error {
	of.mu.Lock()
	defer of.mu.Unlock()
	return u.beginLocked(of, r, h, scanfile.FixedMemory, 0)
}

func (u *upload) beginLocked(of *uploads, r *room, h holder, memory, disk int64) error {
	if !r.slots.take(h, 1) {
		return busyWith("bodies of this sender, or of all")
	}
	if !r.memory.take(h, memory) {
		r.slots.give(h, 1)
		return busyWith("memory of bodies")
	}
	if !r.disk.take(h, disk) {
		r.slots.give(h, 1)
		r.memory.give(h, memory)
		return busyWith("the temporary folder")
	}
	*u = upload{of, r, h, memory, disk}
	return nil
}

// as makes the upload that of a caller who is known now, or begins it.
func (u *upload) as(of *uploads, h holder) error {
	if u.room == nil {
		return u.begin(of, &of.callers, h)
	}
	if u.room == &of.callers && u.holder == h {
		return nil
	}
	of.mu.Lock()
	defer of.mu.Unlock()
	before := *u
	err := u.beginLocked(of, &of.callers, h, before.memory, before.disk)
	if err == nil {
		before.endLocked()
	}
	return err
}

// end gives back everything.
func (u *upload) end() {
	if u.room == nil {
		return
	}
	u.of.mu.Lock()
	defer u.of.mu.Unlock()
	u.endLocked()
}

func (u *upload) endLocked() {
	u.room.slots.give(u.holder, 1)
	u.room.memory.give(u.holder, u.memory)
	u.room.disk.give(u.holder, u.disk)
	*u = upload{}
}

// needMemory takes more memory, or gives some back where n is negative.
func (u *upload) needMemory(n int64) error {
	u.of.mu.Lock()
	defer u.of.mu.Unlock()
	return u.needLocked(&u.room.memory, &u.memory, n, "memory of bodies")
}

// needDisk takes more room in the temporary folder.
func (u *upload) needDisk(n int64) error {
	u.of.mu.Lock()
	defer u.of.mu.Unlock()
	return u.needLocked(&u.room.disk, &u.disk, n, "the temporary folder")
}

func (u *upload) needLocked(from *pool, has *int64, n int64, what string) error {
	switch {
	case n < 0:
		from.give(u.holder, -n)
	case !from.take(u.holder, n):
		if *has+n > from.size-*has-n { // nor would it alone
			return &failure{kind: largeBody, detail: "It needs more of " + what + " than one body may have."}
		}
		return busyWith(what)
	}
	*has += n
	return nil
}

// busyWith is the failure of a body for which something is not free. It may be an error of the
// body's source as well.
func busyWith(what string) *failure {
	return &failure{kind: busy, detail: "The server is busy with other bodies: there is no more room at present for " + what + ".", retry: retrySoon}
}

// beginUpload takes what the request's body needs before it is read: as that of its caller, or
// of whoever its credentials prove it is, or else of a stranger.
func (s *Server) beginUpload(c *call) error {
	switch {
	case c.upload.room != nil:
		return nil
	case c.caller != nil:
		return c.upload.begin(s.uploads, &s.uploads.callers, idOf(c.caller))
	case c.Signer != nil:
		return c.upload.begin(s.uploads, &s.uploads.callers, idOf(c.Signer))
	}
	return c.upload.begin(s.uploads, &s.uploads.strangers, holder{name: auth.Network(c.Remote)})
}

// idOf is who a caller is.
func idOf(c *auth.Caller) callerID { return callerID{c.Source, c.Name} }

var (
	uploadsDesc = prometheus.NewDesc("portolan_uploads_in_flight", "Bodies that have a slot, of callers and of senders who are not known yet.", []string{"sender"}, nil)
	memoryTaken = prometheus.NewDesc("portolan_upload_memory_bytes", "Memory that bodies have taken of what they share.", []string{"sender"}, nil)
	diskTaken   = prometheus.NewDesc("portolan_upload_disk_bytes", "What bodies have taken of the temporary folder.", []string{"sender"}, nil)
)

// Describe is [prometheus.Collector.Describe].
func (u *uploads) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{uploadsDesc, memoryTaken, diskTaken} {
		to <- d
	}
}

// Collect is [prometheus.Collector.Collect].
func (u *uploads) Collect(to chan<- prometheus.Metric) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for sender, r := range map[string]*room{"caller": &u.callers, "unknown": &u.strangers} {
		for d, p := range map[*prometheus.Desc]*pool{uploadsDesc: &r.slots, memoryTaken: &r.memory, diskTaken: &r.disk} {
			to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(p.size-p.free), sender)
		}
	}
}
