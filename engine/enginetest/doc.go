// Package enginetest says what an engine must answer, three times over: as a
// slow and obvious engine, as a suite of cases, and as a random model test.
//
// # Basics
//
// Package oracle, below this one, has the oracle: a Reference keeps every report and
// works answers out by the definition, so it is right by reading. [Run] is the conformance suite and
// [Model] the random one; both take a function that opens the [Engine] under
// test. [Diff] puts every kind of question to a Reference and to another
// Engine and shows where they disagree.
//
// Package fleet, below this one, makes up fleets from a seed. [Small] makes the
// opposite, a handful of assets about which reports collide in every way they can.
//
// # Caveats
//
// Diff is meant for some thousands of assets.
//
// An engine may merge two looks of an asset that has more than 64, which a late
// report can notice. The suites therefore keep to fewer scopes
// per asset, or send their reports in order.
package enginetest

import (
	"context"

	"portolan/engine"
	"portolan/engine/enginetest/oracle"
)

// Engine is what the suites need of an engine. The methods promise what those
// of [engine.Engine] promise.
type Engine interface {
	Apply(ctx context.Context, reports []engine.Report) (engine.Result, error)
	Ports(ctx context.Context, q engine.PortQuery) (engine.PortPage, error)
	Hosts(ctx context.Context, q engine.HostQuery) (engine.HostPage, error)
	Asset(ctx context.Context, project string, category engine.Category, id string) (engine.Asset, error)
	AssetPorts(ctx context.Context, project string, category engine.Category, id string) (engine.AssetPorts, error)
	Assets(ctx context.Context, q engine.AssetQuery) (engine.AssetPage, error)
	Coverage(ctx context.Context, q engine.CoverageQuery) (engine.Coverage, error)
	Together(ctx context.Context, q engine.TogetherQuery) (engine.TogetherPage, error)
	Shared(ctx context.Context, q engine.SharedQuery) (engine.SharedPage, error)
	Groups(ctx context.Context, q engine.GroupQuery) (engine.GroupPage, error)
	EnterpriseProjects(ctx context.Context, project string) ([]engine.EnterpriseProject, error)
	Remove(ctx context.Context, project string, category engine.Category, ids ...string) (engine.Result, error)
	RemoveProject(ctx context.Context, project string) (engine.Result, error)
	Expire(ctx context.Context) (engine.Result, error)
	Projects() ([]string, error)
	Stats() (engine.Stats, error)
	Check(ctx context.Context) error
	Close() error
}

// Open opens an empty engine to be tested. A nil opts is legal. It should fail
// the test itself when it cannot.
type Open = func(opts *engine.Options) Engine

var (
	_ Engine = (*engine.Engine)(nil)
	_ Engine = (*oracle.Reference)(nil)
)
