package expr

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/alecthomas/participle/v2"
	"github.com/alecthomas/participle/v2/lexer"

	"portolan/engine"
)

// MaxLen is how many bytes a text may have.
const MaxLen = 8 << 10

// Error says where a text is wrong. It matches [engine.ErrInvalid].
type Error struct {
	Field string // what the text is for, as the HTTP API names it
	Text  string // all of it
	At    int    // the byte at fault; at the end, as many as there are
	Found string // what stands there; empty at the end
	Want  string // what was expected
}

// Error names the field, the character, counted from 1, what stands there and what was expected.
func (e *Error) Error() string {
	at := fmt.Sprintf("character %d, at %q", utf8.RuneCountInString(e.Text[:e.At])+1, clip(e.Found))
	if e.Found == "" {
		at = "at the end"
	}
	return fmt.Sprintf("%s: %s: want %s", e.Field, at, e.Want)
}

// Is makes every Error match [engine.ErrInvalid].
func (e *Error) Is(target error) bool { return target == engine.ErrInvalid }

// clip shortens hostile text before it goes into an error.
func clip(s string) string {
	const most = 64
	if len(s) <= most {
		return s
	}
	cut := most
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}

// The kinds of tokens.
const (
	tokenText  = "Text" // in quotes
	tokenWord  = "Word"
	tokenPunct = "Punct"
	tokenSpace = "space" // is passed over, as its name begins with a small letter
	tokenWrong = "Wrong"
)

// tokens are what texts are made of. What is none becomes a token that no grammar takes.
var tokens = lexer.MustSimple([]lexer.SimpleRule{
	{Name: tokenText, Pattern: `"(\\.|[^"\\])*"|'(\\.|[^'\\])*'`},
	{Name: tokenWord, Pattern: `[0-9A-Za-z_.:+*?@-]+`},
	{Name: tokenPunct, Pattern: `!=|!~|<=|>=|[!=<>~,/()]`},
	{Name: tokenSpace, Pattern: `[ \t\r\n]+`},
	{Name: tokenWrong, Pattern: `(?s).`},
})

// parse reads a text by a grammar. Follows says what may come behind tokens, for errors.
func parse[G any](p *participle.Parser[G], field, text string, follows func(before []string) string) (*G, error) {
	switch {
	case len(text) > MaxLen:
		return nil, &Error{Field: field, Text: text, Found: text, Want: fmt.Sprintf("at most %d bytes, not %d", MaxLen, len(text))}
	case !utf8.ValidString(text):
		at := strings.IndexRune(strings.ToValidUTF8(text, "\uFFFD"), '\uFFFD')
		return nil, &Error{Field: field, Text: text, At: at, Found: text[at : at+1], Want: "UTF-8"}
	}
	tree, err := p.ParseString("", text)
	if err == nil {
		return tree, nil
	}
	wrong := &Error{Field: field, Text: text, At: len(text)}
	if at, ok := errors.AsType[participle.Error](err); ok {
		wrong.At = min(at.Position().Offset, len(text))
	}
	found, before := around(text, wrong.At)
	wrong.Found, wrong.Want = found, follows(before)
	return nil, wrong
}

// around returns the token at an offset, empty at the end, and those before it.
func around(text string, at int) (found string, before []string) {
	in, err := tokens.LexString("", text)
	if err != nil {
		return "", nil
	}
	space := tokens.Symbols()[tokenSpace]
	for {
		next, err := in.Next()
		switch {
		case err != nil || next.EOF():
			return "", before
		case next.Type == space:
		case next.Pos.Offset >= at:
			return next.Value, before
		default:
			before = append(before, next.Value)
		}
	}
}

// last returns the last of the tokens, empty if there are none.
func last(tokens []string) string {
	if len(tokens) == 0 {
		return ""
	}
	return tokens[len(tokens)-1]
}
