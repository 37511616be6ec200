package auth

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"unicode/utf8"
)

// maxFileBytes is how long a file of credentials may be: some 200,000 entries.
const maxFileBytes = 64 << 20

// A rule is which permissions a file of credentials must not have, and why.
type rule struct {
	bits fs.FileMode
	why  string
	fix  string // the arguments of chmod
}

var (
	// notWritable is for files that hold no secret: who writes one lets himself in.
	notWritable = rule{0o022, "lets others than its owner write it", "go-w"}
	// notShared is for files that hold secrets.
	notShared = rule{0o077, "lets others than its owner in", "600"}
)

// check refuses a file that others may use in ways the rule forbids. Windows
// has no such bits.
func (r rule) check(info fs.FileInfo) error {
	if mode := info.Mode().Perm(); runtime.GOOS != "windows" && mode&r.bits != 0 {
		return fmt.Errorf("mode %04o %s: chmod %s", mode, r.why, r.fix)
	}
	return nil
}

// readKeyFile returns the whole of a file that the rule allows to be used, and
// what is known about it.
func readKeyFile(path string, r rule) ([]byte, fs.FileInfo, error) {
	info, err := os.Stat(path) // looked at first, as to open a pipe can take forever
	if err != nil {
		return nil, nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, nil, errors.New("not a regular file")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	if info, err = f.Stat(); err != nil { // of what was opened, which another file may have replaced
		return nil, nil, err
	}
	if err := r.check(info); err != nil {
		return nil, nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	if err == nil && len(data) > maxFileBytes {
		err = fmt.Errorf("more than %d bytes", maxFileBytes)
	}
	return data, info, err
}

// readObjects calls read with every object of a JSON list, in order. An error
// names the entry, counted from 1, or the line.
func readObjects(data []byte, read func(o *object) error) error {
	if !utf8.Valid(data) {
		return errors.New("not UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(data))
	if t, err := d.Token(); err != nil || t != json.Delim('[') {
		return errors.New("want a JSON list of objects: [{…}, …]")
	}
	for i := 1; d.More(); i++ {
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return syntaxError(data, d, err)
		}
		o := newObject(raw)
		if err := read(o); err != nil {
			return fmt.Errorf("entry %d%s: %w", i, o.label(), err)
		}
	}
	if _, err := d.Token(); err != nil {
		return syntaxError(data, d, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return syntaxError(data, d, errors.New("something follows the list"))
	}
	return nil
}

// syntaxError says where the text stops being JSON: past what was read of it.
func syntaxError(data []byte, d *json.Decoder, err error) error {
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	rest := bytes.TrimLeft(data[d.InputOffset():], ", \t\r\n")
	return fmt.Errorf("line %d: %w", lineOf(data, len(data)-len(rest)), err)
}

// lineOf returns the line, from 1, that the offset is in.
func lineOf(data []byte, offset int) int { return 1 + bytes.Count(data[:offset], []byte("\n")) }
