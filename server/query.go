package server

import (
	"fmt"
	"iter"
	"math"
	"net/url"
	"strconv"
	"strings"

	"portolan/engine"
	"portolan/index"
	"portolan/server/auth"
)

// param is one parameter of a query as it was sent; the empty text is absent.
type param struct {
	text      string
	seen      bool
	malformed bool // its escape is; text is what was sent
}

// pairs yields the names and values of a query in order, unescaped: %XX is a
// byte and + is a space. A value that cannot be unescaped comes as it is, with
// its name's pair marked as malformed; one whose name cannot is passed over,
// since no parameter is called so. It allocates only where there is something
// to unescape.
func pairs(query string) iter.Seq2[string, param] {
	return func(yield func(string, param) bool) {
		for query != "" {
			var pair string
			pair, query, _ = strings.Cut(query, "&")
			name, value, _ := strings.Cut(pair, "=")
			name, err := url.QueryUnescape(name)
			if err != nil || name == "" {
				continue
			}
			plain, err := url.QueryUnescape(value)
			if err != nil {
				plain = value
			}
			if !yield(name, param{text: plain, malformed: err != nil}) {
				return
			}
		}
	}
}

// check is the error of a parameter whose escape is malformed.
func (p *param) check(field string) error {
	if !p.malformed {
		return nil
	}
	return &engine.FieldError{Field: field, Value: p.text, Allowed: "escapes such as %20"}
}

// fits is check and refuses a text of more than most characters; 0 is any length.
func (p *param) fits(field string, most int) error {
	if err := p.check(field); err != nil || most == 0 {
		return err
	}
	return checkLength(field, p.text, most)
}

// integer reads a whole number of any length; absent gives the default, and
// one that is too large for an int comes as the largest or smallest there is.
func (p *param) integer(field string, absent int) (int, error) {
	if p.text == "" {
		return absent, nil
	}
	digits := p.text
	if sign(digits[0]) {
		digits = digits[1:]
	}
	n := 0
	for i := range len(digits) {
		d := digits[i] - '0'
		if d > 9 {
			digits = ""
			break
		}
		n = min(n*10+int(d), math.MaxInt32) // far beyond every bound
	}
	if digits == "" {
		return 0, &engine.FieldError{Field: field, Value: p.text, Allowed: "an integer"}
	}
	if p.text[0] == '-' {
		n = -n
	}
	return n, nil
}

// between is integer with bounds, both allowed.
func (p *param) between(field string, absent, low, high int) (int, error) {
	n, err := p.integer(field, absent)
	if err == nil && (n < low || n > high) {
		err = &engine.FieldError{Field: field, Value: p.text, Allowed: fmt.Sprintf("an integer from %d to %d", low, high)}
	}
	return n, err
}

// exactPort reads the port asked for, 0 for any; a number that is no port matches
// none, and is no error.
func (p *param) exactPort(field string) (int, error) {
	port, err := p.integer(field, 0)
	if p.text != "" && (port < 1 || port > index.MaxPort) {
		port = matchesNoPort
	}
	return port, err
}

// exactType reads a type by its exact name, absent for any. It is false for a name
// that no type has, which matches nothing and is no error.
func (p *param) exactType(t *engine.Type) (known bool) {
	if p.text == "" {
		return true
	}
	parsed, err := engine.ParseType(p.text)
	*t = parsed
	return err == nil && parsed.String() == p.text
}

// exactStatus reads a status by its exact name, absent for any.
func (p *param) exactStatus() (engine.Status, error) {
	if p.text == "" {
		return engine.AnyStatus, nil
	}
	status, err := engine.ParseStatus(p.text)
	if err == nil && strings.ToLower(p.text) != p.text {
		err = &engine.FieldError{Field: "status", Value: p.text, Allowed: "danger, normal or unknown"}
	}
	return status, err
}

// truth reads a yes or no; absent is no.
func (p *param) truth(field string) (bool, error) {
	switch p.text {
	case "", "false", "0":
		return false, nil
	case "true", "1":
		return true, nil
	}
	return false, &engine.FieldError{Field: field, Value: p.text, Allowed: "true, false, " + strconv.Itoa(1) + " or 0"}
}

// defaultView is asked so often that it is made once.
var defaultView = engine.In(engine.DefaultEnterpriseProject)

// viewOf returns what a question about the enterprise project is asked of. The
// error is that of a caller to whom it is not granted.
func viewOf(granted auth.Grant, enterpriseProject string) (engine.View, error) {
	switch enterpriseProject {
	case allGranted:
		return granted.View(), nil
	case "", engine.DefaultEnterpriseProject:
		if !granted.Has(engine.DefaultEnterpriseProject) {
			return engine.View{}, errForbidden
		}
		return defaultView, nil
	}
	if !granted.Has(enterpriseProject) {
		return engine.View{}, errForbidden
	}
	return engine.In(enterpriseProject), nil
}

// checkProject holds the project of the path against its limit.
func checkProject(project string) error {
	return checkLength("project_id", project, engine.MaxProjectLen)
}
