package alert

import (
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"portolan/engine/internal/yamlfile"
)

// Silence is when changes are not told, for good: once, or at a time of day.
type Silence struct {
	Name  string
	Rules []string // nil: all

	from, until time.Time // once; zero: daily
	days        [7]bool   // on which it begins
	begin, end  int       // minutes of the day; it may end on the next one
	zone        *time.Location
}

var dayNames = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

func (f *File) readSilence(node *yaml.Node) (_ *Silence, name string, err error) {
	fields, texts, err := yamlfile.Texts(node, []string{"name", "from", "until", "zone"}, "name", "rules", "days", "from", "until", "zone")
	s := &Silence{Name: texts["name"], zone: time.UTC}
	if err != nil {
		return s, s.Name, err
	}
	for _, field := range []string{"from", "until"} {
		if fields[field] == nil {
			return s, s.Name, yamlfile.Errorf(node, "%s is missing", field)
		}
	}
	s.Rules, err = known(fields["rules"], "rules", "rules", func(name string) bool {
		return slices.ContainsFunc(f.Rules, func(r *Rule) bool { return r.Name == name })
	})
	if err == nil {
		err = s.read(fields, texts)
	}
	return s, s.Name, err
}

func (s *Silence) read(fields map[string]*yaml.Node, texts map[string]string) (err error) {
	if strings.Contains(texts["from"], "T") {
		return s.readOnce(fields, texts)
	}
	if s.begin, err = minuteOf(fields["from"], "from", texts["from"]); err != nil {
		return err
	}
	if s.end, err = minuteOf(fields["until"], "until", texts["until"]); err != nil {
		return err
	}
	if s.begin == s.end {
		return yamlfile.Errorf(fields["until"], "until: %q is not allowed: want another time than from", texts["until"])
	}
	if fields["zone"] != nil {
		if s.zone, err = time.LoadLocation(texts["zone"]); err != nil {
			return yamlfile.Errorf(fields["zone"], "zone: %q is not allowed: want UTC or a name such as Europe/Berlin, which this machine knows: %w", texts["zone"], err)
		}
	}
	names, err := yamlfile.Names(fields["days"], "days", "days")
	for _, name := range names {
		day := slices.Index(dayNames, strings.ToLower(name))
		if day < 0 {
			return yamlfile.Errorf(fields["days"], "days: %q is not allowed: want %s", name, strings.Join(dayNames, ", "))
		}
		s.days[day] = true
	}
	if names == nil {
		s.days = [7]bool{true, true, true, true, true, true, true}
	}
	return err
}

// readOnce reads one that is once.
func (s *Silence) readOnce(fields map[string]*yaml.Node, texts map[string]string) (err error) {
	for _, field := range []string{"days", "zone"} {
		if fields[field] != nil {
			return yamlfile.Errorf(fields[field], "%s: is not allowed beside a from with a date", field)
		}
	}
	for field, at := range map[string]*time.Time{"from": &s.from, "until": &s.until} {
		if *at, err = time.Parse(time.RFC3339Nano, texts[field]); err != nil {
			return yamlfile.Errorf(fields[field], "%s: %q is not allowed: want a time such as 2026-03-01T22:00:00Z, or both as 22:00", field, texts[field])
		}
	}
	if !s.from.Before(s.until) {
		return yamlfile.Errorf(fields["until"], "until: %q is not allowed: want a time after from", texts["until"])
	}
	return nil
}

// minuteOf returns the minute of a day.
func minuteOf(node *yaml.Node, field, text string) (int, error) {
	t, err := time.Parse("15:04", text)
	if err != nil {
		return 0, yamlfile.Errorf(node, "%s: %q is not allowed: want a time of day such as 22:00, or both as 2026-03-01T22:00:00Z", field, text)
	}
	return t.Hour()*60 + t.Minute(), nil
}

// has says whether a rule is silent at a time.
func (s *Silence) has(rule string, t time.Time) bool {
	if s.Rules != nil && !slices.Contains(s.Rules, rule) {
		return false
	}
	if !s.from.IsZero() {
		return !t.Before(s.from) && t.Before(s.until)
	}
	t = t.In(s.zone)
	minute, today := t.Hour()*60+t.Minute(), t.Weekday()
	if s.begin < s.end {
		return s.days[today] && minute >= s.begin && minute < s.end
	}
	return s.days[today] && minute >= s.begin || s.days[(today+6)%7] && minute < s.end
}
