package main

import (
	"context"
	"io"
	"net/http"
	"os"
	"runtime"

	"github.com/valyala/fasthttp"

	"portolan/bench"
)

// clientWord makes this program the client of the http suite.
const clientWord = "http-client"

// endpoint runs the http suite of the harness, with fasthttp as one more opponent.
func (c *config) endpoint(ctx context.Context, profile string) (*bench.Report, error) {
	config := &bench.Config{
		Suites: []bench.Suite{bench.SuiteHTTP}, Hosts: c.hosts, Profile: profile, Seed: c.seed, For: c.figure, Progress: c.progress,
		Opponents: []bench.Opponent{{Name: "fasthttp", Server: newFasthttp}},
	}
	if self, err := os.Executable(); err == nil {
		config.Client = []string{self, clientWord}
	}
	return bench.Run(ctx, config)
}

// client does what the harness says on standard input.
func client(ctx context.Context, in io.Reader, out io.Writer) int {
	if err := bench.Client(ctx, in, out); err != nil {
		return 1
	}
	return 0
}

// fastServer is a server of fasthttp that answers from memory.
type fastServer struct{ *fasthttp.Server }

// Close stops it; the client's connections are closed already.
func (s fastServer) Close() error { return s.Shutdown() }

// newFasthttp returns one that is set up as https://github.com/valyala/fasthttp says is fastest:
// no names to normalise, and headers and bodies that are bytes already.
func newFasthttp(header http.Header, bodies map[string][]byte) bench.Server {
	type field struct{ name, value []byte }
	var fields []field
	var media []byte
	for name, values := range header {
		switch name {
		case "Content-Length":
		case "Content-Type":
			media = []byte(values[0])
		default:
			fields = append(fields, field{[]byte(name), []byte(values[0])})
		}
	}
	return fastServer{&fasthttp.Server{
		Handler: func(ctx *fasthttp.RequestCtx) {
			h := &ctx.Response.Header
			h.SetContentTypeBytes(media)
			for i := range fields {
				h.SetBytesKV(fields[i].name, fields[i].value)
			}
			ctx.Response.SetBodyRaw(bodies[string(ctx.URI().QueryString())])
		},
		NoDefaultServerHeader:         true,
		DisableHeaderNamesNormalizing: true,
		Concurrency:                   256 * runtime.GOMAXPROCS(0),
	}}
}
