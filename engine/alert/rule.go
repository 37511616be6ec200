package alert

import (
	"slices"
	"strings"
	"sync"
	"time"

	"go.yaml.in/yaml/v3"

	"portolan/engine"
	"portolan/engine/expr"
	"portolan/engine/internal/yamlfile"
)

// The usual values of a rule.
const (
	DefaultFirst = 20  // changes that a digest lists
	DefaultBurst = 100 // changes of one batch that are told one by one
)

// burstTime is how long changes are collected after a batch that has more. Tests have it shorter.
var burstTime = time.Minute

// Rule says of which changes somebody is told. Read makes one.
type Rule struct {
	Name       string
	Projects   []string          // nil: all
	Categories []engine.Category // nil: both
	View       engine.View
	Status     engine.Status
	Unexpected bool // only what the policy does not expect
	Kinds      []engine.ChangeKind
	Every      time.Duration // of digests; 0: changes are told one by one
	First      int           // changes that a digest lists
	Burst      int           // changes of one batch that are told one by one; more are a digest
	Labels     map[string]string
	Send       []string // receivers; nil: the changes are only counted

	ports *expr.Ports // nil: all, and assets themselves
	where expr.Where  // zero: all

	mu    sync.Mutex
	asked map[string]asked // by the version of the policy
}

// asked is what a rule asks for under a policy. Sets are made once: a snapshot remembers by them what it was
// asked.
type asked struct {
	keys  *engine.KeySet
	where *engine.HostSet
}

// maxAsked is how many policies a rule remembers: tenants may have their own.
const maxAsked = 64

var ruleFields = []string{
	"name", "projects", "category", "enterprise_projects", "ports", "where", "status", "unexpected", "kinds", "every", "first", "burst", "labels", "send",
}

func (f *File) readRule(node *yaml.Node) (_ *Rule, name string, err error) {
	fields, texts, err := yamlfile.Texts(node, []string{"name", "category", "ports", "where", "status", "unexpected"}, ruleFields...)
	r := &Rule{Name: texts["name"]}
	if err == nil {
		err = r.read(fields, texts)
	}
	if err == nil {
		r.Send, err = known(fields["send"], "send", "receivers", func(name string) bool { return f.receiver(name) != nil })
	}
	if err == nil {
		err = r.check(node, fields)
	}
	return r, r.Name, err
}

func (r *Rule) read(fields map[string]*yaml.Node, texts map[string]string) (err error) {
	if r.Projects, err = yamlfile.Names(fields["projects"], "projects", "ids"); err != nil {
		return err
	}
	groups, err := yamlfile.Names(fields["enterprise_projects"], "enterprise_projects", "ids")
	if err != nil {
		return err
	}
	if groups != nil {
		r.View = engine.In(groups...)
	}
	if err := r.readWords(fields, texts); err != nil {
		return err
	}
	if r.Kinds, err = kindsOf(fields["kinds"]); err != nil {
		return err
	}
	if r.Every, err = spanOf(fields["every"], "every", 0, time.Second, 24*time.Hour); err != nil {
		return err
	}
	if r.First, err = numberOf(fields["first"], "first", DefaultFirst, 0, 1000); err != nil {
		return err
	}
	if r.Burst, err = numberOf(fields["burst"], "burst", DefaultBurst, 1, 100_000); err != nil {
		return err
	}
	r.Labels, err = labelsOf(fields["labels"])
	return err
}

// readWords reads the fields that have a language of their own.
func (r *Rule) readWords(fields map[string]*yaml.Node, texts map[string]string) error {
	wrong := func(field string, err error) error { return &Error{Line: fields[field].Line, Err: err} }
	if text := texts["category"]; fields["category"] != nil {
		c, err := engine.ParseCategory(text)
		if err != nil {
			return wrong("category", err)
		}
		r.Categories = []engine.Category{c}
	}
	if fields["ports"] != nil {
		ports, err := expr.ParsePorts("ports", texts["ports"])
		if err != nil {
			return wrong("ports", err)
		}
		r.ports = &ports
	}
	if fields["where"] != nil {
		var err error
		if r.where, err = expr.ParseWhere("where", texts["where"]); err != nil {
			return wrong("where", err)
		}
		if r.where.Timely() {
			return yamlfile.Errorf(fields["where"], "where: seen is not allowed in a rule: an asset that changes was seen just now")
		}
	}
	if fields["status"] != nil {
		var err error
		if r.Status, err = engine.ParseStatus(texts["status"]); err != nil {
			return wrong("status", err)
		}
	}
	switch text := texts["unexpected"]; {
	case fields["unexpected"] == nil || text == "false":
	case text == "true":
		r.Unexpected = true
	default:
		return yamlfile.Errorf(fields["unexpected"], "unexpected: %q is not allowed: want true or false", text)
	}
	return nil
}

// kindsOf returns the kinds that are listed, or the usual ones.
func kindsOf(node *yaml.Node) ([]engine.ChangeKind, error) {
	if node == nil {
		return []engine.ChangeKind{engine.Opened, engine.Found}, nil
	}
	names, err := yamlfile.Names(node, "kinds", "kinds of changes")
	kinds := make([]engine.ChangeKind, 0, len(names))
	for _, name := range names {
		k, err := engine.ParseChangeKind(name)
		if err != nil {
			return nil, &Error{Line: node.Line, Err: err}
		}
		kinds = append(kinds, k)
	}
	return kinds, err
}

// check refuses a rule that could never mean anything.
func (r *Rule) check(node *yaml.Node, fields map[string]*yaml.Node) error {
	if at := fields["kinds"]; at != nil {
		ofPorts := r.ports != nil || r.Status != engine.AnyStatus || r.Unexpected
		for _, k := range r.Kinds {
			switch {
			case ofPorts && (k == engine.Moved || k == engine.Appeared):
				return yamlfile.Errorf(at, "kinds: %v is not allowed beside ports, status or unexpected: it is of assets, not of ports", k)
			case (fields["where"] != nil || r.Unexpected) && k == engine.Forgotten:
				return yamlfile.Errorf(at, "kinds: forgotten is not allowed beside where or unexpected: of an asset that is gone nobody knows whether they mean it")
			}
		}
	}
	if r.Every > 0 && fields["burst"] != nil {
		return yamlfile.Errorf(fields["burst"], "burst: is not allowed beside every, with which everything is in digests")
	}
	if r.Name == "" {
		return yamlfile.Errorf(node, "name is missing")
	}
	return nil
}

// labelsOf returns labels, whose names are as Prometheus has them.
func labelsOf(node *yaml.Node) (map[string]string, error) {
	if node == nil {
		return nil, nil
	}
	if node.Kind != yaml.MappingNode {
		return nil, yamlfile.Errorf(node, "labels: want names and values")
	}
	labels := make(map[string]string, len(node.Content)/2)
	for i := 0; i+1 < len(node.Content); i += 2 {
		name := node.Content[i].Value
		if !isLabelName(name) || slices.Contains(ownLabels, name) {
			return nil, yamlfile.Errorf(node.Content[i], "labels: %q is not allowed: want a letter, then letters, digits and _, and none of %s", name, strings.Join(ownLabels, ", "))
		}
		value, err := yamlfile.Text(yamlfile.Resolved(node.Content[i+1]), "labels")
		if err != nil {
			return nil, err
		}
		labels[name] = value
	}
	return labels, nil
}

func isLabelName(name string) bool {
	for i, c := range name {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' && i > 0
		if !letter && (c < '0' || c > '9' || i == 0) {
			return false
		}
	}
	return name != ""
}

// means says whether the rule is about an inventory.
func (r *Rule) means(v engine.Inventory) bool {
	return (r.Projects == nil || slices.Contains(r.Projects, v.Project)) && (r.Categories == nil || slices.Contains(r.Categories, v.Category))
}

// query is the question that the rule asks of an inventory. Ends asks for the changes that end what the rule
// tells of, too.
func (r *Rule) query(v engine.Inventory, policy *engine.Policy, ends bool) engine.ChangeQuery {
	q := engine.ChangeQuery{
		Project: v.Project, Category: v.Category, View: r.View, Status: r.Status, Unexpected: r.Unexpected, Kinds: r.Kinds,
	}
	if ends {
		q.Kinds = append(slices.Clone(q.Kinds), engine.Closed, engine.Forgotten)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	of, found := r.asked[policy.Version()]
	if !found {
		if r.ports != nil {
			of.keys = r.ports.Keys(policy)
		}
		of.where = r.where.Assets(policy, time.Time{})
		if len(r.asked) >= maxAsked || r.asked == nil {
			r.asked = map[string]asked{}
		}
		r.asked[policy.Version()] = of
	}
	q.Keys, q.Where = of.keys, of.where
	return q
}

// tells says whether the rule tells of a kind, which else may end what it has told of.
func (r *Rule) tells(k engine.ChangeKind) bool { return slices.Contains(r.Kinds, k) }
