package main

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"portolan/engine"
	"portolan/engine/expr"
	"portolan/engine/scanfile"
	"portolan/index"
)

const envPrefix = "PORTOLAN_"

// envName returns the environment variable that stands for a flag.
func envName(flag string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// describeEnv names the variables of a command's flags in its help.
func describeEnv(cmd *cobra.Command) {
	cmd.Flags().VisitAll(func(f *pflag.Flag) { f.Usage += " [" + envName(f.Name) + "]" })
}

// rivals are flags that exclude each other. One on the command line makes the variables of its
// rivals silent, so that a variable never makes a command line wrong.
var rivals = map[string][]string{
	"import": {"server"}, "server": {"import", "policy"}, "policy": {"server"},
	"top": {"sort", "desc", "limit"}, "sort": {"top"}, "desc": {"top"}, "limit": {"top"},
}

// filesBehind is how many arguments of a command come before those that are files.
const filesBehind = "files behind"

// applyEnv sets the flags that the command line left out from the environment.
func applyEnv(cmd *cobra.Command, args []string, getenv func(string) string) error {
	others, _ := strconv.Atoi(cmd.Annotations[filesBehind])
	given := map[string]bool{"import": len(args) > others && cmd.Flags().Lookup("import") != nil} // arguments are files, too
	cmd.Flags().Visit(func(f *pflag.Flag) { given[f.Name] = true })
	var first error
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		value := getenv(envName(f.Name))
		if first == nil && value != "" && !given[f.Name] && !slices.ContainsFunc(rivals[f.Name], func(other string) bool { return given[other] }) && !strange(f.Name, value) {
			first = setFromEnv(cmd.Flags(), f, value)
		}
	})
	return first
}

// strange says whether the variable is not meant for the flag: nobody asks for
// help that way, and Kubernetes sets PORTOLAN_PORT to the address of a service
// called portolan.
func strange(flag, value string) bool {
	return flag == "help" || flag == "port" && strings.HasPrefix(value, "tcp://")
}

func setFromEnv(flags *pflag.FlagSet, f *pflag.Flag, value string) error {
	values := []string{value}
	if f.Value.Type() == "stringArray" { // File names, which may hold commas.
		values = filepath.SplitList(value)
	}
	for _, v := range values {
		if err := flags.Set(f.Name, v); err != nil {
			return misuse("%s: %w", envName(f.Name), err)
		}
	}
	return nil
}

// arguments says which arguments a command takes: at least low and at
// most high of what.
func arguments(low, high int, what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		switch {
		case len(args) < low:
			return misuse("%s is missing", what)
		case len(args) > high:
			return misuse("unexpected argument %q", args[high])
		}
		return nil
	}
}

// choice is the value of a flag that takes one of a few words in any letter case.
type choice struct {
	value string
	words []string
	also  map[string]string // further spellings and the words they stand for
}

func (c *choice) String() string { return c.value }

func (c *choice) Type() string { return strings.Join(c.words, "|") }

func (c *choice) Set(text string) error {
	if word, ok := c.also[strings.ToLower(text)]; ok {
		text = word
	}
	i := slices.IndexFunc(c.words, func(w string) bool { return strings.EqualFold(w, text) })
	if i < 0 {
		return fmt.Errorf("want one of %s", strings.Join(c.words, ", "))
	}
	c.value = c.words[i]
	return nil
}

// addTo adds the choice as a flag that the shell can complete.
func (c *choice) addTo(cmd *cobra.Command, name, short, usage string) {
	cmd.Flags().VarP(c, name, short, usage)
	_ = cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(c.words, cobra.ShellCompDirectiveNoFileComp)) // It fails for a flag that is not there.
}

// newType returns a choice of port types.
func newType() *choice {
	c := new(choice)
	for _, t := range index.Types() {
		c.words = append(c.words, t.String())
	}
	return c
}

// newStatus returns a choice of statuses.
func newStatus() *choice {
	return &choice{
		words: []string{engine.Danger.String(), engine.Normal.String(), engine.Unknown.String()},
		also:  map[string]string{"unknow": engine.Unknown.String()}, // As the published API spells it.
	}
}

// newCategory returns a choice of categories that starts with the given value.
func newCategory(value string) *choice {
	return &choice{value: value, words: []string{engine.Host.String(), engine.Container.String()}}
}

// newOutput returns a choice of output formats; the first is the default.
func newOutput(words ...string) *choice { return &choice{value: words[0], words: words} }

// number is the value of a flag that takes a whole number within bounds.
type number struct {
	value    int64
	min, max int64 // Without a maximum, max is 0.
	what     string
}

func (n *number) String() string { return strconv.FormatInt(n.value, 10) }

func (n *number) Type() string { return n.what }

func (n *number) Set(text string) error {
	v, err := strconv.ParseInt(text, 10, 64)
	switch {
	case n.max != 0 && (err != nil || v < n.min || v > n.max):
		return fmt.Errorf("want a number from %d to %d", n.min, n.max)
	case err != nil || v < n.min:
		return fmt.Errorf("want a number from %d", n.min)
	}
	n.value = v
	return nil
}

// span is the value of a flag that takes a time such as 1m30s, from 0 on.
type span struct {
	value, max time.Duration // Without a maximum, max is 0.
}

func (s *span) String() string {
	if s.value == 0 {
		return "0"
	}
	return s.value.String()
}

func (s *span) Type() string { return "TIME" }

func (s *span) Set(text string) error {
	v, err := time.ParseDuration(text)
	switch {
	case s.max != 0 && (err != nil || v < 0 || v > s.max):
		return fmt.Errorf("want a time from 0s to %v, such as 1s", s.max)
	case err != nil || v < 0:
		return errors.New("want a time from 0s on, such as 720h")
	}
	s.value = v
	return nil
}

// digits is the value of a flag that takes a part of a port number.
type digits struct{ text string }

func (d *digits) String() string { return d.text }

func (d *digits) Type() string { return "DIGITS" }

func (d *digits) Set(text string) error {
	if _, ok := index.ParseDigits(text); !ok {
		return errors.New("want one to five digits such as 80")
	}
	d.text = text
	return nil
}

// directory is the value of a flag that takes the path of a directory. An empty one would
// quietly be none at all.
type directory struct{ path string }

func (d *directory) String() string { return d.path }

func (d *directory) Type() string { return "DIRECTORY" }

func (d *directory) Set(text string) error {
	if text == "" {
		return errors.New("want the path of a directory")
	}
	d.path = text
	return nil
}

// selector is the value of a flag that takes a selector of ports.
type selector struct {
	ports expr.Ports
	given bool
}

func (s *selector) String() string { return s.ports.String() }

func (s *selector) Type() string { return "SELECTOR" }

func (s *selector) Set(text string) (err error) {
	s.ports, err = expr.ParsePorts("ports", text)
	s.given = true
	return err
}

// optionalSelector is a selector of ports, or none where it is empty.
type optionalSelector struct{ text string }

func (s *optionalSelector) String() string { return s.text }

func (s *optionalSelector) Type() string { return "SELECTOR" }

func (s *optionalSelector) Set(text string) error {
	s.text = text
	if text == "" {
		return nil
	}
	_, err := expr.ParsePorts("ports", text)
	return err
}

// condition is the value of a flag that takes a set of assets.
type condition struct {
	where expr.Where
	given bool
}

func (c *condition) String() string { return c.where.String() }

func (c *condition) Type() string { return "ASSETS" }

func (c *condition) Set(text string) (err error) {
	c.where, err = expr.ParseWhere("where", text)
	c.given = true
	return err
}

// newPort returns a port number, 0 until it is given.
func newPort() *number { return &number{min: 1, max: index.MaxPort, what: "number"} }

// newCount returns a number from 0 up.
func newCount(value int64) *number { return &number{value: value, what: "number"} }

// networks is the value of a flag that takes networks, parted by commas.
type networks struct{ list []netip.Prefix }

func (n *networks) String() string {
	texts := make([]string, len(n.list))
	for i, network := range n.list {
		texts[i] = network.String()
	}
	return strings.Join(texts, ",")
}

func (n *networks) Type() string { return "NETWORKS" }

func (n *networks) Set(text string) error {
	for one := range strings.SplitSeq(text, ",") {
		one = strings.TrimSpace(one)
		network, err := netip.ParsePrefix(one)
		if addr, errAddr := netip.ParseAddr(one); errAddr == nil {
			network, err = netip.PrefixFrom(addr.WithZone(""), addr.BitLen()), nil
		}
		if err != nil {
			return fmt.Errorf("%q: want networks or addresses, such as 10.0.0.0/8,fd00::/8", one)
		}
		n.list = append(n.list, network.Masked())
	}
	return nil
}

// labelFlag is the value of a flag that takes labels, repeated.
type labelFlag struct{ labels map[string]string }

func (l *labelFlag) String() string { return strings.Join(l.texts(), ",") }

// texts returns the labels as they were given, by name.
func (l *labelFlag) texts() []string {
	texts := make([]string, 0, len(l.labels))
	for _, name := range slices.Sorted(maps.Keys(l.labels)) {
		texts = append(texts, name+"="+l.labels[name])
	}
	return texts
}

func (l *labelFlag) Type() string { return "NAME=VALUE" }

func (l *labelFlag) Set(text string) error {
	labels, err := scanfile.AddLabel(l.labels, text)
	if err == nil {
		l.labels = labels
	}
	return err
}

// names is the value of a flag that takes names, repeated or parted by commas.
type names struct{ list []string }

func (n *names) String() string { return strings.Join(n.list, ",") }

func (n *names) Type() string { return "ID[,ID]" }

func (n *names) Set(text string) error {
	for name := range strings.SplitSeq(text, ",") {
		if name = strings.TrimSpace(name); name == "" {
			return errors.New("want IDs parted by commas; leave the flag out for all")
		}
		n.list = append(n.list, name)
	}
	return nil
}
