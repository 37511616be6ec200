package engine_test

import (
	"context"
	"fmt"
	"log"
	"maps"
	"slices"

	"portolan/engine"
)

// Dangerous ports by enterprise project, hosts and containers, from one state of a project:
// the numbers agree with each other however much is written meanwhile.
func Example() {
	if err := dangerous(); err != nil {
		log.Fatal(err)
	}
	// Output:
	// shop: 123/udp on 2 hosts
	// shop: 161/udp on 1 hosts
	// shop: 123/udp on 1 containers
}

func dangerous() error {
	ctx := context.Background()
	e, err := engine.Open(nil)
	if err != nil {
		return err
	}
	defer e.Close()
	web, err := engine.ParseKeys("443/tcp", "123/udp")
	if err != nil {
		return err
	}
	snmp, err := engine.ParseKeys("161/udp")
	if err != nil {
		return err
	}
	reports := []engine.Report{
		{Asset: "web-1", EnterpriseProject: "shop", Open: web},
		{Asset: "web-2", EnterpriseProject: "shop", Open: append(snmp, web...)},
		{Asset: "ledger", EnterpriseProject: "bank", Open: web[:1]},
		{Asset: "cache", EnterpriseProject: "shop", Category: engine.Container, Open: web[1:]},
	}
	for i := range reports {
		reports[i].Project, reports[i].Scope = "acme", engine.ScopeAll()
	}
	if _, err := e.Apply(ctx, reports); err != nil {
		return err
	}

	hosts, containers, err := e.Snapshots("acme")
	if err != nil {
		return err
	}
	names := maps.Collect(hosts.EnterpriseProjects())
	maps.Insert(names, containers.EnterpriseProjects())
	for _, name := range slices.Sorted(maps.Keys(names)) {
		for _, s := range []engine.Snapshot{hosts, containers} {
			q := engine.PortQuery{View: engine.In(name), Status: engine.Danger}
			page, err := s.Ports(ctx, q)
			if err != nil {
				return err
			}
			for _, row := range page.Rows {
				fmt.Printf("%s: %s on %d %vs\n", name, row.Key(), row.Num, s.Category())
			}
		}
	}
	return nil
}
