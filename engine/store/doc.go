// Package store keeps what an engine holds in a directory, so that nothing that was
// acknowledged is lost: not in a crash, nor on a full disk, nor when the power fails.
//
// # Basics
//
//	s, err := store.Open("data", nil)
//	…
//	defer s.Close()
//	e, err := engine.Open(nil)
//	…
//	err = e.Attach(ctx, s) // loads what is there
//	…
//	defer e.Close() // before the store
//
// From then on [engine.Engine.Apply] returns when its reports are on disk and visible.
// Callers that apply at the same time share one sync.
//
// # How it is kept
//
// A [Store] is a Pebble database with one record per asset; bitmaps and counts are not in
// it, as they follow from the assets. Beside it lies an image of them that is kept when the
// engine is closed, and makes the next start several times as fast; without it, or if there
// is any doubt about it, all is made anew. FORMAT.md describes every file and record.
//
// What batches changed is kept with them, for [engine.Engine.Changes]: for so long, and at most so many bytes: see
// [Options].History.
//
// [Store.Backup] writes all that is committed as an archive, while commits go on; [Unpack]
// makes a directory of one, and [Restore] of another directory. Both read every record of
// what they made.
//
// # Caveats
//
// One process has a directory at a time. After an error of the disk, whether it met a
// commit or Pebble's work behind the scenes, the store takes nothing more, since nobody
// knows then what is on the disk: the engine goes on answering, and the next process loads
// what was acknowledged. The goroutine in which the error came up is left behind for ever
// and holds what it held, the directory's lock included.
//
// Writes are refused before the disk is full: see [Options].MinFree.
//
// One call's changes must take less than 2 GiB, some ten million reports.
package store
