package engine

import (
	"fmt"
	"time"
	"unicode/utf8"
)

// checkCategory refuses a category that does not exist.
func checkCategory(c Category) error {
	if c < numCategories {
		return nil
	}
	return &FieldError{Field: "category", Value: c.String(), Allowed: "host or container"}
}

// ParseCategory returns the category of exactly that name; the empty text is [Host].
// The error is a [*FieldError].
func ParseCategory(name string) (Category, error) {
	switch name {
	case "", Host.String():
		return Host, nil
	case Container.String():
		return Container, nil
	}
	return 0, &FieldError{Field: "category", Value: name, Allowed: "host or container"}
}

// DefaultEnterpriseProject is where an asset is until a report says otherwise.
const DefaultEnterpriseProject = "0"

// AllEnterpriseProjects is how the API names every enterprise project that the
// caller is granted; no asset can be in one that is called so.
const AllEnterpriseProjects = "all_granted_eps"

// Limits on the texts of a report, in characters.
const (
	MaxProjectLen           = 256
	MaxAssetLen             = 256
	MaxNameLen              = 256
	MaxEnterpriseProjectLen = 128
)

// MaxAhead is how far in the future a report's time may lie. It then counts as
// received now; a report from further ahead is invalid.
const MaxAhead = 24 * time.Hour

// Report is what one look at one asset found.
//
// A report is evidence at the time Seen about every key of its Scope and of
// Open: open if in Open, else closed. A key is open when its newest evidence
// says so, and at equal times open wins, so the order, the repetition and the
// splitting of reports never matter.
//
// The engine reads a report during a call and keeps none of its slices and maps.
type Report struct {
	// Project is the tenant, 1 to 256 characters.
	Project string
	// Category is host by default.
	Category Category
	// Asset identifies the host or container in its project and category, 1 to 256 characters.
	Asset string
	// Name, Address and EnterpriseProject describe the asset; empty means not
	// given. The newest value given stands, at equal times the greater text.
	Name, Address, EnterpriseProject string
	// Labels describe the asset, too: names and values such as env and prod, at most [MaxLabels]. Each
	// is given for itself, and one with an empty value is taken away.
	Labels map[string]string
	// Seen is when the look was taken, of the years 1970 to 9999, in microseconds;
	// the zero time means the time of receipt, which all reports of an [Import] share:
	// two of them about one asset are one look then, and neither closes what the other
	// found open. A time ahead of the engine's clock becomes the clock's, if it is no
	// more than MaxAhead.
	Seen time.Time
	// Scope is the keys that were looked at; the zero scope is none, and the
	// report then only adds.
	Scope Scope
	// Open is the keys found open, in any order, repeats allowed.
	Open []Key
}

// lastSecond is the last one of the year 9999, in Unix time.
const lastSecond = 253402300799

// Validate reports the first field of the report that is outside its limits,
// as a [*FieldError]. That Seen is not ahead of the clock is checked when the
// report is applied.
func (r *Report) Validate() error {
	if err := checkText("project_id", r.Project, 1, MaxProjectLen); err != nil {
		return err
	}
	if err := checkText("asset", r.Asset, 1, MaxAssetLen); err != nil {
		return err
	}
	if err := checkText("name", r.Name, 0, MaxNameLen); err != nil {
		return err
	}
	if err := checkText("address", r.Address, 0, MaxNameLen); err != nil {
		return err
	}
	if err := checkText("enterprise_project_id", r.EnterpriseProject, 0, MaxEnterpriseProjectLen); err != nil {
		return err
	}
	if r.EnterpriseProject == AllEnterpriseProjects {
		return &FieldError{Field: "enterprise_project_id", Value: r.EnterpriseProject, Allowed: "the ID of one enterprise project"}
	}
	if err := checkLabels(r.Labels); err != nil {
		return err
	}
	if err := checkCategory(r.Category); err != nil {
		return err
	}
	if s := r.Seen.Unix(); (s < 0 || s > lastSecond) && !r.Seen.IsZero() {
		return &FieldError{Field: "seen", Value: r.Seen.UTC().Format(time.RFC3339Nano), Allowed: "a time of the years 1970 to 9999"}
	}
	if err := r.Scope.Err(); err != nil {
		return err
	}
	for _, k := range r.Open {
		if !k.Valid() {
			return &FieldError{Field: "open", Value: k.String(), Allowed: "a port from 1 to 65535 with a known type"}
		}
	}
	return nil
}

func checkText(field, value string, low, high int) error {
	if len(value) >= low && len(value) <= high && asciiOrValid(value) {
		return nil
	}
	if !utf8.ValidString(value) {
		return &FieldError{Field: field, Value: value, Allowed: "valid UTF-8"}
	}
	if n := utf8.RuneCountInString(value); n < low || n > high {
		return &FieldError{Field: field, Value: value, Allowed: fmt.Sprintf("%d to %d characters", low, high)}
	}
	return nil
}

// asciiOrValid is [utf8.ValidString], which is fast for the ASCII that ids are made of.
func asciiOrValid(s string) bool { return utf8.ValidString(s) }
