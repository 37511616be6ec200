package store

import (
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/cockroachdb/pebble/v2"
)

// missingTable finds the number of a table in what Pebble says if the table has gone.
var missingTable = regexp.MustCompile(`file ([0-9]+) \(type sstable\)`)

// naming adds the file's name to an error of opening the database that is about one and does
// not name it.
func (s *Store) naming(err error) error {
	if m := missingTable.FindStringSubmatch(err.Error()); m != nil {
		return fmt.Errorf("%s: %w", s.databasePath(m[1]+".sst"), err)
	}
	if options := s.newest("OPTIONS-", ""); options != "" && !strings.Contains(err.Error(), options) && s.badOptions(options) {
		return fmt.Errorf("%s: %w", options, err)
	}
	return err
}

// badOptions says whether a file of options cannot be read.
func (s *Store) badOptions(path string) bool {
	f, err := s.opts.fs.Open(path)
	if err != nil {
		return true
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, 1<<20))
	if err != nil {
		return true
	}
	o := &pebble.Options{Logger: s.fatal}
	o.EnsureDefaults()
	return o.CheckCompatibility(s.dir.path, string(text)) != nil
}

// newest is the path of the database's file with the highest number; empty if there is none.
func (s *Store) newest(before, after string) string {
	names, err := s.opts.fs.List(s.dir.at(databaseName))
	if err != nil {
		return ""
	}
	newest := ""
	for _, name := range names {
		if strings.HasPrefix(name, before) && strings.HasSuffix(name, after) &&
			(len(name) > len(newest) || len(name) == len(newest) && name > newest) {
			newest = name
		}
	}
	if newest == "" {
		return ""
	}
	return s.databasePath(newest)
}
