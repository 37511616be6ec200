package engine

import (
	"context"
	"encoding/binary"
	"io"

	"portolan/index"
)

// Journal keeps what an engine applies. It is an ordered log of batches: what an engine
// makes of a batch follows from the batches before it and from nothing else, neither
// from a clock nor from chance.
//
// An engine calls one method at a time, but for Ready.
type Journal interface {
	// Load gives the loader everything that was committed and returns the sequence
	// number of the last batch, 0 for none, or a higher one to go on with: see
	// [Loader.Gap]. It is called once, before all else.
	Load(ctx context.Context, into *Loader) (seq uint64, err error)

	// Ready says why nothing can be committed now, as when the disk is nearly full; a
	// removal, which makes room, may be all that can. The engine asks before it begins a
	// write, and refuses it with the error: nothing has changed then, and the next write
	// may be accepted. An error that matches ErrReadOnly is for good. It is called
	// concurrently.
	Ready(removal bool) error

	// Commit makes a group of batches durable, all of it or nothing. Their sequence
	// numbers ascend by one from the last batch committed. The batches are the
	// engine's own and must not be kept. After an error the engine never shows the
	// batches and accepts no more: see [ErrReadOnly].
	Commit(ctx context.Context, group []Batch) error
}

// ImageKeeper is a [Journal] that keeps an image of the engine, besides its assets. It is
// what an engine can be loaded from in less time, and may be lost.
type ImageKeeper interface {
	Journal
	// KeepImage is called when the engine is closed, with the number of the last batch.
	// What write writes is for [Loader.Image].
	KeepImage(seq uint64, write func(io.Writer) error)
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
	// Gone is a project that was removed, with all its inventories and assets, which is
	// all that the batch says then; empty if none was.
	Gone string
}

// Change is an asset after a batch, in the portable form that [Filling.Add] reads.
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
	return m, r.Rest, !r.Bad && m.Category < numCategories
}
