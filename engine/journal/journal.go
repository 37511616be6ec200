// Package journal is what an engine and whoever keeps its batches agree on: see
// [portolan/engine.Engine.Attach]. Package store keeps them in a directory.
package journal

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"

	"portolan/index"
)

// Log keeps what an engine applies, in order. What an engine makes of a batch follows from
// the batches before it and from nothing else, neither from a clock nor from chance.
//
// An engine calls one method at a time, but for Ready.
type Log interface {
	// Load gives the loader everything that was committed and returns the sequence
	// number of the last batch, 0 for none, or a higher one to go on with: see
	// [Loader]. It is called once, before all else.
	Load(ctx context.Context, into Loader) (seq uint64, err error)

	// Ready says why nothing can be committed now, as when the disk is nearly full; a
	// removal, which makes room, may be all that can. The engine asks before it begins a
	// write, and refuses it with the error: nothing has changed then, and the next write
	// may be accepted. An error that matches [portolan/engine.ErrReadOnly] is for good. It
	// is called concurrently.
	Ready(removal bool) error

	// Commit makes a group of batches durable, all of it or nothing. Their sequence
	// numbers ascend by one from the last batch committed. The batches are the
	// engine's own and must not be kept. After an error the engine never shows the
	// batches and accepts no more.
	Commit(ctx context.Context, group []Batch) error
}

// ImageKeeper is a [Log] that keeps an image of the engine, besides its assets. It is
// what an engine can be loaded from in less time, and may be lost.
type ImageKeeper interface {
	Log
	// KeepImage is called when the engine is closed, with the number of the last batch.
	// What write writes is for the Image method of a [Loader].
	KeepImage(seq uint64, write func(io.Writer) error)
}

// Loader takes what a log has, for an engine. Its methods may be called concurrently.
type Loader interface {
	// Lagging says that the engine tells sequence numbers of batches before they are
	// committed, so that some that were told may be lost.
	Lagging() bool
	// Gap says that no batch of this data has a number between after and before: they may
	// have been given to batches that were lost, and are not given again. Questions that
	// are to include one of them get [portolan/engine.ErrBehind]. Gaps ascend.
	Gap(after, before uint64)
	// Inventory begins the inventory that the mark is of, each once, and returns what is
	// to be filled with its assets.
	Inventory(m Mark) (Filling, error)
	// Image loads everything from an image, of so many bytes, that an [ImageKeeper] was
	// given: the inventories of the marks, instead of each of them and its assets. It is
	// for bytes that are known to be what was kept. After an error nothing is loaded, and
	// assets may be.
	Image(from io.Reader, size int64, marks []Mark) error
}

// Filling is an inventory being loaded. It is for one goroutine at a time.
type Filling interface {
	// Add adds an asset from its portable form, which it keeps nothing of. The error says
	// which asset and what is wrong with its form.
	Add(asset string, state, times []byte) error
}

// Batch is what one call made of the inventories.
type Batch struct {
	// Seq is the batch's sequence number. They begin at 1.
	Seq uint64
	// Changed are the assets that it changed, each once, as they are after it: all that
	// a journal has to keep of the batch.
	Changed []Change
	// Marks are of the inventories that the call was about.
	Marks []Mark
	// Time is when the batch was made, in microseconds since 1970. It is never before that of an earlier one.
	Time int64
	// Told are what it changed, for a [Historian]; another log need not keep them. Nil says that the engine
	// does not record that.
	Told []Told
	// Gone is a project that was removed, with all its inventories and assets, which is
	// all that the batch says then; empty if none was.
	Gone string
}

// Change is an asset after a batch, in the portable form that a [Filling] reads.
type Change struct {
	Project  string
	Category Category
	Asset    string
	// State is who the asset is, what it has open and what was looked at; nil if only
	// its Times have changed.
	State []byte
	// Times are when; nil if the asset was removed.
	Times []byte
}

// Told is what a batch changed of an inventory, or a part of that, in a form that the engine reads.
type Told struct {
	Project  string
	Category Category
	Part
}

// Part is what a batch changed of some of the assets of an inventory: of those that have the numbers from First to
// before End among all that it changed. The parts of a batch follow one upon the other.
type Part struct {
	First, End uint32
	Data       []byte
}

// Point is a batch.
type Point struct {
	Seq  uint64
	Time int64 // in microseconds since 1970
}

// Past is what a batch of the past changed, or a part of that.
type Past struct {
	Point
	Part
}

// Historian is a [Log] that keeps what batches changed, for so long. Its methods besides those of Log may be
// called at any time between Load and the engine's end, concurrently.
type Historian interface {
	Log
	// Newest returns the time of the last batch, 0 for none.
	Newest() int64
	// Begins returns the batch after which all that changed of an inventory is kept; the zero Point says
	// that all that ever did is.
	Begins(project string, category Category) Point
	// Before returns the number of the last batch before a time that changed the inventory and is kept,
	// that of Begins for none.
	Before(ctx context.Context, project string, category Category, time int64) (uint64, error)
	// Past returns what batches changed of the inventory, in order: from one of them on, of that the parts
	// that end after the asset of a number, to another. It returns some of it at a time, and nothing only if
	// there is no more.
	Past(ctx context.Context, project string, category Category, from uint64, asset uint32, to uint64) ([]Past, error)
	// Back is Past the other way round: what comes before a batch's asset of a number, the last part first, down to
	// the batch after another. An inventory that is not there is an error.
	Back(ctx context.Context, project string, category Category, before uint64, asset uint32, after uint64) ([]Past, error)
}

// Counts is what changed of the counts of an inventory from one time to another, or a part of that, in a form that the
// engine reads.
type Counts struct {
	From, To int64 // in microseconds since 1970: of batches from the one to before the other
	CountsPlace
	Data []byte
}

// CountsPlace is where a part of counts begins: by section, then key.
type CountsPlace struct {
	Section uint16 // 0 of all enterprise projects together, else a number that follows from the name of one
	First   index.Key
}

// Steps of counts that are kept, in microseconds. They begin at multiples since 1970.
const (
	Hour = 3600_000_000
	Day  = 24 * Hour
)

// CountsQuery asks for counts that are kept of an inventory.
type CountsQuery struct {
	Project  string
	Category Category
	// From is where they begin, at a full hour.
	From int64
	// To is where they end, at a full hour, or before.
	To int64
	// Days says that those of whole days will do where there are such.
	Days bool
	// Section is the one that is asked for; others but 0 may come, too. With Each it is all but 0.
	Section uint16
	Each    bool
	// Lo and Hi are the first and the last key that is asked for in a section; others may come, too.
	Lo, Hi index.Key
}

// CountKeeper is a [Historian] that keeps what changed of counts, by the hour and by the day, also when the changes are
// not kept any more. Its methods may be called at any time between Load and the engine's end, concurrently.
type CountKeeper interface {
	Historian
	// Counted returns up to which time counts are kept, at a full hour, and a batch that is not before the
	// last one that they include; the zero Point where none are.
	Counted() Point
	// CountsBegin returns the batch after which counts of an inventory are kept; the zero Point says that all
	// ever were. They are kept by the hour from a time on.
	CountsBegin(project string, category Category) (begins Point, hourly int64)
	// Counts calls f with what is asked for, in the order of time, then place. No part has counts of section 0 and of others. What f is given is
	// valid until it returns, and an error of f ends it.
	Counts(ctx context.Context, q CountsQuery, f func(*Counts) error) error
}

// Category says what kind of assets an inventory holds. A project has one
// inventory per category; host "x" and container "x" are two assets.
type Category uint8

// The categories, and how many there are.
const (
	Host Category = iota
	Container

	Categories = 2
)

var categoryNames = [Categories]string{"host", "container"}

// String returns the category's name: host or container.
func (c Category) String() string {
	if int(c) < len(categoryNames) {
		return categoryNames[c]
	}
	return fmt.Sprintf("Category(%d)", uint8(c))
}

// Mark is what an inventory has besides its assets.
type Mark struct {
	Project  string
	Category Category
	// Version is the inventory's data version after the batch.
	Version uint64
	// Assets is how many assets it has after the batch.
	Assets int
	// Receipt is the last receipt time given in the project, in microseconds since
	// 1970; 0 if none was.
	Receipt int64
}

// Append appends the mark's portable form to dst:
//
//	project   uvarint of its length, then the text
//	category  1 byte: 0 host, 1 container
//	data version, assets: uvarints
//	receipt   varint
func (m *Mark) Append(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(m.Project)))
	dst = append(dst, m.Project...)
	dst = append(dst, byte(m.Category))
	dst = binary.AppendUvarint(dst, m.Version)
	dst = binary.AppendUvarint(dst, uint64(m.Assets))
	return binary.AppendVarint(dst, m.Receipt)
}

// ParseMark reads a mark in its portable form and returns what comes after it. It is not ok
// where there is none.
func ParseMark(data []byte) (m Mark, rest []byte, ok bool) {
	r := index.Reader{Rest: data}
	m.Project = r.Text()
	if category := r.Bytes(1); !r.Bad {
		m.Category = Category(category[0])
	}
	m.Version = r.Uint64()
	m.Assets = r.Uint(index.MaxAssets)
	m.Receipt = r.Int64()
	return m, r.Rest, !r.Bad && m.Category < Categories
}
