package main

import (
	"io"
	"strconv"
	"strings"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"portolan/engine"
)

// The output formats that rows of ports have besides.
const (
	asList       = "list"
	asPrometheus = "prometheus"
)

// portForms are what writes them. They are of all rows, unless --limit is given.
func (f *portsFlags) portForms() map[string]func(io.Writer, []portRow) error {
	return map[string]func(io.Writer, []portRow) error{asList: f.writeList, asPrometheus: f.writePrometheus}
}

// writeList writes the ports on one line, parted by commas, as --ports reads them. Where they are of one
// type that was asked for, it goes without saying, as firewalls want it.
func (f *portsFlags) writeList(w io.Writer, rows []portRow) error {
	var line []byte
	for _, r := range rows {
		line = strconv.AppendUint(line, uint64(r.Port), 10)
		if f.typ.value == "" {
			line = append(append(line, '/'), strings.ToLower(r.Type)...)
		}
		line = append(line, ',')
	}
	if len(rows) > 0 {
		line[len(line)-1] = '\n'
	}
	_, err := w.Write(line)
	return err
}

// writePrometheus writes the rows in the Prometheus text format, as its node exporter reads files
// (https://prometheus.io/docs/instrumenting/exposition_formats/).
func (f *portsFlags) writePrometheus(w io.Writer, rows []portRow) error {
	name, help, kind := "portolan_open_hosts", "Hosts that have the port open.", dto.MetricType_GAUGE
	if parsedCategory(f.category) == engine.Container {
		name, help = "portolan_open_containers", "Containers that have the port open."
	}
	family := &dto.MetricFamily{Name: &name, Help: &help, Type: &kind}
	label := func(name, value string) *dto.LabelPair { return &dto.LabelPair{Name: &name, Value: &value} }
	for _, r := range rows {
		num := float64(r.Num)
		family.Metric = append(family.Metric, &dto.Metric{
			Label: []*dto.LabelPair{
				label("project", f.server.project), label("port", strconv.Itoa(int(r.Port))), label("type", r.Type), label("status", r.Status),
			},
			Gauge: &dto.Gauge{Value: &num},
		})
	}
	if len(rows) == 0 { // a family without metrics cannot be written
		return nil
	}
	_, err := expfmt.MetricFamilyToText(w, family)
	return err
}
