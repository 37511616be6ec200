package engine

import (
	"bufio"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"portolan/engine/journal"
	"portolan/index"
)

// An image is an engine as bytes: see [journal.ImageKeeper].
//
//	version       1 byte: imageVersion
//	inventories   uvarint of their number; of each uvarint(length) and
//	    its mark: see Mark.Append; in version 1, something behind it that is of no use
//	  and an image of the index
const imageVersion = 2

// writeImage writes an image of an engine that nobody writes to.
func (e *Engine) writeImage(to io.Writer) error {
	var list []*inventory
	var marks []journal.Mark
	e.tenants.shown.Load().Scan(func(name string, p *project) bool {
		for c := range Category(numCategories) {
			v := p.inventories[c].Load()
			if v == nil || v.x.Snapshot().Version() == 0 { // nothing was ever written
				continue
			}
			s := v.x.Snapshot()
			list = append(list, v)
			marks = append(marks, journal.Mark{Project: name, Category: c, Version: s.Version(), Assets: s.Assets(), Receipt: p.receipts.newest()})
		}
		return true
	})
	buf := binary.AppendUvarint([]byte{imageVersion}, uint64(len(list)))
	for i, v := range list {
		head := marks[i].Append(nil)
		buf = append(binary.AppendUvarint(buf, uint64(len(head))), head...)
		if _, err := to.Write(buf); err != nil {
			return err
		}
		if err := v.x.WriteImage(to); err != nil {
			return err
		}
		buf = buf[:0]
	}
	_, err := to.Write(buf)
	return err
}

// Image implements [journal.Loader].
func (l *loader) Image(from io.Reader, size int64, marks []journal.Mark) error {
	marks = slices.SortedFunc(slices.Values(marks), func(a, b journal.Mark) int {
		return cmp.Or(cmp.Compare(a.Project, b.Project), cmp.Compare(a.Category, b.Category))
	})
	loaded := make([]*filling, 0, len(marks))
	r := bufio.NewReaderSize(from, 1<<20)
	err := readImage(r, size, func(m journal.Mark, x *index.Index) error {
		want := m
		if len(loaded) < len(marks) {
			want = marks[len(loaded)]
			m.Receipt = max(m.Receipt, want.Receipt) // the project's may have gone on in its other inventory
			want.Receipt = m.Receipt
		}
		if len(loaded) == len(marks) || m != want {
			return fmt.Errorf("%w: inventory %+v where %+v was expected", index.ErrImage, m, want)
		}
		v := newInventory(true)
		v.newest.unseen.Store(true)
		v.x = x
		x.Resume(m.Version)
		loaded = append(loaded, &filling{v: v, mark: m})
		return nil
	})
	if err == nil && len(loaded) < len(marks) {
		err = fmt.Errorf("%w: %d inventories of %d", index.ErrImage, len(loaded), len(marks))
	}
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.projects) > 0 {
		return errors.New("something is loaded already")
	}
	for _, f := range loaded {
		p := l.project(&f.mark)
		p.inventories[f.mark.Category].Store(f.v)
	}
	l.fillings = loaded
	return nil
}

// readImage calls f for every inventory of an image.
func readImage(r *bufio.Reader, size int64, f func(m journal.Mark, x *index.Index) error) error {
	version, err := r.ReadByte()
	if err == nil && (version == 0 || version > imageVersion) {
		return fmt.Errorf("%w: version %d", index.ErrImage, version)
	}
	n, err := binary.ReadUvarint(r)
	if err != nil {
		return fmt.Errorf("%w: %w", index.ErrImage, err)
	}
	for range n {
		m, err := readHead(r, version, size)
		if err != nil {
			return err
		}
		x, err := index.ReadImage(r, &size)
		if err != nil {
			return err
		}
		if err := f(m, x); err != nil {
			return err
		}
	}
	if _, err := r.ReadByte(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: it goes on after its end", index.ErrImage)
	}
	return nil
}

// readHead reads what is before the image of an index.
func readHead(r *bufio.Reader, version byte, size int64) (m journal.Mark, err error) {
	n, err := binary.ReadUvarint(r)
	head := make([]byte, min(n, uint64(size)))
	if err == nil {
		_, err = io.ReadFull(r, head)
	}
	if err != nil {
		return m, fmt.Errorf("%w: %w", index.ErrImage, err)
	}
	m, rest, ok := journal.ParseMark(head)
	if !ok || len(rest) > 0 && version > 1 {
		return m, fmt.Errorf("%w: %x is no inventory", index.ErrImage, clip(head))
	}
	return m, nil
}
