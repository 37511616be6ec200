package main

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

// grantNames is the value of a flag that takes the names of what is granted,
// repeated or parted by commas. What is given replaces the default.
type grantNames struct {
	list  []string
	given bool
}

func (g *grantNames) String() string { return strings.Join(g.list, ",") }

func (g *grantNames) Type() string { return "ID[,ID]" }

func (g *grantNames) Set(text string) error {
	if !g.given {
		g.list, g.given = nil, true
	}
	for name := range strings.SplitSeq(text, ",") {
		if name = strings.TrimSpace(name); name == "" {
			return errors.New("want IDs parted by commas, or * for all")
		}
		g.list = append(g.list, name)
	}
	return nil
}

// expiry is the value of a flag that takes a time ahead, the zero time until it
// is given.
type expiry struct{ at time.Time }

func (e *expiry) String() string { return timeCell(e.at, "") }

func (e *expiry) Type() string { return "WHEN" }

// maxDays keeps a number of days within what a duration can hold.
const maxDays = 36500

func (e *expiry) Set(text string) error {
	now := time.Now()
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		var after time.Duration
		after, err = parseAfter(text)
		at = now.Add(after)
	}
	if err != nil || !at.After(now) || at.Year() > 9999 {
		return errors.New("want a time ahead: a while such as 720h or 90d, or an RFC 3339 time such as 2030-01-31T12:00:00Z")
	}
	e.at = at.UTC().Add(time.Second - 1).Truncate(time.Second) // Whole seconds, none too few.
	return nil
}

// parseAfter reads a duration, which may be in days.
func parseAfter(text string) (time.Duration, error) {
	count, isDays := strings.CutSuffix(text, "d")
	if !isDays {
		return time.ParseDuration(text)
	}
	n, err := strconv.ParseInt(count, 10, 64)
	if err == nil && n > maxDays {
		err = errors.New("too far ahead")
	}
	return time.Duration(n) * 24 * time.Hour, err
}
