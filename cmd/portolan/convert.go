package main

import (
	"bufio"
	"context"
	"math"

	"github.com/spf13/cobra"

	"portolan/engine"
	"portolan/engine/scanfile"
)

// convertFlags are the flags of the convert command.
type convertFlags struct {
	readFlags
	enterprise string
	category   *choice
	output     *choice
}

func (c *cli) convertCommand() *cobra.Command {
	f := &convertFlags{category: newCategory(engine.Host.String()), output: newOutput(asNDJSON)}
	cmd := &cobra.Command{
		Use:   "convert FILE…",
		Short: "Write files as Portolan NDJSON",
		Long: `Write what files of scanners or agents say as Portolan NDJSON, a report a line, in
the order of the files. A file may be -, standard input. The lines name no project:
they can be imported into any.`,
		Example: `  portolan convert scan.gnmap > scan.ndjson
  ss -tulpn | portolan convert - --asset-id "$(hostname)" | gzip > host.ndjson.gz`,
		Args: arguments(1, math.MaxInt, "the FILE to convert"),
		RunE: body(func(ctx context.Context, args []string) error { return c.convert(ctx, f, args) }),
	}
	f.addHow(cmd)
	cmd.Flags().StringVar(&f.enterprise, "enterprise-project", "", "put assets into the enterprise project of this `ID` where a file does not say")
	f.category.addTo(cmd, "category", "", "take assets as of this category where a file does not say")
	f.output.addTo(cmd, "output", "o", "write in this format")
	return cmd
}

func (c *cli) convert(ctx context.Context, f *convertFlags, files []string) error {
	opts, err := f.options(localProject)
	if err != nil {
		return err
	}
	opts.EnterpriseProject, opts.Category = f.enterprise, parsedCategory(f.category)
	if err := opts.Validate(); err != nil {
		return usageError{err}
	}
	to := &lineSink{w: bufio.NewWriterSize(c.stdout, 64<<10)}
	sum, err := c.loadTo(ctx, to, files, opts)
	if flushed := to.w.Flush(); err == nil {
		err = flushed
	}
	if err != nil {
		return summedError{err, sum}
	}
	c.remark(sum)
	return nil
}

// lineSink writes reports as lines.
type lineSink struct{ w *bufio.Writer }

func (*lineSink) Check(r *engine.Report) error { return r.Validate() }

func (s *lineSink) Apply(ctx context.Context, reports []engine.Report) (engine.Result, error) {
	for i := range reports {
		r := reports[i]
		r.Project = ""
		if _, err := s.w.Write(scanfile.AppendNDJSON(s.w.AvailableBuffer(), &r)); err != nil {
			return engine.Result{}, err
		}
	}
	return engine.Result{}, ctx.Err()
}
