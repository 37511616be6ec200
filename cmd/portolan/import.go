package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"portolan/engine"
	"portolan/engine/scanfile"
)

// importFlags are the flags of the import command.
type importFlags struct {
	readFlags
	server     serverFlags
	enterprise string
	category   *choice
	output     *choice
	retry      span
	dry        bool
}

func (c *cli) importCommand() *cobra.Command {
	f := &importFlags{category: newCategory(engine.Host.String()), output: newOutput("text", asJSON), retry: span{value: defaultRetry}}
	cmd := &cobra.Command{
		Use:   "import FILE… {--server URL | --dry-run}",
		Short: "Send files to a server",
		Long: `Send files of scanners or agents to a server, which reads them as they come and says
what became of them. A file may be -, standard input. The files are sent one after
the other; one that the server refuses ends the command. So does an interrupt, and
the server then says what it has applied. A file that the server is too busy for is
sent again; so is one that it took a part of, which does no harm.

With --dry-run nothing is sent: the files are read here, and the summary says what
would be.`,
		Example: `  portolan import scan.xml --server http://127.0.0.1:8080
  portolan import agents.ndjson --server http://127.0.0.1:8080 --enterprise-project shop --strict
  nmap -oX - 192.0.2.0/24 | portolan import - --server http://127.0.0.1:8080
  portolan import --dry-run scan.json.gz osqueryd.results.log -o json`,
		Args: arguments(1, math.MaxInt, "the FILE to send"),
		RunE: body(func(ctx context.Context, args []string) error { return c.importFiles(ctx, f, args) }),
	}
	f.server.addTo(cmd)
	cmd.Flags().BoolVar(&f.dry, "dry-run", false, "only read the files and say what they hold")
	cmd.MarkFlagsOneRequired("server", "dry-run")
	cmd.MarkFlagsMutuallyExclusive("server", "dry-run")
	f.addHow(cmd)
	cmd.Flags().StringVar(&f.enterprise, "enterprise-project", "", "put assets into the enterprise project of this `ID` where a file does not say")
	f.category.addTo(cmd, "category", "", "take assets as of this category where a file does not say")
	f.output.addTo(cmd, "output", "o", "write the summary in this format")
	cmd.Flags().Var(&f.retry, "retry-for", "send a file again for this `TIME` while the server is busy and says when to come again; 0 never")
	return cmd
}

func (c *cli) importFiles(ctx context.Context, f *importFlags, files []string) error {
	opts, err := f.options(f.server.project)
	if err != nil {
		return err
	}
	if f.dry {
		return c.rehearse(ctx, f, opts, files)
	}
	cl, err := c.client(&f.server)
	if err != nil {
		return err
	}
	defer cl.close()
	in, err := c.open(ctx, files)
	if err != nil {
		return err
	}
	defer in.close()
	var all outcome
	for _, src := range in.sources {
		answer, err := c.send(ctx, cl, f, src)
		sum, shown := c.showSummary(f, src.Name, answer)
		if err != nil {
			c.complain(fmt.Sprintf("%s: %v", src.Name, err))
			return errors.Join(reportedError{err}, shown)
		}
		if shown != nil {
			return shown
		}
		all.add(src.Name, sum)
	}
	c.remarkServer(ctx, cl)
	return all.err()
}

// remarkServer says that hosts on the server have the same address, if it can tell.
func (c *cli) remarkServer(ctx context.Context, cl *client) {
	page, err := getPage[sharedRow](ctx, cl, question{path: "/doctor", query: url.Values{}}, 0, 1)
	if err == nil {
		c.complain(remarkShared(page.Rows, page.Total))
	}
}

// outcome is what became of files that were read to their ends.
type outcome struct {
	taken, rejected int
	noInput         bool
}

func (o *outcome) add(name string, sum *importSummary) {
	if sum == nil {
		return
	}
	o.taken, o.rejected = o.taken+sum.Records, o.rejected+sum.Rejected
	o.noInput = o.noInput || name == standardInput && len(sum.Files) > 0 && sum.Files[0].Problem == "empty"
}

// err is the error of the files together. Stderr was told of what was rejected.
func (o *outcome) err() error {
	switch {
	case o.noInput:
		return errNoInput
	case o.rejected == 0:
		return nil
	case o.taken == 0:
		return reportedError{errors.New("every record was rejected")}
	}
	return partlyError{errors.New("some records were rejected")}
}

// errNoInput is the error of reading standard input where there is nothing.
var errNoInput = errors.New("standard input is empty")

// rehearse reads the files as a server would and shows what it would say, file by file.
func (c *cli) rehearse(ctx context.Context, f *importFlags, opts *scanfile.Options, files []string) error {
	opts.EnterpriseProject, opts.Category = f.enterprise, parsedCategory(f.category)
	if err := opts.Validate(); err != nil {
		return usageError{err}
	}
	e, err := engine.Open(&engine.Options{ChangesBytes: -1})
	if err != nil {
		return err
	}
	var failed error
	var all outcome
	for _, name := range files {
		var sum *scanfile.Summary
		err := e.Import(engine.All(), func(to *engine.Import) (err error) {
			sum, err = c.loadTo(ctx, rehearsal{to}, []string{name}, opts)
			return err
		})
		if err != nil {
			c.complain(fmt.Sprintf("%s: %v", name, err))
			failed = errors.Join(failed, reportedError{err})
		}
		if sum == nil {
			continue
		}
		answer, errText := json.Marshal(sum)
		if errText != nil {
			return errText
		}
		shown, errText := c.showSummary(f, name, answer)
		if errText != nil {
			return errText
		}
		if all.add(name, shown); ctx.Err() != nil {
			break
		}
	}
	if failed != nil {
		return failed
	}
	return all.err()
}

// rehearsal holds reports against the limits and the clock, as an import does.
type rehearsal struct{ *engine.Import }

func (rehearsal) Apply(ctx context.Context, _ []engine.Report) (engine.Result, error) {
	return engine.Result{}, ctx.Err()
}

// values returns what the HTTP API is told of a file; only what was given goes.
func (f *importFlags) values(name string) url.Values {
	query := url.Values{"category": {f.category.value}, "file": {name}}
	if utf8.RuneCountInString(name) > maxFileName {
		query.Set("file", filepath.Base(name))
	}
	for name, value := range map[string]string{
		"enterprise_project_id": f.enterprise, "format": f.format, "scope": f.scope, "asset": f.asset, "asset_id": f.host,
	} {
		if value != "" {
			query.Set(name, value)
		}
	}
	query["label"] = f.labels.texts()
	for name, set := range map[string]bool{"strict": f.strict, "include_loopback": f.inside} {
		if set {
			query.Set(name, strconv.FormatBool(true))
		}
	}
	return query
}

// maxFileName is the longest name of a file that the HTTP API takes.
const maxFileName = 1024

// importSummary is what the server says of one file.
type importSummary struct {
	Complete  *bool          `json:"complete"` // nil in an answer that is no summary
	Applied   int            `json:"applied"`
	Unchanged int            `json:"unchanged"`
	Stale     int            `json:"stale"`
	Clamped   int            `json:"clamped"`
	Rejected  int            `json:"rejected"`
	Records   int            `json:"records"`
	Open      int            `json:"observations"`
	LeftOut   map[string]int `json:"left_out"`
	Bytes     int64          `json:"bytes"`
	Rate      int64          `json:"bytes_per_second"`
	Errors    []struct {
		Line   int    `json:"line"`
		Reason string `json:"reason"`
		Count  int    `json:"count"`
	} `json:"errors"`
	Files []struct {
		Format     string          `json:"format"`
		Problem    string          `json:"problem"`
		Warnings   []string        `json:"warnings"`
		PassedOver scanfile.Passed `json:"passed_over"`
	} `json:"files"`
}

// showSummary prints an answer if it is a summary, which it returns, else nil.
func (c *cli) showSummary(f *importFlags, name string, answer []byte) (*importSummary, error) {
	sum := new(importSummary)
	if err := json.Unmarshal(answer, sum); err != nil || sum.Complete == nil {
		return nil, nil //nolint:nilnil // an answer that is none is no error
	}
	if f.output.value != asJSON {
		return sum, c.showText(f, name, sum)
	}
	file, err := json.Marshal(name)
	if err != nil {
		return nil, err
	}
	var line bytes.Buffer
	if err := json.Compact(&line, answer); err != nil {
		return nil, err
	}
	_, err = fmt.Fprintf(c.stdout, "{\"file\":%s,%s\n", file, line.Bytes()[1:])
	return sum, err
}

// muchRead is how many bytes must be read for the rate to mean something.
const muchRead = 1 << 20

// describe says in one line what became of a file.
func (f *importFlags) describe(sum *importSummary) string {
	text := fmt.Sprintf("%d applied, %d unchanged, %d stale, %d rejected", sum.Applied, sum.Unchanged, sum.Stale, sum.Rejected)
	if f.dry {
		format := "no format"
		if len(sum.Files) > 0 && sum.Files[0].Format != "" {
			format = sum.Files[0].Format
		}
		text = fmt.Sprintf("%s, %d records, %d open ports, %d rejected", format, sum.Records, sum.Open, sum.Rejected)
	}
	if sum.Bytes >= muchRead && sum.Rate > 0 {
		text += fmt.Sprintf(", %d MB at %d MB/s", sum.Bytes/1e6, sum.Rate/1e6)
	}
	return text
}

// showText prints a summary for people: counts to stdout, the rest to stderr.
func (c *cli) showText(f *importFlags, name string, sum *importSummary) error {
	_, err := fmt.Fprintf(c.stdout, "%s: %s\n", printable(name), f.describe(sum))
	for _, in := range sum.Files {
		if in.Problem != "" {
			file := scanfile.FileSummary{Problem: in.Problem, PassedOver: in.PassedOver}
			c.complain(fmt.Sprintf("warning: %s is incomplete: %s", name, file.Describe()))
		}
		for _, warning := range in.Warnings {
			c.complain(fmt.Sprintf("warning: %s: %s", name, warning))
		}
	}
	if !*sum.Complete && len(sum.Files) == 0 {
		c.complain(fmt.Sprintf("warning: %s is incomplete; what is whole counts", name))
	}
	more := sum.Rejected
	for _, e := range sum.Errors {
		more -= max(e.Count, 1)
		times := ""
		if e.Count > 1 {
			times = fmt.Sprintf(" (%d times)", e.Count)
		}
		c.complain(fmt.Sprintf("warning: %s:%d: rejected: %s%s", name, e.Line, e.Reason, times))
	}
	if more > 0 {
		c.complain(fmt.Sprintf("warning: %s: %d more rejected", name, more))
	}
	for _, reason := range slices.Sorted(maps.Keys(sum.LeftOut)) {
		c.complain(fmt.Sprintf("%s: left out: %d %s", name, sum.LeftOut[reason], reason))
	}
	return err
}
