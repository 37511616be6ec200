package server

import (
	"hash/maphash"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync/atomic"

	"portolan/engine"
)

// answers remembers finished answers to the published call, so that a question that is
// asked again of the same data costs neither parsing nor JSON. A question's hash names a
// few of the places; it gets one of them when it is asked for the second time, so that
// questions that never repeat displace none. Readers never wait: an answer, once placed,
// does not change.
//
// An answer stands for its question as long as the data version it was made of is the
// newest. Nothing is given up before: a newer answer takes its place.
type answers struct {
	seed   maphash.Seed
	asked  [numAsked]atomic.Uint64
	places [numAnswers]atomic.Pointer[answer]
}

const (
	numAnswers = 64
	numWays    = 4 // places that a question may have
	numAsked   = 1024
	// displaceOneIn is how many times an answer must be made, on average, to take the
	// place of one that is still right.
	displaceOneIn = 16
	// maxQuery is the longest query that is remembered; with the pages, of at most
	// maxLimit rows, it bounds what answers take: about a megabyte.
	maxQuery = 512
)

// answer is one answer and what it is the answer to.
type answer struct {
	project, query string
	grants         string // the mark of what the caller is granted
	category       engine.Category
	version        uint64 // of the data
	policy         string // its version

	body   []byte
	header []field // but the request's id
}

func newAnswers() *answers { return &answers{seed: maphash.MakeSeed()} }

// question is how a call's answer is found: 0 for one that is not remembered.
func (a *answers) question(c *call) uint64 {
	query := c.RawQuery
	if len(query) > maxQuery {
		return 0
	}
	hash := maphash.String(a.seed, query) ^ maphash.String(a.seed, c.project)*0x9e3779b97f4a7c15
	return hash | 1
}

// find returns the answer to a call's question that is still the right one, or nil.
func (a *answers) find(c *call, hash uint64) *answer {
	ways := a.ways(hash)
	for i := range ways {
		if found := ways[i].Load(); found != nil && found.answers(c) {
			if found.isNewest(c.s) {
				return found
			}
			return nil
		}
	}
	return nil
}

// ways returns the places that a question may have.
func (a *answers) ways(hash uint64) []atomic.Pointer[answer] {
	first := hash >> 1 % (numAnswers / numWays) * numWays
	return a.places[first : first+numWays]
}

// answers says whether the answer is one to the call's question, of some version.
func (a *answer) answers(c *call) bool {
	return a.query == c.RawQuery && a.project == c.project && a.grants == c.caller.EnterpriseProjects.Mark()
}

// isNewest says whether the data is still what the answer was made of.
func (a *answer) isNewest(s *Server) bool {
	snapshot, err := s.snapshot(a.project, a.category)
	return err == nil && snapshot.Version() == a.version && snapshot.Policy().Version() == a.policy
}

// note remembers the answer of a call, which is tagged, if its question has been asked
// before.
func (a *answers) note(c *call, hash uint64, category engine.Category, body []byte) {
	if hash == 0 || !a.askedBefore(hash) {
		return
	}
	place := a.placeFor(c, hash)
	if place == nil {
		return
	}
	text, version := c.appendTag(nil)
	place.Store(&answer{
		project: c.project, query: c.RawQuery, grants: c.tag.grants, category: category,
		version: c.tag.version, policy: c.tag.policy,
		body: append([]byte(nil), body...),
		header: []field{
			{"Content-Type", jsonType},
			{"Content-Length", []string{strconv.Itoa(len(body))}},
			{"Cache-Control", revalidate},
			{"Etag", []string{string(text)}},
			{"X-Data-Version", []string{string(text[1:version])}},
		},
	})
}

// askedBefore says whether the question was asked lately, and notes that it was.
func (a *answers) askedBefore(hash uint64) bool {
	first := hash >> 1 % (numAsked / numWays) * numWays
	slots := a.asked[first : first+numWays]
	to := &slots[rand.IntN(numWays)] // any, so that no two displace each other for long
	for i := range slots {
		switch slots[i].Load() {
		case hash:
			return true
		case 0:
			to = &slots[i]
		}
	}
	to.Store(hash)
	return false
}

// placeFor returns where the call's answer goes: where its question has its place, else
// one that holds nothing of use, else, once in a while, any. So a question that is asked
// all the time gets a place soon, and many that are asked now and then do not take turns
// in one, which costs more than it saves.
func (a *answers) placeFor(c *call, hash uint64) *atomic.Pointer[answer] {
	ways := a.ways(hash)
	var place *atomic.Pointer[answer]
	if chance := rand.IntN(numWays * displaceOneIn); chance < numWays {
		place = &ways[chance]
	}
	for i := range ways {
		switch held := ways[i].Load(); {
		case held != nil && held.answers(c):
			return &ways[i]
		case held == nil || !held.isNewest(c.s):
			place = &ways[i]
		}
	}
	return place
}

// again answers with what is remembered.
func (c *call) again(a *answer) {
	r := &c.answered
	r.status, r.body, r.fields = http.StatusOK, a.body, a.header
}
