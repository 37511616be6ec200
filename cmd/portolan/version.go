package main

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"
)

func (c *cli) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version of the program",
		Example: "  portolan version",
		Args:    arguments(0, 0, ""),
		RunE: body(func(context.Context, []string) error {
			_, err := fmt.Fprintln(c.stdout, "portolan", version(debug.ReadBuildInfo()))
			return err
		}),
	}
}

// version describes a build: module version, commit, compiler and platform.
func version(info *debug.BuildInfo, ok bool) string {
	text := "(unknown)"
	if ok && info.Main.Version != "" {
		text = info.Main.Version
	}
	if ok {
		text += commit(info.Settings)
	}
	return fmt.Sprintf("%s %s %s/%s", text, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

// commit returns the revision that was built, if the build recorded it.
func commit(settings []debug.BuildSetting) string {
	var revision, changed string
	for _, s := range settings {
		switch {
		case s.Key == "vcs.revision":
			revision = " " + s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			changed = " with changes"
		}
	}
	return revision + changed
}

// buildInfo is a metric that is always 1 and says which build it comes from.
func buildInfo() prometheus.Collector {
	info, ok := debug.ReadBuildInfo()
	built, revision := "(unknown)", ""
	if ok {
		built, revision = cmp.Or(info.Main.Version, built), strings.Trim(commit(info.Settings), " ()")
	}
	g := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "portolan_build_info", Help: "1, with what was built.",
		ConstLabels: prometheus.Labels{"version": built, "revision": revision, "goversion": runtime.Version()},
	})
	g.Set(1)
	return g
}
