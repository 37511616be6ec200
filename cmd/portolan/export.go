package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"portolan/engine"
	"portolan/engine/scanfile"
)

// exportFlags are the flags of the export command.
type exportFlags struct {
	filterFlags
	read   readFlags
	server serverFlags
	ports  selector
	where  condition
	typ    *choice
	status *choice
}

func (c *cli) exportCommand() *cobra.Command {
	f := &exportFlags{filterFlags: newFilterFlags(), typ: newType(), status: newStatus()}
	f.output = newOutput(scanfile.ExportFormats()...)
	cmd := &cobra.Command{
		Use:   "export {FILE… | --server URL}",
		Short: "Write all assets with all their open ports",
		Long: `Write all assets that are asked for with the ports that they have open, from files of
scanners or agents or by asking a server, one after the other: the memory is that of
one, however many there are, and all are of one state.

ndjson is Portolan's own format: imported elsewhere, the lines give the same answers,
what was looked at and when among them. With --ports, --type or --status a line tells
of no other ports. csv has a row for each asset and port. list is one line for a
firewall: the addresses of the assets, each once, parted by commas.

SELECTOR and ASSETS are as in portolan ports --help.`,
		Example: `  portolan export --server http://127.0.0.1:8080 | gzip > fleet.ndjson.gz
  portolan export scans/ -o csv --status danger > danger.csv
  portolan export scan.xml -o list --where 'open(23) and not label(owner) = "lab"'`,
		Args: arguments(0, math.MaxInt, ""),
		RunE: body(func(ctx context.Context, args []string) error {
			f.read.files = append(f.read.files, args...)
			return c.export(ctx, f)
		}),
	}
	f.read.addTo(cmd)
	f.server.addTo(cmd)
	under(topicFilter, cmd, func() {
		cmd.Flags().Var(&f.ports, "ports", "only these ports, and assets that have one open")
		cmd.Flags().Var(&f.where, "where", "only these assets")
		f.typ.addTo(cmd, "type", "", "only ports of this type")
		f.status.addTo(cmd, "status", "", "only ports of this status")
		f.category.addTo(cmd, "category", "", "write assets of this category")
	})
	f.addView(cmd)
	under(topicRows, cmd, func() { f.output.addTo(cmd, "output", "o", "write in this format") })
	return cmd
}

func (c *cli) export(ctx context.Context, f *exportFlags) error {
	server, err := fromServer(&f.read, &f.server)
	if err != nil {
		return err
	}
	ask := c.localExport
	if server {
		ask = c.serverExport
	}
	out := &lineCounter{w: c.stdout}
	sum, err := ask(ctx, f, out)
	if err != nil {
		return err
	}
	if head := f.output.value == scanfile.ExportCSV; out.lines == 0 || head && out.lines == 1 {
		c.complain("there is nothing to write: no asset is what is asked for")
	}
	if sum.NoAddress > 0 {
		c.complain(fmt.Sprintf("%d of %d assets are left out: neither their address nor their id is an IP address", sum.NoAddress, sum.Assets))
	}
	return nil
}

// localExport writes what files hold.
func (c *cli) localExport(ctx context.Context, f *exportFlags, out io.Writer) (sum scanfile.ExportSummary, err error) {
	e, err := c.memory(ctx, &f.read)
	if err != nil {
		return sum, err
	}
	s, err := snapshotOf(e, &f.filterFlags)
	if err != nil {
		return sum, err
	}
	q := engine.ExportQuery{
		View: f.view(), Where: f.where.where.Assets(s.Policy(), time.Now()), Type: parsedType(f.typ), Status: parsedStatus(f.status),
	}
	if f.ports.given {
		q.Keys = f.ports.ports.Keys(s.Policy())
	}
	found, err := s.Export(ctx, q)
	if err != nil {
		return sum, err
	}
	return scanfile.Export(out, f.output.value, found.All(ctx))
}

// serverExport writes what a server sends.
func (c *cli) serverExport(ctx context.Context, f *exportFlags, out io.Writer) (sum scanfile.ExportSummary, err error) {
	cl, err := c.client(&f.server)
	if err != nil {
		return sum, err
	}
	defer cl.close()
	format := f.output.value
	if format == scanfile.ExportList { // which the server does not make, as it takes memory
		format = scanfile.ExportNDJSON
	}
	q := f.question("/export", map[string]string{
		"format": format, "ports": f.ports.String(), "where": f.where.String(), "type": f.typ.value, "status": f.status.value,
	})
	res, err := cl.do(ctx, http.MethodGet, "/v1/projects/"+escape(cl.project)+q.path, q.query, nil)
	if err != nil {
		return sum, err
	}
	defer res.Body.Close()
	if f.output.value == scanfile.ExportList {
		return listOf(res.Body, out)
	}
	if _, err = io.Copy(out, res.Body); err != nil {
		err = brokenOff(err)
	}
	return sum, err
}

// listOf writes the addresses of NDJSON as a list.
func listOf(lines io.Reader, out io.Writer) (sum scanfile.ExportSummary, err error) {
	var list scanfile.AddressList
	var line, asset struct{ Asset, Address string }
	for dec := json.NewDecoder(bufio.NewReaderSize(lines, 64<<10)); ; {
		line.Asset, line.Address = "", ""
		err := dec.Decode(&line)
		if err != nil && !errors.Is(err, io.EOF) {
			return sum, brokenOff(err)
		}
		if line.Asset != asset.Asset && asset.Asset != "" { // it was its last line, which has the address
			list.Add(asset.Asset, asset.Address)
		}
		if asset = line; err != nil {
			return list.Write(out)
		}
	}
}

// lineCounter counts the lines that are written.
type lineCounter struct {
	w     io.Writer
	lines int
}

// Write writes, and counts.
func (l *lineCounter) Write(p []byte) (int, error) {
	l.lines += bytes.Count(p, []byte{'\n'})
	return l.w.Write(p)
}

// brokenOff says that an answer is not whole.
func brokenOff(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the server's answer broke off: what was written is not whole")
	}
	return err
}
