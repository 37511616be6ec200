package server

import (
	"context"
	"errors"
	"strconv"

	"portolan/engine"
)

// The headers about the order of writes: a write's answer says which batch it became, and
// a reader that sends the number back is answered with the write included.
const (
	sequenceHeader = "X-Sequence"
	durableHeader  = "X-Durable"
	minimumHeader  = "X-Min-Sequence"
)

// wrote notes what became of a write, unless there was nothing to write.
func (c *call) wrote(result engine.Result) {
	if result.Sequence == 0 {
		return
	}
	c.answered.add(sequenceHeader, []string{strconv.FormatUint(result.Sequence, 10)})
	c.answered.add(durableHeader, []string{strconv.FormatBool(result.Durable)})
}

// await returns when readers see the batch that the request is to include, if it asks for
// one.
func (s *Server) await(ctx context.Context, c *call) error {
	sent := c.Header.Values(minimumHeader)
	if len(sent) == 0 {
		return nil
	}
	seq, err := strconv.ParseUint(sent[0], 10, 64)
	if err != nil {
		return &engine.FieldError{Field: minimumHeader, Value: sent[0], Allowed: "the " + sequenceHeader + " of a write's answer"}
	}
	err = s.engine.Await(ctx, seq)
	if errors.Is(err, engine.ErrBehind) {
		return &failure{kind: behind, detail: minimumHeader + ` "` + sent[0] + `" is the number of no write that this server has`}
	}
	return err
}
