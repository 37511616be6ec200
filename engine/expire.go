package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"portolan/index"
)

// expireAtOnce is how many assets expire in one batch: writers of an inventory wait for
// as long as that takes, some milliseconds.
const expireAtOnce = 10_000

// Expire forgets the assets that no report was about for longer than [Options].Expire, as
// [Engine.Remove] does, and returns how many they were. It is for the caller to call now
// and then: an asset that is too old is there until then. An error may come with a result:
// some were forgotten before it. Without a limit nothing is too old.
//
// It looks at the newest time of every asset, some 0.1 µs each.
func (e *Engine) Expire(ctx context.Context) (Result, error) {
	var total Result
	if err := e.ready(ctx); err != nil || e.expire == 0 {
		return total, err
	}
	before := e.oldest(e.now().UnixMicro())
	for _, name := range e.tenants.shown.Load().Keys() {
		for c := range Category(numCategories) {
			if err := e.expireIn(ctx, name, c, before, &total); err != nil {
				return total, err
			}
		}
	}
	return total, nil
}

// oldest is the time from which on reports count, never if any does.
func (e *Engine) oldest(now micros) micros {
	if e.expire == 0 {
		return never
	}
	return now - e.expire.Microseconds()
}

// expireIn forgets the assets of one inventory whose newest time is before another.
func (e *Engine) expireIn(ctx context.Context, project string, c Category, before micros, total *Result) error {
	v := e.tenants.find(project).inventories[c].Load()
	if v == nil {
		return nil
	}
	s, w := v.x.Snapshot(), walk{ctx: ctx}
	var ids []string
	for o := range s.View(index.Groups{}).Assets().From(0) {
		if err := w.step(); err != nil {
			return err
		}
		if noteNewest(s.Note(o)) < before {
			ids = append(ids, s.Who(o).ID)
		}
		if len(ids) == expireAtOnce {
			if err := e.forgetOld(ctx, project, c, before, ids, total); err != nil {
				return err
			}
			ids = ids[:0]
		}
	}
	return e.forgetOld(ctx, project, c, before, ids, total)
}

// forgetOld forgets those of the assets that are still too old.
func (e *Engine) forgetOld(ctx context.Context, project string, c Category, before micros, ids []string, total *Result) error {
	if len(ids) == 0 {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	// What has begun is waited for, as it is counted.
	result, err := e.forget(context.WithoutCancel(ctx), project, c, ids, func(v *inventory, o index.Ordinal) bool {
		return noteNewest(v.x.Note(o)) < before
	})
	if errors.Is(err, ErrNoAsset) { // a report was faster, or somebody who removed it
		err = nil
	}
	e.expired.Add(int64(result.Removed))
	total.Add(result)
	return err
}

// checkAge refuses a time that is before the oldest that counts.
func checkAge(seen time.Time, oldest micros) error {
	if seen.IsZero() || seen.UnixMicro() >= oldest {
		return nil
	}
	return &FieldError{
		Field: "seen", Value: seen.UTC().Format(time.RFC3339Nano),
		Allowed: fmt.Sprintf("a time since %s, as older ones have expired", time.UnixMicro(oldest).UTC().Format(time.RFC3339)),
	}
}
