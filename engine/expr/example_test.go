package expr_test

import (
	"context"
	"fmt"
	"log"

	"portolan/engine"
	"portolan/engine/expr"
)

// The most frequent ports of those that a selector names.
func ExampleParsePorts() {
	if err := top(); err != nil {
		log.Fatal(err)
	}
	// Output:
	// 3 22/tcp unknown
	// 2 443/tcp unknown
	// 1 3389/tcp danger
}

func top() error {
	e, err := engine.Open(nil)
	if err != nil {
		return err
	}
	defer e.Close()
	for asset, open := range map[string][]string{"a": {"22/tcp", "3389/tcp"}, "b": {"22/tcp", "443/tcp"}, "c": {"443/tcp", "22/tcp"}} {
		keys, err := engine.ParseKeys(open...)
		if err != nil {
			return err
		}
		if _, err := e.Apply(context.Background(), []engine.Report{{Project: "p", Asset: asset, Scope: engine.ScopeAll(), Open: keys}}); err != nil {
			return err
		}
	}
	ports, err := expr.ParsePorts("ports", "-1024,rdp,!80")
	if err != nil {
		return err
	}
	s, err := e.Snapshot("p", engine.Host)
	if err != nil {
		return err
	}
	page, err := s.Ports(context.Background(), engine.PortQuery{Keys: ports.Keys(s.Policy()), Order: engine.ByNum, Descending: true})
	if err != nil {
		return err
	}
	for _, row := range page.Rows {
		fmt.Println(row.Num, row.Key(), row.Status)
	}
	return nil
}
