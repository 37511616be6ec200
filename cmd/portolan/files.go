package main

import (
	"container/list"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// expand returns the files that names stand for: of a folder all in it and below, in the order of
// their paths, without what is hidden; of a pattern, where no file is called so, those that match.
// One that stands for no file is an error.
func expand(names []string) ([]string, error) {
	var files []string
	for _, name := range names {
		some, err := expandOne(name)
		if err != nil {
			return nil, err
		}
		files = append(files, some...)
	}
	return files, nil
}

func expandOne(name string) ([]string, error) {
	if name == "-" {
		return []string{name}, nil
	}
	info, err := os.Stat(name)
	switch {
	case err == nil && info.IsDir():
		return filesBelow(name)
	case err != nil && strings.ContainsAny(name, "*?["):
		return filesLike(name)
	}
	return []string{name}, nil // who opens it finds out what is wrong with it
}

// filesBelow returns the files of a folder. Links to folders are not followed.
func filesBelow(folder string) ([]string, error) {
	var files []string
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		hidden := path != folder && strings.HasPrefix(d.Name(), ".")
		switch {
		case err != nil:
			return err
		case d.IsDir() && hidden:
			return fs.SkipDir
		case d.IsDir() || hidden:
			return nil
		case d.Type()&fs.ModeSymlink != 0:
			if info, err := os.Stat(path); err != nil || info.IsDir() {
				return err
			}
		}
		files = append(files, path)
		return nil
	})
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("%s has no files", folder)
	}
	return files, err
}

// filesLike returns the files that match a pattern, which may match folders, too.
func filesLike(pattern string) ([]string, error) {
	matches, err := filepath.Glob(pattern)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", pattern, err)
	}
	var files []string
	for _, name := range matches {
		some := []string{name}
		if info, err := os.Stat(name); err == nil && info.IsDir() {
			if some, err = filesBelow(name); err != nil {
				return nil, err
			}
		}
		files = append(files, some...)
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%s: no file is called so, or like it", pattern)
	}
	return files, nil
}

// mostOpen is how many regular files are open at a time: a folder may have more of them than a
// process may.
const mostOpen = 64

// shelf has the files that are open of very many, the one used last in front.
type shelf struct {
	mu   sync.Mutex
	open list.List // of *lazyFile
}

// lazyFile is a regular file that is opened when it is read, and closed while it is not if others
// need its place. It is then opened again where it was, if it is still the same.
type lazyFile struct {
	shelf *shelf
	name  string
	info  fs.FileInfo
	at    int64
	file  *os.File      // nil: not open
	place *list.Element // on the shelf
}

// openLazily returns the file if it is a regular one that can be opened, another one as it is.
func (s *shelf) openLazily(name string) (r io.ReadCloser, size int64, err error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	switch {
	case err != nil:
		_ = f.Close() // Nothing was written.
		return nil, 0, err
	case info.IsDir():
		_ = f.Close()
		return nil, 0, fmt.Errorf("%s is a directory: want a file", name)
	case !info.Mode().IsRegular():
		return f, -1, nil
	}
	lazy := &lazyFile{shelf: s, name: name, info: info, file: f}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.put(lazy)
	return lazy, info.Size(), nil
}

// put makes the file the one used last and closes the one used longest ago, if there are too many.
func (s *shelf) put(f *lazyFile) {
	if f.place != nil {
		s.open.MoveToFront(f.place)
		return
	}
	f.place = s.open.PushFront(f)
	if s.open.Len() > mostOpen {
		oldest, _ := s.open.Back().Value.(*lazyFile) // the shelf has nothing else
		oldest.shut()
	}
}

// shut closes the file. The shelf must be locked.
func (f *lazyFile) shut() {
	if f.file == nil {
		return
	}
	_ = f.file.Close() // Nothing was written.
	f.shelf.open.Remove(f.place)
	f.file, f.place = nil, nil
}

// ready has the file open where it was. The shelf must be locked.
func (f *lazyFile) ready() error {
	if f.file != nil {
		f.shelf.put(f)
		return nil
	}
	file, err := os.Open(f.name)
	if err != nil {
		return err
	}
	info, err := file.Stat()
	if err == nil && !os.SameFile(info, f.info) {
		err = fmt.Errorf("%s is another file than it was", f.name)
	}
	if err == nil {
		_, err = file.Seek(f.at, io.SeekStart)
	}
	if err != nil {
		_ = file.Close()
		return err
	}
	f.file = file
	f.shelf.put(f)
	return nil
}

// Read reads on.
func (f *lazyFile) Read(p []byte) (int, error) {
	f.shelf.mu.Lock()
	defer f.shelf.mu.Unlock()
	if err := f.ready(); err != nil {
		return 0, err
	}
	n, err := f.file.Read(p)
	f.at += int64(n)
	return n, err
}

// Seek is that of files.
func (f *lazyFile) Seek(offset int64, whence int) (int64, error) {
	f.shelf.mu.Lock()
	defer f.shelf.mu.Unlock()
	if err := f.ready(); err != nil {
		return 0, err
	}
	at, err := f.file.Seek(offset, whence)
	if err == nil {
		f.at = at
	}
	return at, err
}

// Close closes it; it is not read any more.
func (f *lazyFile) Close() error {
	f.shelf.mu.Lock()
	defer f.shelf.mu.Unlock()
	f.shut()
	return nil
}

// size is what the file had when it was opened first.
func (f *lazyFile) size() int64 { return f.info.Size() }
