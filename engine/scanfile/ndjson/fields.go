package ndjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"math"
	"strconv"
	"time"

	jsonv2 "github.com/go-json-experiment/json"

	"portolan/engine"
	"portolan/engine/scanfile/internal/reader"
)

func (p *parser) value(bit uint16) (err error) {
	switch bit {
	case fieldAsset:
		p.asset, err = p.str()
	case fieldOpen:
		err = p.openValue()
	case fieldName:
		p.name, err = p.str()
	case fieldAddress:
		p.address, err = p.str()
	case fieldProject:
		err = p.projectValue()
	case fieldEnterprise:
		err = p.enterpriseValue()
	case fieldCategory:
		err = p.categoryValue()
	case fieldSeen:
		p.report.Seen, err = p.seenValue()
	case fieldScope:
		p.report.Scope, err = p.scopeValue()
	case fieldLabels:
		p.report.Labels, err = p.labelsValue()
	}
	return err
}

func (p *parser) openValue() error {
	if err := p.begin('[', "an array"); err != nil {
		return err
	}
	for p.more() {
		text, err := p.str()
		if err != nil {
			return err
		}
		key, bad := reader.ParseKey(text)
		if bad != nil {
			return &engine.FieldError{Field: "open", Value: string(text), Allowed: "PORT/TYPE such as 443/tcp (" + bad.Error() + ")"}
		}
		p.open = append(p.open, key)
	}
	return p.end()
}

// projectValue keeps the options' string, which is the same text.
func (p *parser) projectValue() error {
	text, err := p.str()
	if err == nil && string(text) != p.base.Project {
		return &engine.FieldError{Field: "project_id", Value: string(text), Allowed: strconv.Quote(p.base.Project) + ", the project that is written to"}
	}
	return err
}

// enterpriseValue remembers the last text: neighbours mostly share it.
func (p *parser) enterpriseValue() error {
	text, err := p.str()
	if err != nil {
		return err
	}
	if string(text) != p.lastEnterprise {
		p.lastEnterprise = string(text)
	}
	p.report.EnterpriseProject = p.lastEnterprise
	return nil
}

func (p *parser) categoryValue() error {
	text, err := p.str()
	if err != nil {
		return err
	}
	if len(text) == 0 {
		return &engine.FieldError{Field: "category", Allowed: "host or container"}
	}
	p.report.Category, err = engine.ParseCategory(string(text))
	return err
}

// scopeValue remembers what the last list meant: reports that share a scope are
// cheaper for the engine, too.
func (p *parser) scopeValue() (engine.Scope, error) {
	if p.json.PeekKind() == '"' {
		text, err := p.str()
		switch {
		case err != nil:
			return engine.Scope{}, err
		case string(text) == "all":
			return engine.ScopeAll(), nil
		case string(text) == "none":
			return engine.Scope{}, nil
		}
		return engine.Scope{}, &engine.FieldError{Field: "scope", Value: string(text), Allowed: `"all", "none" or an array such as ["1-1024/tcp","53/udp"]`}
	}
	list, err := p.raw('[', `"all", "none" or an array`)
	if err != nil {
		return engine.Scope{}, err
	}
	if bytes.Equal(list, p.scopeText) {
		return p.scope, nil
	}
	var ranges []string
	if err := json.Unmarshal(list, &ranges); err != nil {
		return engine.Scope{}, &engine.FieldError{Field: "scope", Value: string(list), Allowed: `an array of strings such as ["1-1024/tcp","53/udp"]`}
	}
	scope, err := engine.ParseScopeList(ranges)
	if err == nil {
		p.scopeText, p.scope = append(p.scopeText[:0], list...), scope
	}
	return scope, err
}

var errNull = errors.New("null is no string")

// labelsValue remembers what the last object meant: neighbours mostly share it. What it does not
// have is that of the options.
func (p *parser) labelsValue() (map[string]string, error) {
	object, err := p.raw('{', "an object")
	if err != nil {
		return nil, err
	}
	if p.labels != nil && bytes.Equal(object, p.labelText) {
		return p.labels, nil
	}
	var given map[string]*string           // nil is a null
	err = jsonv2.Unmarshal(object, &given) // which refuses a name that is there twice
	labels := maps.Clone(p.base.Labels)
	if labels == nil {
		labels = make(map[string]string, len(given))
	}
	for name, value := range given {
		if value == nil {
			err = errNull
			break
		}
		labels[name] = *value
	}
	if err != nil {
		return nil, &engine.FieldError{Field: "labels", Value: reader.Clip(object), Allowed: `an object of strings, each name once, such as {"env":"prod"}`}
	}
	p.labelText, p.labels = append(p.labelText[:0], object...), labels
	return labels, nil
}

const seenAllowed = "an RFC 3339 time or Unix seconds, of the years 1970 to 9999"

func (p *parser) seenValue() (time.Time, error) {
	if p.json.PeekKind() == '"' {
		text, err := p.str()
		if err != nil {
			return time.Time{}, err
		}
		return parseTime(text)
	}
	text, err := p.raw('0', "a string or a number")
	if err != nil {
		return time.Time{}, err
	}
	whole, fraction, _ := bytes.Cut(text, []byte{'.'})
	if bytes.ContainsAny(text, "eE") || len(whole) > 13 {
		return floatTime(text)
	}
	return unixTime(text, whole, fraction)
}

// parseTime reads RFC 3339, which allows small letters where Go does not.
func parseTime(text []byte) (t time.Time, err error) {
	if err = t.UnmarshalText(text); err != nil {
		err = t.UnmarshalText(bytes.ToUpper(text))
	}
	if err != nil {
		return t, &engine.FieldError{Field: "seen", Value: string(text), Allowed: seenAllowed}
	}
	return checkTime(t, text)
}

// unixTime reads plain decimal seconds exactly; digits beyond microseconds are
// dropped.
func unixTime(text, whole, fraction []byte) (time.Time, error) {
	var micros int64
	for i := range 6 {
		micros *= 10
		if i < len(fraction) {
			micros += int64(fraction[i] - '0')
		}
	}
	var seconds int64
	for _, c := range bytes.TrimPrefix(whole, []byte("-")) {
		seconds = seconds*10 + int64(c-'0')
	}
	if whole[0] == '-' {
		seconds, micros = -seconds, -micros
	}
	return checkTime(time.Unix(seconds, micros*1000), text)
}

// floatTime reads seconds written with an exponent, or with very many digits.
func floatTime(text []byte) (time.Time, error) {
	seconds, err := strconv.ParseFloat(string(text), 64)
	if err != nil || math.Abs(seconds) > 1e12 {
		return time.Time{}, &engine.FieldError{Field: "seen", Value: string(text), Allowed: seenAllowed}
	}
	return checkTime(time.UnixMicro(int64(math.Round(seconds*1e6))), text)
}

func checkTime(t time.Time, text []byte) (time.Time, error) {
	t = t.UTC().Truncate(time.Microsecond)
	if y := t.Year(); y < 1970 || y > 9999 {
		return t, &engine.FieldError{Field: "seen", Value: string(text), Allowed: seenAllowed}
	}
	return t, nil
}
