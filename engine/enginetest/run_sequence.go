package enginetest

import (
	"context"
	"fmt"

	"portolan/engine"
	"portolan/engine/enginetest/oracle"
)

// sequenceCases are about the numbers of batches: what is written says which one it is, and
// what is asked says which one it includes.
func sequenceCases() []suiteCase {
	return []suiteCase{
		{"every write is a batch", everyWriteIsABatch},
		{"an answer includes what was written", answersInclude},
		{"what was not written is not waited for", notWritten},
	}
}

func everyWriteIsABatch(r *rig) {
	r.want("first", r.apply(say("x @1 [all] 22/tcp")).Sequence, uint64(1))
	r.want("of nothing", r.apply().Sequence, uint64(0))
	r.want("of two projects", r.apply(say("x @1 project=q"), say("y @1 project=z")).Sequence, uint64(2))
	r.want("again", r.apply(say("x @1 [all] 22/tcp")).Sequence, uint64(3))
	for _, id := range []string{"nobody", "x"} {
		result, _ := r.engine.Remove(r.Context(), "p", engine.Host, id)
		r.want("removing "+id, result.Sequence, map[string]uint64{"x": 4}[id])
	}
	if err := sequenceIs(r.Context(), r.engine, "q", 4); err != nil {
		r.Error(err)
	}
}

// answersInclude asks for each number as soon as it is known.
func answersInclude(r *rig) {
	for i := range 20 {
		seq := r.apply(say(fmt.Sprintf("x%d @1 [all] 22/tcp", i))).Sequence
		page := r.ports(engine.PortQuery{Project: "p", AtLeast: seq})
		if len(page.Rows) != 1 || page.Rows[0].Num != i+1 || page.Sequence < seq {
			r.Errorf("asked for batch %d: %+v", seq, page)
		}
	}
}

func notWritten(r *rig) {
	r.apply(say("x @1 [all] 22/tcp"))
	_, err := r.engine.Ports(r.Context(), engine.PortQuery{Project: "p", AtLeast: 2})
	r.wantErr("Ports", err, "behind")
	_, err = r.engine.Hosts(r.Context(), engine.HostQuery{Project: "p", Port: 22, AtLeast: 2})
	r.wantErr("Hosts", err, "behind")
	_, err = r.engine.Assets(r.Context(), engine.AssetQuery{Project: "p", AtLeast: 2})
	r.wantErr("Assets", err, "behind")
}

// sequenceIs holds what every kind of page says against a number.
func sequenceIs(ctx context.Context, e Engine, project string, want uint64) error {
	ports, err := e.Ports(ctx, engine.PortQuery{Project: project, AtLeast: want})
	if err != nil {
		return fmt.Errorf("ports at batch %d: %w", want, err)
	}
	hosts, err := e.Hosts(ctx, engine.HostQuery{Project: project, Port: 1, AtLeast: want})
	if err != nil {
		return fmt.Errorf("hosts at batch %d: %w", want, err)
	}
	assets, err := e.Assets(ctx, engine.AssetQuery{Project: project, Limit: 1, AtLeast: want})
	if err != nil {
		return fmt.Errorf("assets at batch %d: %w", want, err)
	}
	if ports.Sequence != want || hosts.Sequence != want || assets.Sequence != want {
		return fmt.Errorf("sequence numbers %d, %d, %d of ports, hosts, assets, want %d", ports.Sequence, hosts.Sequence, assets.Sequence, want)
	}
	return nil
}

// sameSequence holds an engine's number against the reference's, where there is anything
// to ask.
func sameSequence(ctx context.Context, want *oracle.Reference, e Engine) error {
	projects, err := want.Projects()
	if err != nil || len(projects) == 0 {
		return err
	}
	return sequenceIs(ctx, e, projects[0], want.Sequence())
}
