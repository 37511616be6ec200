package server

import (
	"net/http"
	"strconv"
	"strings"

	"portolan/engine"
)

// tag is what an answer depends on besides its address: the data's version
// within this process, the policy and what the caller is granted.
type tag struct {
	version uint64
	policy  string
	grants  string
}

// unchanged notes that the answer is one of the snapshot's and says whether the
// client has it already; then it is told so, and the request is done. No answer
// depends on the clock, so the same tag means the same bytes.
func (c *call) unchanged(s engine.Snapshot) bool {
	c.tagged = true
	c.tag = tag{version: s.Version(), policy: s.Policy().Version(), grants: c.caller.EnterpriseProjects.Mark()}
	known := c.Header.Values("If-None-Match")
	if len(known) == 0 {
		return false
	}
	var room [96]byte
	current, _ := c.appendTag(room[:0])
	for _, list := range known {
		if hasTag(list, current) {
			c.reply(http.StatusNotModified, nil)
			return true
		}
	}
	return false
}

// appendTag appends the answer's entity tag, in quotes, and says where the data
// version, which follows the quote, ends.
func (c *call) appendTag(b []byte) (_ []byte, version int) {
	b = append(append(b, '"'), c.s.boot...)
	b = strconv.AppendUint(append(b, '-'), c.tag.version, 10)
	version = len(b)
	b = append(append(b, '-'), c.tag.policy...)
	b = append(append(b, '-'), c.tag.grants...)
	return append(b, '"'), version
}

// hasTag says whether a list of entity tags holds the current one, by the weak
// comparison of RFC 9110, section 13.1.2. Our tags hold no comma.
func hasTag(list string, current []byte) bool {
	for one := range strings.SplitSeq(list, ",") {
		one = strings.TrimPrefix(strings.Trim(one, " \t"), "W/")
		if one == "*" || one == string(current) {
			return true
		}
	}
	return false
}
