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
//	expected:                 # what else is open on the assets that one of these is about is unexpected
//	  - name: web servers
//	    where: name ~ "web-*"
//	    ports: 80,443         # of each number one of its ports is to be open
//	    allowed: ssh          # may be open, too
//	    projects: [shop]
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
	"portolan/engine/internal/yamlfile"
)

// MaxBytes is the greatest file that is read.
const MaxBytes = yamlfile.MaxBytes

// None is the name of the policy without rules that a file may go on from.
const None = "none"

// Error is what is wrong with a file. It matches [engine.ErrInvalid].
type Error = yamlfile.Error

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
	doc, err := yamlfile.Document(from, "rules")
	if err != nil {
		return nil, err
	}
	return policyOf(doc)
}

// policyOf returns the policy of a document.
func policyOf(doc *yaml.Node) (*engine.Policy, error) {
	fields, err := yamlfile.Fields(doc, "extends", "rules", "expected")
	if err != nil {
		return nil, err
	}
	base, err := baseOf(fields["extends"])
	if err != nil {
		return nil, err
	}
	if fields["rules"] == nil && fields["expected"] == nil {
		return nil, &Error{Line: doc.Line, Err: errors.New("rules: want a list of rules, or of what is expected")}
	}
	rules, err := yamlfile.List(fields["rules"], "rules", "rule", func(node *yaml.Node) (engine.Rule, string, error) {
		rule, err := ruleOf(node, base)
		return rule, rule.Name, err
	})
	if err != nil {
		return nil, err
	}
	expected, err := yamlfile.List(fields["expected"], "expected", "expected", func(node *yaml.Node) (engine.Expectation, string, error) {
		x, err := expectationOf(node, base)
		return x, x.Name, err
	})
	if err != nil {
		return nil, err
	}
	p, err := engine.NewPolicy(slices.Concat(base.Rules(), rules), expected...)
	if wrong := (*engine.FieldError)(nil); errors.As(err, &wrong) {
		return nil, located(wrong, fields, len(base.Rules()))
	}
	return p, err
}

// located says where a rule or an expectation is that the engine refuses, which counts rules that are
// built in, too.
func located(wrong *engine.FieldError, fields map[string]*yaml.Node, builtIn int) error {
	what, text, _ := strings.Cut(wrong.Field, " ")
	number, err := strconv.Atoi(text)
	if what == "rule" {
		number -= builtIn
	}
	list := fields[map[string]string{"rule": "rules", "expected": "expected"}[what]]
	if err != nil || list == nil || number < 1 || number > len(list.Content) {
		return &Error{Err: wrong}
	}
	node := yamlfile.Resolved(list.Content[number-1])
	name := ""
	for i := 0; i+1 < len(node.Content); i += 2 {
		if node.Content[i].Value == "name" {
			name = node.Content[i+1].Value
		}
	}
	return &Error{Line: node.Line, Item: yamlfile.ItemName(what, number, name), Err: fmt.Errorf("%q is not allowed: want %s", wrong.Value, wrong.Allowed)}
}

// baseOf returns the policy that a file goes on from.
func baseOf(node *yaml.Node) (*engine.Policy, error) {
	name := engine.Exposed
	if node != nil {
		var err error
		if name, err = yamlfile.Text(node, "extends"); err != nil {
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
	fields, texts, err := yamlfile.Texts(node, []string{"name", "ports", "where", "status", "reason"}, "name", "ports", "where", "projects", "status", "reason")
	rule.Name, rule.Reason = texts["name"], texts["reason"]
	if err != nil {
		return rule, err
	}
	for _, field := range []string{"ports", "status"} {
		if fields[field] == nil {
			return rule, &Error{Line: node.Line, Err: fmt.Errorf("%s is missing", field)}
		}
	}
	if rule.Keys, err = keysOf(fields["ports"], "ports", base); err != nil {
		return rule, err
	}
	rule.KeysText = texts["ports"]
	if rule.Status, err = engine.ParseStatus(texts["status"]); err != nil {
		return rule, &Error{Line: fields["status"].Line, Err: err}
	}
	if value := fields["where"]; value != nil {
		if rule.Where, rule.WhereText, err = assetsOf(value, texts["where"], base); err != nil {
			return rule, err
		}
	}
	rule.Projects, err = yamlfile.Names(fields["projects"], "projects", "ids")
	return rule, err
}

// expectationOf returns what is expected. Its name is that of it also with an error, if it was read.
func expectationOf(node *yaml.Node, base *engine.Policy) (x engine.Expectation, err error) {
	fields, texts, err := yamlfile.Texts(node, []string{"name", "ports", "allowed", "where"}, "name", "ports", "allowed", "where", "projects")
	x.Name, x.KeysText, x.AllowedText = texts["name"], texts["ports"], texts["allowed"]
	if err != nil {
		return x, err
	}
	if fields["ports"] == nil && fields["allowed"] == nil {
		return x, &Error{Line: node.Line, Err: errors.New("ports and allowed are missing: want one of them, or both")}
	}
	for field, keys := range map[string]**engine.KeySet{"ports": &x.Keys, "allowed": &x.Allowed} {
		if value := fields[field]; value != nil {
			if *keys, err = keysOf(value, field, base); err != nil {
				return x, err
			}
		}
	}
	if value := fields["where"]; value != nil {
		if x.Where, x.WhereText, err = assetsOf(value, texts["where"], base); err != nil {
			return x, err
		}
	}
	x.Projects, err = yamlfile.Names(fields["projects"], "projects", "ids")
	return x, err
}

// keysOf returns the keys of a selector.
func keysOf(node *yaml.Node, field string, base *engine.Policy) (*engine.KeySet, error) {
	ports, err := expr.ParsePorts(field, node.Value)
	if err != nil {
		return nil, &Error{Line: node.Line, Err: err}
	}
	return ports.Keys(base), nil
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
