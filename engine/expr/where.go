package expr

import (
	"bytes"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/alecthomas/participle/v2"
	"github.com/alecthomas/participle/v2/lexer"

	"portolan/engine"
)

// The grammar of a set of assets.
type (
	whereAny struct {
		Parts []*whereAll `parser:"@@ ( 'or' @@ )*"`
	}
	whereAll struct {
		Parts []*whereOne `parser:"@@ ( 'and' @@ )*"`
	}
	whereOne struct {
		Pos        lexer.Position
		Not        *whereOne     `parser:"  'not' @@"`
		Any        *whereAny     `parser:"| '(' @@ ')'"`
		Open       *portSelector `parser:"| 'open' '(' @@ ')'"`
		Only       *portSelector `parser:"| 'only' '(' @@ ')'"`
		Looked     *portSelector `parser:"| 'looked' '(' @@ ')'"`
		Unexpected *portSelector `parser:"| 'unexpected' '(' @@ ')'"`
		Missing    *portSelector `parser:"| 'missing' '(' @@ ')'"`
		Field      *whereField   `parser:"| @@"`
	}
	whereField struct {
		Label *value   `parser:"( 'label' '(' @@ ')'"`
		Name  *token   `parser:"| @@ )"`
		In    []*value `parser:"( 'in' ( '(' @@ ( ',' @@ )* ')' | @@ )"`
		Op    *op      `parser:"| @@"`
		To    *value   `parser:"  @@ )"`
	}
	op struct {
		Pos  lexer.Position
		Text string `parser:"@( '=' | '!=' | '<' | '<=' | '>' | '>=' | '~' | '!~' )"`
	}
	// value is a word, a network, or a text in quotes.
	value struct {
		Pos   lexer.Position
		Text  string `parser:"( @(Word | Text)"`
		Slash string `parser:"  ( '/' @Word )? )"`
	}
)

var whereGrammar = participle.MustBuild[whereAny](participle.Lexer(tokens), participle.CaseInsensitive(tokenWord))

// What may stand where in a set of assets.
const (
	wantCondition = "open(PORTS), only(PORTS), looked(PORTS), unexpected(PORTS), missing(PORTS), ports, address, name, id, ep, label(NAME), seen, status, not or ("
	wantOperator  = "=, !=, <, <=, >, >=, ~, !~ or in"
	wantValue     = `a word, or a text in quotes`
	wantLabel     = `the name of a label`
	wantBehind    = `"and", "or" or the end`
	// maxTerms bounds what a question costs, and what is kept of it: 48 KB for the ports of one.
	maxTerms = 64
)

func whereFollows(before []string) string {
	n := len(before)
	if n >= 4 && before[n-1] == ")" && before[n-3] == "(" && strings.EqualFold(before[n-4], "label") {
		return wantOperator
	}
	if n >= 2 && before[n-1] == "(" {
		switch strings.ToLower(before[n-2]) {
		case "open", "only", "looked", "unexpected", "missing":
			return wantItem
		case "label":
			return wantLabel
		}
	}
	switch strings.ToLower(last(before)) {
	case "", "(", "and", "or", "not":
		return wantCondition
	case "=", "!=", "<", "<=", ">", ">=", "~", "!~", "in":
		return wantValue
	case "open", "only", "looked", "unexpected", "missing":
		return `"(" and ports`
	case "label":
		return `"(" and ` + wantLabel
	case ")":
		return `"and", "or", ")" or the end`
	case "ports", "address", "name", "id", "ep", "seen", "status":
		return wantOperator
	case ",", "/", "!":
		return "what is in a list"
	}
	return `an operator, ",", ")", "and", "or" or the end`
}

// Where is a set of assets, which may depend on the policy and on the time. The zero value is all.
type Where struct {
	text   string
	tree   *whereAny
	terms  int
	timely bool
}

// ParseWhere reads a set of assets, whose text is that of a field, for errors. The error is an
// [*Error].
func ParseWhere(field, text string) (Where, error) {
	tree, err := parse(whereGrammar, field, text, whereFollows)
	if err != nil {
		return Where{}, err
	}
	w := Where{text: text, tree: tree}
	// What is wrong with a value depends neither on the policy nor on the time.
	c := compiler{policy: engine.DefaultPolicy(), now: time.Unix(0, 0)}
	if _, wrong := c.any(tree); wrong != nil {
		wrong.Field, wrong.Text = field, text
		return Where{}, wrong
	}
	w.terms, w.timely = c.terms, c.timely
	return w, nil
}

// String returns the text that the set was read from.
func (w Where) String() string { return w.text }

// Terms is how many conditions the set is made of, brackets and not counted.
func (w Where) Terms() int { return w.terms }

// Timely says whether the set depends on the time.
func (w Where) Timely() bool { return w.timely }

// Assets returns the set under a policy at a time, a new one each time: a caller that asks often
// keeps it. Of the zero Where it is nil, which is no restriction.
func (w Where) Assets(policy *engine.Policy, now time.Time) *engine.HostSet {
	if w.tree == nil {
		return nil
	}
	c := compiler{policy: policy, now: now}
	set, wrong := c.any(w.tree)
	if wrong != nil {
		panic("expr: " + wrong.Error()) // it was parsed
	}
	return set
}

// compiler makes a set of its text.
type compiler struct {
	policy *engine.Policy
	now    time.Time
	terms  int
	timely bool // the time was looked at
}

func (c *compiler) any(w *whereAny) (*engine.HostSet, *Error) {
	return joined(w.Parts, c.all, engine.AnyOf)
}

func (c *compiler) all(w *whereAll) (*engine.HostSet, *Error) {
	return joined(w.Parts, c.one, engine.AllOf)
}

// joined returns the sets of parts as one.
func joined[P any](parts []P, setOf func(P) (*engine.HostSet, *Error), join func(...*engine.HostSet) *engine.HostSet) (*engine.HostSet, *Error) {
	sets := make([]*engine.HostSet, len(parts))
	for i, part := range parts {
		var wrong *Error
		if sets[i], wrong = setOf(part); wrong != nil {
			return nil, wrong
		}
	}
	if len(sets) == 1 {
		return sets[0], nil
	}
	return join(sets...), nil
}

func (c *compiler) one(w *whereOne) (*engine.HostSet, *Error) {
	if c.terms++; c.terms > maxTerms {
		return nil, &Error{At: w.Pos.Offset, Found: "one more", Want: "at most " + strconv.Itoa(maxTerms) + " conditions, each in brackets and each not counted"}
	}
	switch {
	case w.Not != nil:
		set, wrong := c.one(w.Not)
		if wrong != nil {
			return nil, wrong
		}
		return engine.NoneOf(set), nil
	case w.Any != nil:
		return c.any(w.Any)
	case w.Open != nil:
		return c.keys(w.Open, engine.HasOpen)
	case w.Only != nil:
		return c.keys(w.Only, engine.HasOnly)
	case w.Looked != nil:
		return c.keys(w.Looked, engine.LookedAt)
	case w.Unexpected != nil:
		return c.keys(w.Unexpected, c.policy.Unexpected)
	case w.Missing != nil:
		return c.keys(w.Missing, c.policy.Missing)
	}
	return c.field(w.Field)
}

// keys returns the set of a condition on ports.
func (c *compiler) keys(s *portSelector, set func(*engine.KeySet) *engine.HostSet) (*engine.HostSet, *Error) {
	ports, wrong := s.lists()
	if wrong != nil {
		return nil, wrong
	}
	return set(ports.Keys(c.policy)), nil
}

// field returns the set of a condition on a field.
func (c *compiler) field(f *whereField) (*engine.HostSet, *Error) {
	fields := map[string]func(*whereField, []*value) (*engine.HostSet, *Error){
		"ports": c.ports, "address": c.address, "name": c.name, "id": c.id, "ep": c.ep, "seen": c.seen, "status": c.status,
	}
	known := c.label
	if f.Label == nil {
		if known = fields[strings.ToLower(f.Name.Text)]; known == nil {
			return nil, f.Name.wrong(wantCondition)
		}
	}
	values := f.In
	if f.Op != nil {
		values = []*value{f.To}
	}
	set, wrong := known(f, values)
	if wrong != nil {
		return nil, wrong
	}
	if f.Op != nil && (f.Op.Text == "!=" || f.Op.Text == "!~") {
		set = engine.NoneOf(set)
	}
	return set, nil
}

// allows refuses operators that a field does not have.
func (f *whereField) allows(ops ...string) *Error {
	if f.Op == nil {
		if slices.Contains(ops, "in") {
			return nil
		}
		return &Error{At: f.In[0].Pos.Offset, Found: f.In[0].Text, Want: strings.Join(ops, ", ") + " behind " + f.called()}
	}
	if !slices.Contains(ops, f.Op.Text) {
		return &Error{At: f.Op.Pos.Offset, Found: f.Op.Text, Want: strings.Join(ops, ", ") + " behind " + f.called()}
	}
	return nil
}

// called is what stands before the operator.
func (f *whereField) called() string {
	if f.Label != nil {
		return "label(" + f.Label.Text + ")"
	}
	return f.Name.Text
}

// text returns a value that is no network, without its quotes.
func (v *value) text() (string, *Error) {
	if v.Slash != "" {
		return "", v.wrong(wantValue)
	}
	if quote := v.Text[0]; quote != '"' && quote != '\'' {
		return v.Text, nil
	}
	var b strings.Builder
	for inner := v.Text[1 : len(v.Text)-1]; inner != ""; inner = inner[1:] {
		if inner[0] == '\\' {
			inner = inner[1:]
		}
		b.WriteByte(inner[0])
	}
	return b.String(), nil
}

func (v *value) wrong(want string) *Error {
	found := v.Text
	if v.Slash != "" {
		found += "/" + v.Slash
	}
	return &Error{At: v.Pos.Offset, Found: found, Want: want}
}

func textsOf(values []*value) (texts []string, wrong *Error) {
	for _, v := range values {
		text, wrong := v.text()
		if wrong != nil {
			return nil, wrong
		}
		texts = append(texts, text)
	}
	return texts, nil
}

// ports is a condition on how many keys are open.
func (c *compiler) ports(f *whereField, values []*value) (*engine.HostSet, *Error) {
	if wrong := f.allows("=", "!=", "<", "<=", ">", ">=", "in"); wrong != nil {
		return nil, wrong
	}
	var numbers []int
	for _, v := range values {
		n, err := strconv.Atoi(v.Text)
		if err != nil || n < 0 || v.Slash != "" {
			return nil, v.wrong("a number of open ports")
		}
		numbers = append(numbers, n)
	}
	return engine.HasOpenCount(func(n int) bool {
		return slices.ContainsFunc(numbers, func(than int) bool { return f.compares(n, than) })
	}), nil
}

// compares holds a number against another by the operator, of which != is that of =.
func (f *whereField) compares(n, than int) bool {
	if f.Op == nil {
		return n == than
	}
	switch f.Op.Text {
	case "<":
		return n < than
	case "<=":
		return n <= than
	case ">":
		return n > than
	case ">=":
		return n >= than
	}
	return n == than
}

// address is a condition on the address: by network, or by the pattern of its text.
func (c *compiler) address(f *whereField, values []*value) (*engine.HostSet, *Error) {
	if wrong := f.allows("=", "!=", "~", "!~", "in"); wrong != nil {
		return nil, wrong
	}
	if f.Op != nil && strings.HasSuffix(f.Op.Text, "~") {
		like, wrong := patternOf(values[0])
		if wrong != nil {
			return nil, wrong
		}
		return engine.HasAddress(like.matches), nil
	}
	var networks []netip.Prefix
	for _, v := range values {
		network, err := netip.ParsePrefix(v.Text + "/" + v.Slash)
		if v.Slash == "" {
			var address netip.Addr
			if address, err = netip.ParseAddr(v.Text); err == nil {
				network = netip.PrefixFrom(address.WithZone(""), address.BitLen())
			}
		}
		if err != nil {
			return nil, v.wrong("an address or a network such as 10.0.0.0/8 or fd00::/8")
		}
		networks = append(networks, network.Masked())
	}
	return engine.HasAddressIn(networks...), nil
}

// name is a condition on the name: the whole of it, or a pattern in any letter case.
func (c *compiler) name(f *whereField, values []*value) (*engine.HostSet, *Error) {
	if wrong := f.allows("=", "!=", "~", "!~", "in"); wrong != nil {
		return nil, wrong
	}
	if f.Op != nil && strings.HasSuffix(f.Op.Text, "~") {
		like, wrong := patternOf(values[0])
		if wrong != nil {
			return nil, wrong
		}
		return engine.HasName(like.matches), nil
	}
	names, wrong := textsOf(values)
	if wrong != nil {
		return nil, wrong
	}
	return engine.HasName(func(name []byte) bool {
		return slices.ContainsFunc(names, func(one string) bool { return one == string(name) })
	}), nil
}

// label is a condition on the value of a label, empty where there is none: the whole of it, or a
// pattern in any letter case.
func (c *compiler) label(f *whereField, values []*value) (*engine.HostSet, *Error) {
	if wrong := f.allows("=", "!=", "~", "!~", "in"); wrong != nil {
		return nil, wrong
	}
	name := f.Label.Text + "/" + f.Label.Slash // as in app.kubernetes.io/name
	if f.Label.Slash == "" {
		var wrong *Error
		if name, wrong = f.Label.text(); wrong != nil {
			return nil, wrong
		}
	}
	if err := engine.CheckLabelName(name); err != nil {
		return nil, f.Label.wrong(wantLabel + ", of at most " + strconv.Itoa(engine.MaxLabelNameLen) + " characters, without =")
	}
	if f.Op != nil && strings.HasSuffix(f.Op.Text, "~") {
		like, wrong := patternOf(values[0])
		if wrong != nil {
			return nil, wrong
		}
		return engine.HasLabel(name, func(value string) bool { return like.matches([]byte(value)) }), nil
	}
	texts, wrong := textsOf(values)
	if wrong != nil {
		return nil, wrong
	}
	return engine.HasLabel(name, func(value string) bool { return slices.Contains(texts, value) }), nil
}

func (c *compiler) id(f *whereField, values []*value) (*engine.HostSet, *Error) {
	if wrong := f.allows("=", "!=", "in"); wrong != nil {
		return nil, wrong
	}
	ids, wrong := textsOf(values)
	if wrong != nil {
		return nil, wrong
	}
	return engine.HasID(ids...), nil
}

func (c *compiler) ep(f *whereField, values []*value) (*engine.HostSet, *Error) {
	if wrong := f.allows("=", "!=", "in"); wrong != nil {
		return nil, wrong
	}
	names, wrong := textsOf(values)
	if wrong != nil {
		return nil, wrong
	}
	return engine.InEnterpriseProject(names...), nil
}

// seen is a condition on the age of the newest report.
func (c *compiler) seen(f *whereField, values []*value) (*engine.HostSet, *Error) {
	if wrong := f.allows("<", "<=", ">", ">="); wrong != nil {
		return nil, wrong
	}
	age, ok := ageOf(values[0])
	if !ok {
		return nil, values[0].wrong("an age such as 30m, 12h, 7d or 4w")
	}
	c.timely = true
	since := c.now.Add(-age)
	switch f.Op.Text {
	case "<": // younger: newer than the time
		return engine.SeenSince(since.Add(time.Microsecond)), nil
	case "<=":
		return engine.SeenSince(since), nil
	case ">":
		return engine.NoneOf(engine.SeenSince(since)), nil
	}
	return engine.NoneOf(engine.SeenSince(since.Add(time.Microsecond))), nil
}

// maxAge is more than any report is old.
const maxAge = 100 * 365 * 24 * time.Hour

// ageOf reads an age with days and weeks besides what [time.ParseDuration] knows.
func ageOf(v *value) (age time.Duration, ok bool) {
	if v.Slash != "" {
		return 0, false
	}
	return parseAge(v.Text)
}

// ParseTime returns the time of a text: one as RFC 3339 has them, or an age such as 30m, 12h, 7d or 4w. The error
// is an [engine.FieldError] that names the field.
func ParseTime(field, text string, now time.Time) (time.Time, error) {
	if age, ok := parseAge(text); ok {
		return now.Add(-age), nil
	}
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil || at.Year() < 1970 || at.Year() > 9999 {
		return time.Time{}, &engine.FieldError{Field: field, Value: text, Allowed: "a time such as 2026-03-01T12:00:00Z, or an age such as 30m, 12h, 7d or 4w"}
	}
	return at, nil
}

// ParseSpan returns the length of time of a text such as 15m, 12h, 7d or 4w. The error is an [engine.FieldError]
// that names the field.
func ParseSpan(field, text string) (time.Duration, error) {
	span, ok := parseAge(text)
	if !ok {
		return 0, &engine.FieldError{Field: field, Value: text, Allowed: "a time such as 15m, 12h, 7d or 4w"}
	}
	return span, nil
}

// parseAge is ageOf of a text.
func parseAge(text string) (age time.Duration, ok bool) {
	for unit, length := range map[string]time.Duration{"d": 24 * time.Hour, "w": 7 * 24 * time.Hour} {
		if number, is := strings.CutSuffix(text, unit); is {
			n, err := strconv.Atoi(number)
			return time.Duration(n) * length, err == nil && n >= 0 && n <= int(maxAge/length)
		}
	}
	age, err := time.ParseDuration(text)
	return age, err == nil && age >= 0 && age <= maxAge
}

// status is the assets that have a port of the status open.
func (c *compiler) status(f *whereField, values []*value) (*engine.HostSet, *Error) {
	if wrong := f.allows("=", "!=", "in"); wrong != nil {
		return nil, wrong
	}
	var sets []*engine.HostSet
	for _, v := range values {
		status, err := engine.ParseStatus(v.Text)
		if err != nil || v.Slash != "" {
			return nil, v.wrong(wantStatus)
		}
		sets = append(sets, c.policy.Assets(status))
	}
	return engine.AnyOf(sets...), nil
}

// pattern is a text in lower case in which * stands for any characters and ? for one.
type pattern string

func patternOf(v *value) (pattern, *Error) {
	text, wrong := v.text()
	return pattern(strings.ToLower(text)), wrong
}

// matches says whether a text is like the pattern, all of it, in any letter case.
func (p pattern) matches(text []byte) bool {
	var room [engine.MaxNameLen]byte // a longer text takes memory of its own
	lower := room[:0]
	for _, c := range text {
		if c >= utf8.RuneSelf {
			lower = bytes.ToLower(text)
			break
		}
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		lower = append(lower, c)
	}
	return like(string(p), lower)
}

// like matches with one point to come back to, so that it costs the product of the lengths at most.
func like(pattern string, text []byte) bool {
	star, mark := -1, 0
	at, i := 0, 0
	for i < len(text) {
		_, size := utf8.DecodeRune(text[i:])
		switch {
		case at < len(pattern) && pattern[at] == '*':
			star, mark = at, i
			at++
		case at < len(pattern) && pattern[at] == '?':
			at++
			i += size
		case at < len(pattern) && pattern[at] == text[i]:
			at++
			i++
		case star >= 0:
			_, skipped := utf8.DecodeRune(text[mark:])
			mark += skipped
			at, i = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(pattern[at:], "*") == ""
}
