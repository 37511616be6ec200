// Package policyfile reads policies from YAML.
//
// # Basics
//
// A file says which built-in policy it goes on from, and has rules, of which the last one about a port
// of an asset counts:
//
//	extends: exposed          # exposed, the default, cloud or none
//	rules:
//	  - name: jump hosts      # for people; may be left out, and so may reason
//	    ports: ssh,rdp        # a selector of package expr
//	    where: label(role) = "jump"
//	    projects: [shop]      # of these tenants; all when left out
//	    status: normal        # danger, normal or unknown
//	    reason: this is what they are for
//
// Where is a set of assets of package expr; all when it is left out. It must not look at ages: what
// a status is follows from the data and the policy. The status that a selector or a set asks for is
// that of the policy that the file goes on from.
//
// # Errors
//
// [Read] names the line and the rule of what is wrong.
package policyfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"portolan/engine"
	"portolan/engine/expr"
)

// MaxBytes is the greatest file that is read.
const MaxBytes = 1 << 20

// None is the name of the policy without rules that a file may go on from.
const None = "none"

// Error is what is wrong with a file. It matches [engine.ErrInvalid].
type Error struct {
	Line int    // from 1; 0 where there is none
	Rule string // which rule it is in, such as rule 2 "jump hosts"; empty where it is in none
	Err  error
}

func (e *Error) Error() string {
	var b strings.Builder
	if e.Line > 0 {
		fmt.Fprintf(&b, "line %d: ", e.Line)
	}
	if e.Rule != "" {
		b.WriteString(e.Rule + ": ")
	}
	return b.String() + e.Err.Error()
}

// Unwrap returns what is wrong with the field.
func (e *Error) Unwrap() error { return e.Err }

// Is makes every Error match [engine.ErrInvalid].
func (e *Error) Is(target error) bool { return target == engine.ErrInvalid }

// Open returns the built-in policy of that name, or else the policy in the file at that path.
func Open(nameOrPath string) (*engine.Policy, error) {
	if slices.Contains(engine.BuiltinPolicies(), nameOrPath) {
		return engine.BuiltinPolicy(nameOrPath)
	}
	f, err := os.Open(nameOrPath)
	if errors.Is(err, os.ErrNotExist) && !strings.ContainsAny(nameOrPath, "./\\") {
		return nil, &engine.FieldError{Field: "policy", Value: nameOrPath, Allowed: strings.Join(engine.BuiltinPolicies(), ", ") + " or a file"}
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	p, err := Read(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", nameOrPath, err)
	}
	return p, nil
}

// Read returns the policy that a text describes. The error is an [*Error], or that of the reader.
func Read(from io.Reader) (*engine.Policy, error) {
	text, err := io.ReadAll(io.LimitReader(from, MaxBytes+1))
	if err != nil {
		return nil, err
	}
	if len(text) > MaxBytes {
		return nil, &Error{Err: fmt.Errorf("it has more than %d bytes", MaxBytes)}
	}
	var root yaml.Node
	in := yaml.NewDecoder(bytes.NewReader(text))
	switch err := in.Decode(&root); {
	case errors.Is(err, io.EOF):
		return nil, &Error{Err: errors.New("it is empty: want rules")}
	case err != nil:
		return nil, &Error{Err: err} // which has the line
	}
	if err := in.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, &Error{Err: errors.New("it goes on behind its first document: want one")}
	}
	return policyOf(root.Content[0])
}

// policyOf returns the policy of a document.
func policyOf(doc *yaml.Node) (*engine.Policy, error) {
	fields, err := fieldsOf(doc, "extends", "rules")
	if err != nil {
		return nil, err
	}
	base, err := baseOf(fields["extends"])
	if err != nil {
		return nil, err
	}
	list := fields["rules"]
	if list == nil {
		return nil, &Error{Line: doc.Line, Err: errors.New("rules: want a list of rules")}
	}
	if list.Kind != yaml.SequenceNode {
		return nil, &Error{Line: list.Line, Err: errors.New("rules: want a list of rules")}
	}
	own := make([]engine.Rule, 0, len(list.Content))
	for i, node := range list.Content {
		rule, err := ruleOf(resolved(node), base)
		if err != nil {
			return nil, within(err, i+1, rule.Name)
		}
		own = append(own, rule)
	}
	all := slices.Concat(base.Rules(), own)
	p, err := engine.NewPolicy(all)
	if wrong := (*engine.FieldError)(nil); errors.As(err, &wrong) {
		return nil, located(wrong, list, own, len(base.Rules()))
	}
	return p, err
}

// within says which rule an error is in.
func within(err error, number int, name string) error {
	wrong := (*Error)(nil)
	if errors.As(err, &wrong) {
		wrong.Rule = ruleName(number, name)
	}
	return err
}

func ruleName(number int, name string) string {
	text := "rule " + strconv.Itoa(number)
	if name != "" {
		text += " " + strconv.Quote(name)
	}
	return text
}

// located says where a rule is that the engine refuses, which counts those that are built in, too.
func located(wrong *engine.FieldError, list *yaml.Node, own []engine.Rule, before int) error {
	number, err := strconv.Atoi(strings.TrimPrefix(wrong.Field, "rule "))
	if number -= before; err != nil || number < 1 || number > len(own) {
		return &Error{Line: list.Line, Err: wrong}
	}
	return &Error{
		Line: list.Content[number-1].Line, Rule: ruleName(number, own[number-1].Name),
		Err: fmt.Errorf("%q is not allowed: want %s", wrong.Value, wrong.Allowed),
	}
}

// baseOf returns the policy that a file goes on from.
func baseOf(node *yaml.Node) (*engine.Policy, error) {
	name := engine.Exposed
	if node != nil {
		var err error
		if name, err = textOf(node, "extends"); err != nil {
			return nil, err
		}
	}
	if name == None {
		return engine.NewPolicy(nil)
	}
	base, err := engine.BuiltinPolicy(name)
	if err != nil {
		return nil, &Error{Line: node.Line, Err: &engine.FieldError{Field: "extends", Value: name, Allowed: strings.Join(engine.BuiltinPolicies(), ", ") + " or " + None}}
	}
	return base, nil
}

// ruleOf returns a rule. Its name is that of the rule also with an error, if it was read.
func ruleOf(node *yaml.Node, base *engine.Policy) (rule engine.Rule, err error) {
	fields, err := fieldsOf(node, "name", "ports", "where", "projects", "status", "reason")
	if err != nil {
		return rule, err
	}
	texts := map[string]string{}
	for _, field := range []string{"name", "ports", "where", "status", "reason"} {
		value := fields[field]
		if value == nil {
			continue
		}
		if texts[field], err = textOf(value, field); err != nil {
			return rule, err
		}
		rule.Name = texts["name"]
	}
	rule.Reason = texts["reason"]
	for _, field := range []string{"ports", "status"} {
		if fields[field] == nil {
			return rule, &Error{Line: node.Line, Err: fmt.Errorf("%s is missing", field)}
		}
	}
	ports, err := expr.ParsePorts("ports", texts["ports"])
	if err != nil {
		return rule, &Error{Line: fields["ports"].Line, Err: err}
	}
	rule.Keys, rule.KeysText = ports.Keys(base), ports.String()
	if rule.Status, err = engine.ParseStatus(texts["status"]); err != nil {
		return rule, &Error{Line: fields["status"].Line, Err: err}
	}
	if value := fields["where"]; value != nil {
		if rule.Where, rule.WhereText, err = assetsOf(value, texts["where"], base); err != nil {
			return rule, err
		}
	}
	rule.Projects, err = projectsOf(fields["projects"])
	return rule, err
}

// assetsOf returns the set of assets that a rule is about.
func assetsOf(node *yaml.Node, text string, base *engine.Policy) (*engine.HostSet, string, error) {
	where, err := expr.ParseWhere("where", text)
	switch {
	case err != nil:
		return nil, "", &Error{Line: node.Line, Err: err}
	case where.Timely():
		return nil, "", &Error{Line: node.Line, Err: errors.New("where: seen is not allowed in a policy: a status follows from the data, not from when it is asked for")}
	}
	return where.Assets(base, time.Time{}), text, nil
}

// projectsOf returns the tenants that a rule is about.
func projectsOf(node *yaml.Node) ([]string, error) {
	if node == nil {
		return nil, nil
	}
	if node.Kind != yaml.SequenceNode || len(node.Content) == 0 {
		return nil, &Error{Line: node.Line, Err: errors.New("projects: want a list of ids; leave it out for all")}
	}
	projects := make([]string, 0, len(node.Content))
	for _, one := range node.Content {
		project, err := textOf(resolved(one), "projects")
		if err == nil && project == "" {
			err = &Error{Line: one.Line, Err: errors.New("projects: want ids that are not empty")}
		}
		if err != nil {
			return nil, err
		}
		projects = append(projects, project)
	}
	return projects, nil
}

// fieldsOf returns the values of a mapping by name.
func fieldsOf(node *yaml.Node, known ...string) (map[string]*yaml.Node, error) {
	if node.Kind != yaml.MappingNode {
		return nil, &Error{Line: node.Line, Err: fmt.Errorf("want fields: %s", strings.Join(known, ", "))}
	}
	fields := make(map[string]*yaml.Node, len(known))
	for i := 0; i+1 < len(node.Content); i += 2 {
		name, value := node.Content[i], node.Content[i+1]
		if !slices.Contains(known, name.Value) {
			return nil, &Error{Line: name.Line, Err: &engine.FieldError{Field: "field", Value: name.Value, Allowed: strings.Join(known, ", ")}}
		}
		if fields[name.Value] != nil {
			return nil, &Error{Line: name.Line, Err: fmt.Errorf("field %q is given twice", name.Value)}
		}
		fields[name.Value] = resolved(value)
	}
	return fields, nil
}

// resolved returns what a node stands for.
func resolved(node *yaml.Node) *yaml.Node {
	if node.Kind == yaml.AliasNode {
		return node.Alias
	}
	return node
}

// textOf returns a value that is a text, or a number, as a port alone is one.
func textOf(node *yaml.Node, field string) (string, error) {
	if node.Kind != yaml.ScalarNode || node.Tag == "!!null" {
		return "", &Error{Line: node.Line, Err: fmt.Errorf("%s: want a text", field)}
	}
	return node.Value, nil
}
