package scanfile

import (
	"bufio"
	"encoding/csv"
	"fmt"
	"io"
	"iter"
	"net/netip"
	"slices"
	"strconv"

	"portolan/engine"
)

// The formats of [Export].
const (
	// ExportNDJSON is Portolan NDJSON, of which the lines of one asset follow each other: see
	// [engine.Exported.AppendReports].
	ExportNDJSON = "ndjson"
	// ExportCSV is a row for each asset and open port, under a line of names. Fields are quoted where
	// RFC 4180 wants that.
	ExportCSV = "csv"
	// ExportList is the addresses of the assets, in order, each once, parted by commas, on one line. It
	// takes 24 bytes of memory for each asset.
	ExportList = "list"
)

// ExportFormats returns the formats of [Export].
func ExportFormats() []string { return []string{ExportNDJSON, ExportCSV, ExportList} }

// ExportColumns returns the names of a CSV's columns.
func ExportColumns() []string {
	return []string{"asset", "name", "address", "enterprise_project_id", "port", "type", "status"}
}

// ExportSummary says what was written.
type ExportSummary struct {
	Assets int // assets that were asked for
	Rows   int // lines of NDJSON, rows of CSV, addresses of a list
	// NoAddress is how many assets are not in a list, as neither their address nor their id is an IP
	// address.
	NoAddress int
}

// flushAt is how many bytes are written at a time.
const flushAt = 64 << 10

// Export writes the assets in a format, some of them at a time, as they come. After an error, its own or
// that of the assets, what was written is not whole.
func Export(w io.Writer, format string, assets iter.Seq2[*engine.Exported, error]) (ExportSummary, error) {
	switch format {
	case ExportNDJSON:
		return exportNDJSON(w, assets)
	case ExportCSV:
		return exportCSV(w, assets)
	case ExportList:
		return exportList(w, assets)
	}
	return ExportSummary{}, &engine.FieldError{Field: "format", Value: format, Allowed: fmt.Sprint(ExportFormats())}
}

func exportNDJSON(w io.Writer, assets iter.Seq2[*engine.Exported, error]) (sum ExportSummary, err error) {
	buf := make([]byte, 0, flushAt+flushAt/4)
	var reports []engine.Report
	for x, err := range assets {
		if err != nil {
			return sum, err
		}
		sum.Assets++
		reports = x.AppendReports(reports[:0])
		for i := range reports {
			buf = AppendNDJSON(buf, &reports[i])
			sum.Rows++
			if len(buf) < flushAt {
				continue
			}
			if _, err := w.Write(buf); err != nil {
				return sum, err
			}
			buf = buf[:0]
		}
	}
	_, err = w.Write(buf)
	return sum, err
}

func exportCSV(w io.Writer, assets iter.Seq2[*engine.Exported, error]) (sum ExportSummary, err error) {
	buffered := bufio.NewWriterSize(w, flushAt)
	out := csv.NewWriter(buffered)
	cells := ExportColumns()
	_ = out.Write(cells) // a csv.Writer keeps its error until Flush
	for x, err := range assets {
		if err != nil {
			return sum, err
		}
		sum.Assets++
		cells[0], cells[1], cells[2], cells[3] = x.ID, x.Name, x.Address, x.EnterpriseProject
		for _, k := range x.Open {
			cells[4], cells[5], cells[6] = strconv.Itoa(int(k.Port())), k.Type().String(), x.Status(k).String()
			if err := out.Write(cells); err != nil {
				return sum, err
			}
			sum.Rows++
		}
	}
	out.Flush()
	if err := out.Error(); err != nil {
		return sum, err
	}
	return sum, buffered.Flush()
}

func exportList(w io.Writer, assets iter.Seq2[*engine.Exported, error]) (sum ExportSummary, err error) {
	var list AddressList
	for x, err := range assets {
		if err != nil {
			return sum, err
		}
		list.Add(x.ID, x.Address)
	}
	return list.Write(w)
}

// AddressList is a list of addresses that grows by assets. The zero value is empty.
type AddressList struct {
	addresses []netip.Addr
	sum       ExportSummary
}

// Add adds an asset: its address, or its id if that is one.
func (l *AddressList) Add(asset, address string) {
	l.sum.Assets++
	a, err := netip.ParseAddr(address)
	if err != nil {
		a, err = netip.ParseAddr(asset)
	}
	if err != nil {
		l.sum.NoAddress++
		return
	}
	l.addresses = append(l.addresses, a.WithZone("").Unmap())
}

// Write writes the list as [ExportList] says, of no address nothing.
func (l *AddressList) Write(w io.Writer) (ExportSummary, error) {
	slices.SortFunc(l.addresses, netip.Addr.Compare)
	l.addresses = slices.Compact(l.addresses)
	l.sum.Rows = len(l.addresses)
	var buf []byte
	for i, a := range l.addresses {
		if i > 0 {
			buf = append(buf, ',')
		}
		if buf = a.AppendTo(buf); len(buf) >= flushAt {
			if _, err := w.Write(buf); err != nil {
				return l.sum, err
			}
			buf = buf[:0]
		}
	}
	if len(l.addresses) > 0 {
		buf = append(buf, '\n')
	}
	_, err := w.Write(buf)
	return l.sum, err
}
