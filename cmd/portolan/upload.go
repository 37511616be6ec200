package main

import (
	"context"
	"errors"
	"io"
	"net/http"

	"portolan/server"
)

// upload is a request's body that ends when ctx does, and says in a trailer
// whether that was its end: so the server can answer what it has applied. Its
// length is not announced, as a file may grow or shrink while it is sent.
type upload struct {
	io.Reader
	ctx     context.Context // A Reader has no other way to end early.
	trailer http.Header
}

func newUpload(ctx context.Context, body io.Reader) *upload {
	return &upload{Reader: body, ctx: ctx, trailer: http.Header{server.CompleteTrailer: nil}}
}

// Read reads on.
func (u *upload) Read(p []byte) (int, error) {
	if u.ctx.Err() != nil {
		u.trailer.Set(server.CompleteTrailer, "false")
		return 0, io.EOF
	}
	n, err := u.Reader.Read(p)
	switch {
	case errors.Is(err, io.EOF):
		u.trailer.Set(server.CompleteTrailer, "true")
	case err != nil && u.ctx.Err() != nil: // Somebody waited for more to be typed.
		u.trailer.Set(server.CompleteTrailer, "false")
		err = io.EOF
	}
	return n, err
}

// Close is for http.Request, which closes what it sends; whoever opened the file
// closes it.
func (u *upload) Close() error { return nil }
