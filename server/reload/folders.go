package reload

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/fsnotify/fsnotify"
)

// folders tells of changes in the folders of files; it watches those and not
// the files, as a file that is replaced is another one. The zero value tells
// nothing. It belongs to the watcher's goroutine.
type folders struct {
	fs     *fsnotify.Watcher
	events chan fsnotify.Event
	errors chan error
}

func (n *folders) close() {
	if n.fs != nil {
		_ = n.fs.Close() // it is only read from
	}
}

// follow watches the folders that lead to the files now, and no others. One
// that cannot be watched is left to the next look.
func (n *folders) follow(files []*watched) {
	if n.fs == nil {
		return
	}
	wanted := make(map[string]bool)
	for _, f := range files {
		for _, path := range f.Paths() {
			addFolders(wanted, path)
		}
	}
	for _, dir := range n.fs.WatchList() {
		if !wanted[dir] {
			_ = n.fs.Remove(dir) // it may have gone by itself
		}
	}
	for dir := range wanted {
		_ = n.fs.Add(dir)
	}
}

// maxLinks is how many symbolic links are followed, which may lead in a circle.
const maxLinks = 40

// addFolders adds the folder that a path leads to and those of all symbolic
// links on the way, as each of them may be made to lead elsewhere.
func addFolders(to map[string]bool, path string) {
	const slash = string(filepath.Separator)
	if !filepath.IsAbs(path) {
		here, err := os.Getwd()
		if err != nil {
			return
		}
		path = here + slash + path // not joined, which takes a link's .. for the link's folder
	}
	at := filepath.VolumeName(path) + slash // where the way has led so far, free of links
	rest := strings.TrimPrefix(path, at)
	for links := 0; rest != ""; {
		var name string
		name, rest, _ = strings.Cut(rest, slash)
		switch name {
		case "", ".":
			continue
		case "..":
			at = filepath.Dir(at)
			continue
		}
		target, err := os.Readlink(filepath.Join(at, name))
		isLink := err == nil && links < maxLinks
		if isLink || rest == "" {
			to[at] = true
		}
		if !isLink {
			at = filepath.Join(at, name)
			continue
		}
		links++
		if filepath.IsAbs(target) {
			at = filepath.VolumeName(target) + slash
		}
		rest = strings.TrimPrefix(target, at) + slash + rest
	}
}
