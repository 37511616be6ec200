package main

import (
	"context"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"portolan/engine"
	"portolan/engine/scanfile"
)

// localProject is the project of an engine that lives for one command.
const localProject = "default"

// readFlags say which files are read and how.
type readFlags struct {
	files  []string
	format string
	scope  string
	asset  string
	host   string
	inside bool
	labels labelFlag
	policy policyFlag
	strict bool

	listsShared bool // the command lists addresses that several assets have itself
}

// addTo adds the flags of a command that reads files itself.
func (f *readFlags) addTo(cmd *cobra.Command) { under(topicFiles, cmd, func() { f.addAll(cmd) }) }

func (f *readFlags) addAll(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&f.files, "import", nil, "read this `FILE`, folder or pattern, - for standard input; may be repeated")
	f.addHow(cmd)
	if cmd.Name() != "serve" {
		f.policy.addTo(cmd)
	}
}

// addHow adds the flags that say how files are read, wherever that happens.
func (f *readFlags) addHow(cmd *cobra.Command) {
	complete := func(flag string, words []string) {
		_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp)) // It fails for a flag that is not there.
	}
	defer complete("format", scanfile.Formats())
	defer complete("scope", []string{"all", "none"})
	defer complete("asset", scanfile.Identities())
	cmd.Flags().StringVar(&f.format, "format", "", "the `FORMAT` of the files, such as ndjson or nmap-xml; found by content when left out")
	cmd.Flags().StringVar(&f.asset, "asset", "", "call what scanners found by its address, hostname or mac, by the address where it has no other (default address)")
	cmd.Flags().StringVar(&f.host, "asset-id", "", "take inventories (ss, netstat, …) that name no host for those of the host of this `ID`")
	cmd.Flags().BoolVar(&f.inside, "include-loopback", false, "count what inventories show listening on loopback only")
	cmd.Flags().Var(&f.labels, "label", "give every asset this label; without a VALUE take it away; may be repeated")
	cmd.Flags().StringVar(&f.scope, "scope", "", "what was looked at, whatever a file says: all, none or `RANGES` such as 1-1024/tcp,53/udp; lines of NDJSON keep their own")
	cmd.Flags().BoolVar(&f.strict, "strict", false, "apply nothing and fail unless everything is whole and valid")
}

// options returns the flags as the reader of files takes them.
func (f *readFlags) options(project string) (*scanfile.Options, error) {
	o := &scanfile.Options{Format: f.format, Project: project, Asset: f.asset, AssetID: f.host, IncludeLoopback: f.inside, Strict: f.strict, Labels: f.labels.labels}
	if f.scope != "" {
		scope, err := engine.ParseScope(f.scope)
		if err != nil {
			return nil, usageError{err}
		}
		o.Scope = &scope
	}
	if err := o.Validate(); err != nil {
		return nil, usageError{err}
	}
	return o, nil
}

// memory returns an engine that holds what the files say, and says on stderr
// what they hold that does not count.
func (c *cli) memory(ctx context.Context, f *readFlags) (*engine.Engine, error) {
	opts, err := f.options(localProject)
	if err != nil {
		return nil, err
	}
	e, err := engine.Open(&engine.Options{Policy: f.policy.policy, ChangesBytes: -1})
	if err != nil {
		return nil, err
	}
	sum, err := c.load(ctx, e, f.files, opts)
	if err != nil {
		return nil, summedError{err, sum}
	}
	c.remark(sum)
	if !f.listsShared {
		c.complain(sharedIn(ctx, e, localProject))
	}
	return e, nil
}

// summedError is the error of a load, with what was read all the same.
type summedError struct {
	error
	sum *scanfile.Summary // may be nil
}

func (e summedError) Unwrap() error { return e.error }

// remark shows a summary that holds more than plain success.
func (c *cli) remark(sum *scanfile.Summary) {
	var text strings.Builder
	switch {
	case sum == nil || len(sum.Files) == 0:
		return
	case !sum.Complete || sum.Rejected > 0:
		text.WriteString("warning: ")
	case len(sum.LeftOut) == 0 && sum.Result.Clamped == 0 && !slices.ContainsFunc(sum.Files, func(f scanfile.FileSummary) bool { return len(f.Warnings) > 0 }):
		return
	}
	_ = sum.WriteText(&text) // A strings.Builder takes everything.
	c.complain(text.String())
}

// load is loadTo an engine, as one import.
func (c *cli) load(ctx context.Context, e *engine.Engine, files []string, opts *scanfile.Options) (sum *scanfile.Summary, err error) {
	err = e.Import(engine.All(), func(to *engine.Import) error {
		sum, err = c.loadTo(ctx, to, files, opts)
		return err
	})
	return sum, err
}

// loadTo applies the files to dst. The summary may be nil with an error.
func (c *cli) loadTo(ctx context.Context, dst scanfile.Sink, files []string, opts *scanfile.Options) (*scanfile.Summary, error) {
	in, err := c.open(ctx, files)
	if err != nil {
		return nil, err
	}
	defer in.close()
	if isTerminal(c.stderr) {
		var done func()
		opts.Progress, done = progress(c.stderr, "reading", in.size)
		defer done()
	}
	sum, err := scanfile.Load(ctx, dst, in.sources, opts)
	if err == nil && len(sum.Files) > 0 && slices.ContainsFunc(sum.Files, func(f scanfile.FileSummary) bool { return f.Name == standardInput && f.Problem == "empty" }) {
		err = errNoInput
	}
	return sum, err
}

// standardInput is what standard input is called in messages.
const standardInput = "standard input"

// inputs are open files.
type inputs struct {
	shelf   shelf
	sources []scanfile.Source
	size    int64 // of all, -1 where it is not known
	closers []io.Closer
}

func (in *inputs) close() {
	for _, c := range in.closers {
		_ = c.Close() // Nothing was written.
	}
}

// open opens the files that names stand for; one of them may be -, standard input.
func (c *cli) open(ctx context.Context, names []string) (*inputs, error) {
	files, err := expand(names)
	if err != nil {
		return nil, err
	}
	if first := slices.Index(files, "-"); first >= 0 && slices.Contains(files[first+1:], "-") {
		return nil, misuse("standard input can be read only once")
	}
	in := new(inputs)
	for _, name := range files {
		if err := in.add(ctx, name, c.stdin); err != nil {
			in.close()
			return nil, err
		}
	}
	return in, nil
}

func (in *inputs) add(ctx context.Context, name string, stdin io.Reader) error {
	if name == "-" {
		r := interruptible(ctx, stdin)
		in.closers = append(in.closers, r)
		in.sources = append(in.sources, scanfile.Source{Name: standardInput, Reader: r})
		in.size = -1
		return nil
	}
	f, size, err := in.shelf.openLazily(name)
	if err != nil {
		return err
	}
	in.closers = append(in.closers, f)
	in.sources = append(in.sources, scanfile.Source{Name: name, Reader: f})
	if size < 0 || in.size < 0 {
		in.size = -1
	} else {
		in.size += size
	}
	return nil
}

// sizeOf returns the size of a regular file and -1 for everything else.
func sizeOf(r io.Reader) int64 {
	if f, ok := r.(*lazyFile); ok {
		return f.size()
	}
	return -1
}

// interruptible returns a reader of r that ends with ctx, even while r waits
// for somebody to type.
func interruptible(ctx context.Context, r io.Reader) io.ReadCloser {
	pr, pw := io.Pipe()
	go func() {
		_, err := io.Copy(pw, r)
		pw.CloseWithError(err)
	}()
	context.AfterFunc(ctx, func() { _ = pw.CloseWithError(ctx.Err()) })
	return pr
}
