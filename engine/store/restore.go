package store

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"

	"portolan/engine"
)

// Copied is what was found in a copy of a data directory.
type Copied struct {
	Sequence    uint64 // of the last batch
	Inventories int
	Assets      int
	Bytes       int64
}

// Unpack makes a data directory of an archive that [Store.Backup] wrote, and reads every
// record of it: what it returns is sound. The directory must be empty or not be there. After
// an error it is as it was.
func Unpack(ctx context.Context, path string, archive io.Reader, opts *Options) (Copied, error) {
	u := &unpacking{ctx: ctx, from: tar.NewReader(archive)}
	return u.into(path, opts)
}

// Restore makes a data directory of another, which no process may have, and reads every
// record of it, as Unpack does.
func Restore(ctx context.Context, from, to string, opts *Options) (c Copied, err error) {
	o := opts.withDefaults()
	src, err := open(from, opts, true)
	if err != nil {
		return c, err
	}
	defer func() { err = errors.Join(err, src.Close()) }()
	k, err := result(src.fatal, src.contents)
	if err == nil {
		err = src.witness.check(k.last.Seq, src)
	}
	if err != nil {
		return c, fmt.Errorf("%s: %w", from, err)
	}
	r, w := io.Pipe()
	go func() {
		a := archive{ctx: ctx, fs: o.fs, tar: tar.NewWriter(w)}
		w.CloseWithError(a.directory(src.dir.at(databaseName), k.last.Seq))
	}()
	defer r.Close()
	return Unpack(ctx, to, r, opts)
}

// unpacking is an archive on its way into a directory.
type unpacking struct {
	ctx   context.Context // It lives as long as one call.
	from  *tar.Reader
	to    *directory
	least uint64 // bytes of the disk that stay free
	bytes int64
}

// into does all of it.
func (u *unpacking) into(path string, opts *Options) (c Copied, err error) {
	o := opts.withDefaults()
	d, made, err := takeEmpty(o.fs, path)
	if err != nil {
		return c, err
	}
	u.to, u.least = d, o.MinFree
	if err = u.unpack(); err == nil {
		d.tighten(o.Log)
		err = d.release()
		d.lock = nil
	}
	if err == nil {
		c, err = recheck(u.ctx, path, opts)
	}
	if err != nil {
		return Copied{}, errors.Join(fmt.Errorf("%s: %w", path, err), d.discard(made))
	}
	c.Bytes = u.bytes
	return c, nil
}

// takeEmpty makes and locks a directory, unless it has anything in it.
func takeEmpty(fsys vfs.FS, path string) (d *directory, made bool, err error) {
	d = &directory{fs: fsys, path: path}
	names, err := fsys.List(path)
	if made = err != nil; made {
		if _, statErr := fsys.Stat(path); statErr == nil {
			return nil, false, fmt.Errorf("data directory: %w", err) // a file, or not readable
		}
	}
	slices.Sort(names)
	for _, name := range names {
		if name != lockName && name != "lost+found" {
			return nil, false, fmt.Errorf("%s has %q in it: what is restored needs an empty directory, or one that is not there", path, name)
		}
	}
	if err := makeDirectory(fsys, path); err != nil {
		return nil, false, fmt.Errorf("make data directory: %w", err)
	}
	if err := d.takeLock(false); err != nil {
		return nil, false, fmt.Errorf("lock data directory: %w", lockError(path, err))
	}
	return d, made, nil
}

// discard removes what was unpacked, and the directory if it was made for that.
func (d *directory) discard(made bool) error {
	var errs []error
	if d.lock != nil {
		errs = append(errs, d.release())
	}
	if made {
		return errors.Join(append(errs, d.fs.RemoveAll(d.path))...)
	}
	for _, name := range []string{markerName, databaseName, witnessName, lockName, markerDraft} {
		errs = append(errs, d.fs.RemoveAll(d.at(name)))
	}
	return errors.Join(errs...)
}

// unpack writes the archive's files. Its first and its last entry are markers; until the
// last one is written, what there is says that it is a copy in the making.
func (u *unpacking) unpack() error {
	header, err := u.from.Next()
	if err != nil || header.Name != markerName {
		return fmt.Errorf("%w: the archive does not begin with a %s: %w", ErrForeign, markerName, orUnexpected(err))
	}
	state, err := u.marker()
	if err == nil && state != copying {
		err = fmt.Errorf("%w: the archive begins with a %s that is %q", ErrForeign, markerName, state)
	}
	if err == nil {
		err = u.to.mark(copying)
	}
	if err == nil {
		err = u.to.fs.MkdirAll(u.to.at(databaseName), 0o700)
	}
	for err == nil {
		if header, err = u.from.Next(); err != nil {
			return fmt.Errorf("%w: the archive ends before its last %s: %w", ErrIncomplete, markerName, orUnexpected(err))
		}
		if header.Name == markerName {
			return u.end()
		}
		err = u.file(header)
	}
	return err
}

// orUnexpected is an error that is there, for what should not have ended.
func orUnexpected(err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

func (u *unpacking) marker() (state string, err error) {
	text, err := io.ReadAll(io.LimitReader(u.from, maxMarker))
	if err != nil {
		return "", fmt.Errorf("read archive: %w", err)
	}
	state, _, err = parseMarker("the archive", string(text))
	return state, err
}

// end reads the last marker, and the archive to its end.
func (u *unpacking) end() error {
	state, err := u.marker()
	if err != nil {
		return err
	}
	if state != ready {
		return fmt.Errorf("%w: the archive's last %s is %q", ErrIncomplete, markerName, state)
	}
	if header, err := u.from.Next(); !errors.Is(err, io.EOF) {
		if err == nil {
			err = fmt.Errorf("%q", header.Name)
		}
		return fmt.Errorf("%w: the archive goes on after its last %s: %w", ErrForeign, markerName, err)
	}
	if err := syncDirectory(u.to.fs, u.to.at(databaseName)); err != nil {
		return err
	}
	return u.to.mark(ready)
}

// databaseFile is what the files of a database are called.
var databaseFile = regexp.MustCompile(`^[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}$`)

// file writes a file and syncs it.
func (u *unpacking) file(header *tar.Header) (err error) {
	name := header.Name
	inDatabase, ok := strings.CutPrefix(name, databaseName+"/")
	if header.Typeflag != tar.TypeReg || name != witnessName && (!ok || !databaseFile.MatchString(inDatabase)) {
		return fmt.Errorf("%w: the archive has %q in it", ErrForeign, name)
	}
	path := u.to.at(name)
	if ok {
		path = u.to.fs.PathJoin(u.to.at(databaseName), inDatabase)
	}
	if _, err := u.to.fs.Stat(path); err == nil {
		return fmt.Errorf("%w: the archive has %q twice", ErrForeign, name)
	}
	if err := u.room(header.Size); err != nil {
		return err
	}
	f, err := u.to.fs.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	n, err := io.Copy(f, &stoppable{u.ctx, u.from})
	u.bytes += n
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return f.Sync()
}

// room says whether the disk has room for so many bytes more. What cannot be asked is
// taken for enough.
func (u *unpacking) room(bytes int64) error {
	usage, err := u.to.fs.GetDiskUsage(u.to.path)
	if err != nil || usage.AvailBytes >= uint64(bytes)+u.least {
		return nil
	}
	return fmt.Errorf("%w: the disk has %s free, of which %s are kept free, and a file of %s is to come",
		engine.ErrRefused, mebibytes(usage.AvailBytes), mebibytes(u.least), mebibytes(uint64(bytes)))
}

// recheck reads every block and every record of a data directory.
func recheck(ctx context.Context, path string, opts *Options) (c Copied, err error) {
	s, err := open(path, opts, true)
	if err != nil {
		return c, err
	}
	c, err = result(s.fatal, func() (Copied, error) { return s.recheck(ctx) })
	return c, errors.Join(err, s.Close())
}

func (s *Store) recheck(ctx context.Context) (c Copied, err error) {
	if err := s.db.CheckLevels(nil); err != nil {
		return c, fmt.Errorf("check database: %w", err)
	}
	k, err := s.contents()
	if err == nil {
		err = s.witness.check(k.last.Seq, s)
	}
	if err != nil {
		return c, err
	}
	c.Sequence, c.Inventories = k.last.Seq, len(k.list)
	p := progress{tell: s.opts.Progress}
	for i := range k.list {
		p.total += k.list[i].mark.Assets
	}
	for i := range k.list {
		n, err := s.count(ctx, k.list[i].number, &p)
		if err != nil {
			return c, err
		}
		if m := &k.list[i].mark; n != m.Assets {
			return c, fmt.Errorf("project %q: there are %d %vs, but there were %d", m.Project, n, m.Category, m.Assets)
		}
		c.Assets += n
	}
	return c, nil
}

// count reads the records of an inventory and counts its assets.
func (s *Store) count(ctx context.Context, number uint32, p *progress) (n int, err error) {
	pairs, err := s.pairs(number)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, pairs.close()) }()
	for {
		more, err := pairs.next()
		if !more || err != nil {
			return n, err
		}
		if n++; n%chunkAssets == 0 {
			p.add(chunkAssets)
			if err := ctx.Err(); err != nil {
				return n, err
			}
		}
	}
}
