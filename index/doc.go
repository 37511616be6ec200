// Package index holds one inventory of assets and their open ports as bitmaps.
//
// # Basics
//
// An [Index] has one writer and any number of readers. The writer adds assets
// with [Index.Add], changes them with [Index.Put], takes them out with
// [Index.Remove] and makes what it did visible with [Index.Publish]. A reader asks
// [Index.Snapshot] for an immutable [Snapshot] and puts its questions to that.
//
// A [Key] is a port and a type such as 443/tcp. A [KeySet] is a set of keys, such
// as those that a policy calls dangerous. A [View] is what a question is asked of:
// the whole inventory, one or several groups of it, or the assets that meet a
// [Condition]. How many of its assets have
// each key open is read with a [Cursor], which [View.Select] returns for a
// [Filter]; which assets they are is a [Set], from [View.Holders]; and what one
// asset has open is [Snapshot.Asset]. Every asset has a dense number, its
// [Ordinal]; the set of ordinals that have a key open is the key's posting.
//
//	Index ── atomic pointer ──> Snapshot
//	                             ├── whole, groups: counts per key   (pages of answers come from here)
//	                             ├── postings: B-tree key -> ordinals (what the counts are checked against)
//	                             ├── members: group -> ordinals; labels -> ordinals
//	                             ├── stripes: ordinal -> id, name, address, group, note, keys
//	                             └── dictionary: id -> ordinal
//
// # Caveats
//
// The writer's methods must not be called concurrently with each other; the
// caller holds the lock that suits it. Everything reachable from a Snapshot is
// immutable and stays valid as long as the Snapshot is held.
//
// The package does no I/O, knows no clock and no tenants, and imports nothing
// of this module.
package index
