package expr

import (
	"strconv"
	"strings"

	"github.com/alecthomas/participle/v2"
	"github.com/alecthomas/participle/v2/lexer"

	"portolan/engine"
	"portolan/index"
)

// The grammar of a selector of ports.
type (
	portSelector struct {
		Lists []*portList `parser:"@@ ( 'and' @@ )*"`
	}
	portList struct {
		Items []*portItem `parser:"@@ ( ',' @@ )*"`
	}
	portItem struct {
		Not   bool   `parser:"@'!'?"`
		Word  *token `parser:"( @@"`
		Value *token `parser:"( '=' @@ )?"`
		Type  *token `parser:"( '/' @@ )?"`
		Alone *token `parser:"| '/' @@ )"`
	}
	// token is a word and where it stands.
	token struct {
		Pos  lexer.Position
		Text string `parser:"(?! 'and' ) @Word"`
	}
)

var portGrammar = participle.MustBuild[portSelector](participle.Lexer(tokens), participle.CaseInsensitive(tokenWord))

// What may stand where in a selector.
const (
	wantItem   = "a port, a range such as 8000-8999, a service such as https, /TYPE, match=, prefix=, suffix=, type= or status="
	wantType   = "a type: tcp, tcp6, tcp*, udp, udp6, udp*, sctp, sctp6 or sctp*"
	wantDigits = "one to five digits"
	wantStatus = "danger, normal or unknown"
	wantMore   = `",", "and" or the end`
)

func portsFollow(before []string) string {
	switch strings.ToLower(last(before)) {
	case "", ",", "!", "and":
		return wantItem
	case "/":
		return wantType
	case "=":
		return "a word or digits"
	}
	return wantMore
}

// Ports is a selector of ports, which may depend on the policy. The zero value selects every key.
type Ports struct {
	text  string
	lists []keyList
}

// keyList is a list of a selector.
type keyList struct{ in, out []keyItem }

// keyItem is keys by ranges, by a set, or by their status.
type keyItem struct {
	ranges []index.Range
	set    *engine.KeySet // nil: none
	status engine.Status  // AnyStatus: none
	within *engine.KeySet // what set and status have in it alone; nil: no restriction
}

// ParsePorts reads a selector of ports, whose text is that of a field, for errors. The error is an
// [*Error].
func ParsePorts(field, text string) (Ports, error) {
	tree, err := parse(portGrammar, field, text, portsFollow)
	if err != nil {
		return Ports{}, err
	}
	p, wrong := tree.lists()
	if wrong != nil {
		wrong.Field, wrong.Text = field, text
		return Ports{}, wrong
	}
	p.text = text
	return p, nil
}

// lists returns what a selector means.
func (s *portSelector) lists() (p Ports, wrong *Error) {
	for _, list := range s.Lists {
		var keys keyList
		for _, item := range list.Items {
			k, wrong := item.keys()
			if wrong != nil {
				return Ports{}, wrong
			}
			if item.Not {
				keys.out = append(keys.out, k)
			} else {
				keys.in = append(keys.in, k)
			}
		}
		p.lists = append(p.lists, keys)
	}
	return p, nil
}

// String returns the text that the selector was read from.
func (p Ports) String() string { return p.text }

// Keys returns the keys that the selector has under a policy, a new set each time: a caller that
// asks often keeps it.
func (p Ports) Keys(policy *engine.Policy) *engine.KeySet {
	all := new(engine.KeySetBuilder)
	all.AddSet(index.AllKeys())
	one := new(engine.KeySetBuilder)
	for _, list := range p.lists {
		*one = engine.KeySetBuilder{}
		for _, item := range list.in {
			item.addTo(one, policy)
		}
		if len(list.in) == 0 {
			one.AddSet(index.AllKeys())
		}
		for _, item := range list.out {
			item.removeFrom(one, policy)
		}
		all.Retain(one.Build())
	}
	return all.Build()
}

func (k *keyItem) addTo(b *engine.KeySetBuilder, policy *engine.Policy) {
	for _, r := range k.ranges {
		b.AddRange(r)
	}
	if set := k.keys(policy); set != nil {
		b.AddSet(set)
	}
}

func (k *keyItem) removeFrom(b *engine.KeySetBuilder, policy *engine.Policy) {
	for _, r := range k.ranges {
		b.RemoveRange(r)
	}
	if set := k.keys(policy); set != nil {
		b.RemoveSet(set)
	}
}

// keys returns the item's set, nil if it has ranges alone.
func (k *keyItem) keys(policy *engine.Policy) *engine.KeySet {
	set := k.set
	if k.status != engine.AnyStatus {
		set = policy.Keys(k.status)
	}
	if set == nil || k.within == nil {
		return set
	}
	var both engine.KeySetBuilder
	both.AddSet(set)
	both.Retain(k.within)
	return both.Build()
}

// keys returns what an item means.
func (i *portItem) keys() (keyItem, *Error) {
	if i.Alone != nil {
		types, wrong := i.Alone.types()
		return keyItem{ranges: spread(index.Range{Lo: 1, Hi: index.MaxPort}, types)}, wrong
	}
	types, typed := index.Types(), i.Type != nil
	if typed {
		var wrong *Error
		if types, wrong = i.Type.types(); wrong != nil {
			return keyItem{}, wrong
		}
	}
	if i.Value != nil {
		return i.condition(types, typed)
	}
	word := strings.ToLower(i.Word.Text)
	if lo, hi, ok := portRange(word); ok {
		if lo == 0 || lo > hi {
			return keyItem{}, i.Word.wrong("ports from 1 to 65535, the lower one first")
		}
		return keyItem{ranges: spread(index.Range{Lo: lo, Hi: hi}, types)}, nil
	}
	known := services()[word]
	if known == nil {
		return keyItem{}, i.Word.wrong(wantItem)
	}
	var ranges []index.Range
	for _, r := range known {
		for _, t := range types {
			if r.Type == t {
				ranges = append(ranges, r)
			}
		}
	}
	if len(ranges) == 0 {
		return keyItem{}, i.Type.wrong("a type that " + word + " has: " + typesOf(known))
	}
	return keyItem{ranges: ranges}, nil
}

var digitKeys = map[string]func(index.Digits) *engine.KeySet{
	"match": index.KeysContaining, "prefix": index.KeysBeginning, "suffix": index.KeysEnding,
}

// condition returns what an item such as match=44 means.
func (i *portItem) condition(types []index.Type, typed bool) (k keyItem, wrong *Error) {
	value := i.Value.Text
	switch strings.ToLower(i.Word.Text) {
	case "match", "prefix", "suffix":
		digits, ok := index.ParseDigits(value)
		if !ok {
			return k, i.Value.wrong(wantDigits)
		}
		k.set = digitKeys[strings.ToLower(i.Word.Text)](digits)
	case "type":
		of, wrong := i.Value.types()
		if wrong != nil {
			return k, wrong
		}
		k.set = keysOf(of)
	case "status":
		status, err := engine.ParseStatus(value)
		if err != nil {
			return k, i.Value.wrong(wantStatus)
		}
		k.status = status
	default:
		return k, i.Word.wrong("match, prefix, suffix, type or status before =")
	}
	if typed {
		k.within = keysOf(types)
	}
	return k, nil
}

// wrong is the error of a word.
func (t *token) wrong(want string) *Error {
	return &Error{At: t.Pos.Offset, Found: t.Text, Want: want}
}

// types reads the name of a type, or with a star of both address families.
func (t *token) types() ([]index.Type, *Error) {
	name, both := strings.CutSuffix(t.Text, "*")
	found, err := index.ParseType(name)
	switch {
	case err != nil || both && found.V6() == found:
		return nil, t.wrong(wantType)
	case both:
		return []index.Type{found, found.V6()}, nil
	}
	return []index.Type{found}, nil
}

// portRange reads a port, or a range with a hyphen of which one end may be open, or a star. Ok says
// that the text is one of these; the ports are 0 where they are none.
func portRange(text string) (lo, hi uint16, ok bool) {
	if text == "*" {
		return 1, index.MaxPort, true
	}
	low, high, isRange := strings.Cut(text, "-")
	if low+high == "" || strings.Trim(low+high, "0123456789") != "" {
		return 0, 0, false
	}
	if !isRange {
		high = low
	}
	return portOr(low, 1), portOr(high, index.MaxPort), true
}

// portOr returns the port of a text of digits, what stands for an empty one, and 0 for a number
// that is no port.
func portOr(text string, absent uint16) uint16 {
	if text == "" {
		return absent
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return 0
	}
	return uint16(n)
}

// spread returns a range of ports of several types.
func spread(r index.Range, types []index.Type) []index.Range {
	ranges := make([]index.Range, len(types))
	for i, t := range types {
		ranges[i] = index.Range{Type: t, Lo: r.Lo, Hi: r.Hi}
	}
	return ranges
}

func keysOf(types []index.Type) *engine.KeySet {
	var b engine.KeySetBuilder
	for _, t := range types {
		b.AddSet(index.KeysOfType(t))
	}
	return b.Build()
}

// typesOf names the types of ranges.
func typesOf(ranges []index.Range) string {
	var names []string
	for _, t := range index.Types() {
		for _, r := range ranges {
			if r.Type == t {
				names = append(names, strings.ToLower(t.String()))
				break
			}
		}
	}
	return strings.Join(names, ", ")
}
