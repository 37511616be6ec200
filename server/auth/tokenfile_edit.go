package auth

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// ReadTokens returns the entries of a token file in order.
func ReadTokens(path string) ([]TokenRecord, error) {
	records, _, err := readTokens(path)
	return records, err
}

func readTokens(path string) ([]TokenRecord, fs.FileInfo, error) {
	data, info, err := readKeyFile(path, notWritable)
	if err != nil {
		return nil, nil, fmt.Errorf("token file %s: %w", path, err)
	}
	records, err := parseTokens(data)
	if err != nil {
		return nil, nil, fmt.Errorf("token file %s: %w", path, err)
	}
	return records, info, nil
}

// EditTokens replaces the entries of a token file by what edit makes of them,
// at once and for good: a reader sees the old file or the new one, and a crash
// leaves one of them. Editors, in this process and in others, take turns. A file
// that is not there is an empty one and is made for its owner alone; one that is
// there keeps its permissions and its owner. After an error, edit's own too,
// nothing has changed, unless it says that the folder could not be synced.
func EditTokens(path string, edit func([]TokenRecord) ([]TokenRecord, error)) error {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target // a link stays one
	}
	unlock, err := lockFolder(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("token file %s: lock its folder: %w", path, err)
	}
	defer unlock()
	records, old, err := readTokens(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if records, err = edit(records); err != nil {
		return err
	}
	data, err := encodeTokens(records)
	if err != nil {
		return fmt.Errorf("token file %s: %w", path, err)
	}
	if err := replaceFile(path, data, old); err != nil {
		return fmt.Errorf("token file %s: %w", path, err)
	}
	return nil
}

// encodeTokens returns the contents of a file that can be read again.
func encodeTokens(records []TokenRecord) ([]byte, error) {
	filled := make([]TokenRecord, len(records)) // not nil, and so an empty list
	for i, r := range records {
		r.Projects = append([]string{}, r.Projects...)
		r.EnterpriseProjects = append([]string{}, r.EnterpriseProjects...)
		filled[i] = r
	}
	data, err := json.MarshalIndent(filled, "", "  ")
	if err != nil {
		return nil, err
	}
	if _, err := parseTokens(data); err != nil {
		return nil, err
	}
	return append(data, '\n'), nil
}

// replaceFile puts a file with that data in the place of another, whose
// permissions and owner it takes over; old is nil if there is none.
func replaceFile(path string, data []byte, old fs.FileInfo) error {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	err = errors.Join(fillFile(f, data, old), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	if err := syncFolder(dir); err != nil {
		return fmt.Errorf("replaced, but the folder could not be synced: %w", err)
	}
	return nil
}

// fillFile writes a new file, its permissions and its owner, and syncs it.
func fillFile(f *os.File, data []byte, old fs.FileInfo) error {
	if old != nil {
		if err := keepOwner(f, old); err != nil {
			return err
		}
		if err := f.Chmod(old.Mode().Perm()); err != nil {
			return err
		}
	}
	if _, err := f.Write(data); err != nil {
		return err
	}
	return f.Sync()
}
