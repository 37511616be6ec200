package server_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"

	"portolan/engine"
	"portolan/server"
	"portolan/server/auth"
)

// The HTTP API inside another program: its handler goes wherever handlers go.
func Example() {
	if err := embedded(); err != nil {
		log.Fatal(err)
	}
	// Output:
	// {"total_num":1,"data_list":[{"num":1,"port":123,"type":"UDP","status":"danger"}]}
}

func embedded() error {
	e, err := engine.Open(nil)
	if err != nil {
		return err
	}
	defer e.Close()
	const secret = "an-operators-token-of-32-characters-or-more"
	who, err := auth.OperatorToken(secret)
	if err != nil {
		return err
	}
	handler, err := server.New(e, &server.Options{Auth: who})
	if err != nil {
		return err
	}
	web := httptest.NewServer(handler) // in a real one, server.NewHTTPServer
	defer web.Close()

	ask := func(method, path, body string) error {
		req, err := http.NewRequestWithContext(context.Background(), method, web.URL+path, strings.NewReader(body))
		if err != nil {
			return err
		}
		req.Header.Set("X-Auth-Token", secret)
		res, err := web.Client().Do(req)
		if err != nil {
			return err
		}
		defer res.Body.Close()
		answer, err := io.ReadAll(res.Body)
		if err != nil {
			return err
		}
		if method == http.MethodGet {
			fmt.Println(string(answer))
		}
		return nil
	}
	return errors.Join(
		ask(http.MethodPost, "/v1/projects/acme/reports", `{"asset":"h1","scope":"all","open":["22/tcp","123/udp"]}`),
		ask(http.MethodGet, "/v5/acme/asset/port/statistics?port=123", ""),
	)
}
