package main

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
	"github.com/spf13/pflag"
)

// The topics that flags are listed under, in the order in which help has them.
const (
	topicFilter   = "What to count"
	topicRows     = "Which rows, and how they look"
	topicFiles    = "Files"
	topicServer   = "The server to ask"
	topicListen   = "Addresses and connections"
	topicIdentity = "Callers"
	topicData     = "What is kept"
	topicOther    = "Other flags"
)

var topics = []string{topicFilter, topicRows, topicFiles, topicServer, topicListen, topicIdentity, topicData, topicOther}

// helpWidth is how wide help is at most.
const helpWidth = 100

const topicOfFlag = "topic"

// under has the flags that add adds listed under a topic.
func under(topic string, cmd *cobra.Command, add func()) {
	known := map[string]bool{}
	cmd.Flags().VisitAll(func(f *pflag.Flag) { known[f.Name] = true })
	add()
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if !known[f.Name] && f.Annotations[topicOfFlag] == nil {
			_ = cmd.Flags().SetAnnotation(f.Name, topicOfFlag, []string{topic}) // It fails for a flag that is not there.
		}
	})
}

func init() { cobra.AddTemplateFunc("flagsByTopic", flagsByTopic) }

// helpByTopic lists the flags of every command by topic, in lines that fit.
func helpByTopic(root *cobra.Command) {
	const plain = "{{.LocalFlags.FlagUsages | trimTrailingWhitespaces}}"
	template := strings.Replace(root.UsageTemplate(), "Flags:\n"+plain, "{{flagsByTopic .LocalFlags}}", 1)
	root.SetUsageTemplate(template)
}

// flagsByTopic returns the usage of flags. Of one topic they are listed without its name.
func flagsByTopic(flags *pflag.FlagSet) string {
	sets := map[string]*pflag.FlagSet{}
	flags.VisitAll(func(f *pflag.Flag) {
		topic := topicOther
		if given := f.Annotations[topicOfFlag]; len(given) > 0 {
			topic = given[0]
		}
		if sets[topic] == nil {
			sets[topic] = pflag.NewFlagSet(topic, pflag.ContinueOnError)
		}
		sets[topic].AddFlag(f)
	})
	var b strings.Builder
	for _, topic := range topics {
		if set := sets[topic]; set != nil {
			heading := topic
			if len(sets) == 1 {
				heading = "Flags"
			}
			fmt.Fprintf(&b, "%s:\n%s\n", heading, strings.TrimRight(set.FlagUsagesWrapped(helpWidth), "\n"))
			b.WriteString("\n")
		}
	}
	return strings.TrimRight(b.String(), "\n")
}

// manCommand writes the manual.
func (c *cli) manCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "man DIRECTORY",
		Short: "Write manual pages",
		Long: `Write a manual page for every command into a directory that is there. The date in
them is that of SOURCE_DATE_EPOCH, else today.`,
		Example: "  portolan man /usr/local/share/man/man1",
		Args:    arguments(1, 1, "the directory to write to"),
		RunE: func(cmd *cobra.Command, args []string) error {
			at := time.Now()
			if text := c.getenv("SOURCE_DATE_EPOCH"); text != "" {
				seconds, err := strconv.ParseInt(text, 10, 64)
				if err != nil {
					return misuse("SOURCE_DATE_EPOCH is %q: want Unix seconds", text)
				}
				at = time.Unix(seconds, 0)
			}
			at = at.UTC()
			if info, err := os.Stat(args[0]); err != nil {
				return failure{err}
			} else if !info.IsDir() {
				return misuse("%s is no directory", args[0])
			}
			header := &doc.GenManHeader{Title: "PORTOLAN", Section: "1", Date: &at, Source: cmd.Root().Version, Manual: "Portolan"}
			if err := doc.GenManTree(cmd.Root(), header, args[0]); err != nil {
				return failure{err}
			}
			return nil
		},
	}
}

// warnOfMisspelt tells of variables that nobody reads but whose names are nearly those of some that
// are read.
func (c *cli) warnOfMisspelt(root *cobra.Command) {
	if c.environ == nil {
		return
	}
	known := map[string]bool{"PORTOLAN_FULL": true, "PORTOLAN_LONG": true, "PORTOLAN_REQUIRE_ALL": true}
	var visit func(*cobra.Command)
	visit = func(cmd *cobra.Command) {
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			known[envName(f.Name)] = true
			if strings.HasPrefix(f.Value.String(), envPrefix) { // the name of a variable
				known[f.Value.String()] = true
			}
		})
		for _, sub := range cmd.Commands() {
			visit(sub)
		}
	}
	visit(root)
	for _, one := range c.environ() {
		name, _, _ := strings.Cut(one, "=")
		if strings.HasPrefix(name, "PORTOLAN") && !known[name] {
			if near := nearestOf(known, name); near != "" {
				c.complain("warning: nothing reads the variable " + name + ": is it " + near + "?")
			}
		}
	}
}

// nearestOf returns the known name that is at most two letters off, if there is one.
func nearestOf(known map[string]bool, name string) (near string) {
	least := 3
	for one := range known {
		if d := editDistance(one, name); d < least || d == least && one < near {
			least, near = d, one
		}
	}
	if least > 2 {
		return ""
	}
	return near
}

// editDistance is how many letters are to be put in, taken out or changed (Levenshtein).
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := before
			if a[i] != b[j] {
				change++
			}
			before = row[j+1]
			row[j+1] = slices.Min([]int{row[j] + 1, row[j+1] + 1, change})
		}
	}
	return row[len(b)]
}
