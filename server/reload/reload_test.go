package reload_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"portolan/server/reload"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// text is a file that holds a text; one that begins with broken is refused.
type text struct {
	path    string
	now     atomic.Value
	reloads atomic.Int32
}

func (f *text) Paths() []string { return []string{f.path} }

func (f *text) Reload() error {
	f.reloads.Add(1)
	data, err := os.ReadFile(f.path)
	if err != nil {
		return err
	}
	if strings.HasPrefix(string(data), "broken") {
		return errors.New(f.path + " is " + string(data))
	}
	f.now.Store(string(data))
	return nil
}

func (f *text) get() string {
	s, _ := f.now.Load().(string)
	return s
}

// journal is a log that can be read while it is written.
type journal struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.Write(p)
}

func (j *journal) count(what string) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return strings.Count(j.b.String(), what)
}

func (j *journal) text() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.String()
}

// hour is an interval that no test lives to see.
const hour = time.Hour

// rig is a watched file.
type rig struct {
	*text
	t   *testing.T
	log *journal
	w   *reload.Watcher
}

// start watches a file whose contents are one, by notification alone unless
// there is a shorter interval.
func start(t *testing.T, path string, poll time.Duration, deaf error) *rig {
	t.Helper()
	r := &rig{text: &text{path: path}, t: t, log: new(journal)}
	r.w = reload.WatchPolling(t.Context(), slog.New(slog.NewTextHandler(r.log, nil)), poll, deaf, r.text)
	t.Cleanup(r.w.Stop)
	r.soon("the first reload", func() bool { return r.reloads.Load() > 0 })
	return r
}

// soon fails the test unless the condition comes true in a while.
func (r *rig) soon(what string, condition func() bool) {
	r.t.Helper()
	for end := time.Now().Add(30 * time.Second); !condition(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			r.t.Fatalf("never happened: %s; now %q\n%s", what, r.get(), r.log.text())
		}
	}
}

func (r *rig) becomes(want string) {
	r.t.Helper()
	r.soon(want, func() bool { return r.get() == want })
}

func write(t *testing.T, path, contents string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(contents), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestWrittenInPlace(t *testing.T) {
	r := start(t, write(t, t.TempDir()+"/f", "one"), hour, nil)
	r.becomes("one")
	for _, next := range []string{"two", "three", "one"} {
		write(t, r.path, next)
		r.becomes(next)
	}
	if r.log.count("level=INFO") == 0 || r.log.count("level=ERROR") != 0 || r.log.count(r.path) == 0 {
		t.Errorf("logged %s", r.log.text())
	}
}

// TestMetrics: when a file was read well, and how often it was not.
func TestMetrics(t *testing.T) {
	r := start(t, write(t, t.TempDir()+"/f", "one"), hour, nil)
	seen := prometheus.NewPedanticRegistry()
	seen.MustRegister(r.w.Metrics())
	value := func(name string) float64 {
		families, err := seen.Gather()
		must(t, err)
		for _, f := range families {
			if m := f.GetMetric()[0]; f.GetName() == name && m.GetLabel()[0].GetValue() == r.path {
				return m.GetGauge().GetValue() + m.GetCounter().GetValue()
			}
		}
		t.Fatalf("no %s", name)
		return 0
	}
	if at := value("portolan_file_loaded_timestamp_seconds"); at < float64(time.Now().Unix()-60) {
		t.Errorf("read at %v", at)
	}
	if n := value("portolan_file_reload_failures_total"); n != 0 {
		t.Errorf("%v failures", n)
	}
	write(t, r.path, "broken")
	r.soon("a failure", func() bool { return value("portolan_file_reload_failures_total") >= 1 })
}

func TestReplacedByRename(t *testing.T) {
	dir := t.TempDir()
	r := start(t, write(t, dir+"/f", "one"), hour, nil)
	for _, next := range []string{"two", "three"} {
		must(t, os.Rename(write(t, dir+"/new", next), r.path))
		r.becomes(next)
	}
}

// TestSecretOfKubernetes: the file is a link into a folder that is a link, and
// only the latter changes.
func TestSecretOfKubernetes(t *testing.T) {
	dir := t.TempDir()
	version := func(name, contents string) {
		must(t, os.Mkdir(filepath.Join(dir, name), 0o700))
		write(t, filepath.Join(dir, name, "f"), contents)
		must(t, os.Symlink(name, dir+"/..tmp"))
		must(t, os.Rename(dir+"/..tmp", dir+"/..data"))
	}
	version("..1", "one")
	must(t, os.Symlink("..data/f", dir+"/f"))
	r := start(t, dir+"/f", hour, nil)
	r.becomes("one")
	version("..2", "two")
	r.becomes("two")
	must(t, os.RemoveAll(dir+"/..1"))
	version("..3", "three")
	r.becomes("three")
	write(t, dir+"/..3/f", "three in place")
	r.becomes("three in place")
}

// TestLinksElsewhere: links lead through other folders, by absolute and
// relative ways, and any of them may change.
func TestLinksElsewhere(t *testing.T) {
	dir := t.TempDir()
	for _, d := range []string{"etc", "v1", "v2"} {
		must(t, os.Mkdir(filepath.Join(dir, d), 0o700))
	}
	write(t, dir+"/v1/f", "one")
	write(t, dir+"/v2/f", "two")
	must(t, os.Symlink(dir+"/v1", dir+"/current"))
	must(t, os.Symlink("../current/../current/./f", dir+"/etc/f"))
	r := start(t, dir+"/etc/f", hour, nil)
	r.becomes("one")
	must(t, os.Symlink("v2", dir+"/tmp"))
	must(t, os.Rename(dir+"/tmp", dir+"/current"))
	r.becomes("two")
	write(t, dir+"/v2/f", "three")
	r.becomes("three")
	must(t, os.Symlink("circle", dir+"/circle"))
	must(t, os.Rename(dir+"/circle", dir+"/current"))
	r.soon("an error about the circle", func() bool { return r.log.count("level=ERROR") >= 1 })
	if r.get() != "three" {
		t.Errorf("became %q", r.get())
	}
}

func TestRelativePath(t *testing.T) {
	t.Chdir(t.TempDir())
	r := start(t, write(t, "f", "one"), hour, nil)
	write(t, r.path, "two")
	r.becomes("two")
}

// TestBrokenKeepsTheOld, says so once, and is over when the file is repaired,
// even to what it was.
func TestBrokenKeepsTheOld(t *testing.T) {
	r := start(t, write(t, t.TempDir()+"/f", "one"), 10*time.Millisecond, nil)
	write(t, r.path, "broken one")
	r.soon("an error", func() bool { return r.log.count("level=ERROR") >= 1 })
	before := r.reloads.Load()
	r.soon("more tries", func() bool { return r.reloads.Load() > before+3 })
	if r.get() != "one" || r.log.count("the old contents stay in force") == 0 || r.log.count("is broken one") != 1 {
		t.Errorf("%q; logged %s", r.get(), r.log.text())
	}
	write(t, r.path, "one")
	r.soon("the repair", func() bool { return r.log.count("level=INFO") >= 1 })
	write(t, r.path, "two")
	r.becomes("two")
}

func TestRemovedKeepsTheOld(t *testing.T) {
	r := start(t, write(t, t.TempDir()+"/f", "one"), hour, nil)
	must(t, os.Remove(r.path))
	r.soon("an error", func() bool { return r.log.count("level=ERROR") == 1 })
	if r.get() != "one" || r.log.count(fs.ErrNotExist.Error()) == 0 && r.log.count("no such file") == 0 {
		t.Errorf("%q; logged %s", r.get(), r.log.text())
	}
	write(t, r.path, "two")
	r.becomes("two")
}

// TestPermissionsAreAChange: a file that was refused for them can be repaired.
func TestPermissionsAreAChange(t *testing.T) {
	r := start(t, write(t, t.TempDir()+"/f", "one"), hour, nil)
	before := r.reloads.Load()
	must(t, os.Chmod(r.path, 0o640))
	r.soon("a reload", func() bool { return r.reloads.Load() > before })
}

// TestForced: every file is read, changed or not, without waiting for it.
func TestForced(t *testing.T) {
	deaf := errors.New("too many watches")
	r := start(t, write(t, t.TempDir()+"/f", "one"), hour, deaf)
	if r.log.count("too many watches") != 1 {
		t.Errorf("logged %s", r.log.text())
	}
	write(t, r.path, "two")
	r.w.Reload()
	r.becomes("two")
	for i := range int32(3) {
		before := r.reloads.Load()
		r.w.Reload()
		r.soon("a reload", func() bool { return r.reloads.Load() > before })
		r.soon("a line", func() bool { return r.log.count("level=INFO") >= 2+int(i) })
	}
	write(t, r.path, "broken")
	for i := range 2 {
		r.w.Reload()
		r.soon("an error each time", func() bool { return r.log.count("level=ERROR") > i })
	}
}

// TestPolled: what the system does not tell of is seen all the same: nothing at
// all, or changes in a folder that was not there.
func TestPolled(t *testing.T) {
	r := start(t, write(t, t.TempDir()+"/f", "one"), 10*time.Millisecond, errors.New("deaf"))
	write(t, r.path, "two")
	r.becomes("two")
	dir := t.TempDir() + "/later"
	r = start(t, dir+"/f", 10*time.Millisecond, nil)
	must(t, os.Mkdir(dir, 0o700))
	write(t, r.path, "one")
	r.becomes("one")
	must(t, os.RemoveAll(dir))
	r.soon("an error", func() bool { return r.log.count("level=ERROR") >= 2 })
	must(t, os.Mkdir(dir, 0o700))
	write(t, r.path, "two")
	r.becomes("two")
}

// TestUnchangedIsLeftAlone: other files of the folder, and the same contents
// again, are no reason to reload.
func TestUnchangedIsLeftAlone(t *testing.T) {
	dir := t.TempDir()
	r := start(t, write(t, dir+"/f", "one"), 5*time.Millisecond, nil)
	other := &text{path: write(t, dir+"/seen", "1")}
	w := reload.Watch(t.Context(), slog.New(slog.DiscardHandler), other)
	defer w.Stop()
	r.soon("the other's first reload", func() bool { return other.get() == "1" })
	must(t, os.Rename(write(t, dir+"/new", "one"), r.path)) // the same
	write(t, other.path, "2")
	r.soon("the other's second reload", func() bool { return other.get() == "2" }) // and so many looks at the first
	if n := r.reloads.Load(); n != 1 {
		t.Errorf("%d reloads", n)
	}
}

// TestStops: with its context or when told, and more than once.
func TestStops(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	f := &text{path: write(t, t.TempDir()+"/f", "one")}
	w := reload.Watch(ctx, slog.New(slog.DiscardHandler), f)
	cancel()
	w.Stop()
	w.Stop()
	n := f.reloads.Load()
	w.Reload() // tells nobody
	write(t, f.path, "two")
	if f.get() == "two" || f.reloads.Load() != n {
		t.Error("reloaded after it was stopped")
	}
	reload.Watch(t.Context(), slog.New(slog.DiscardHandler)).Stop() // of nothing
}
