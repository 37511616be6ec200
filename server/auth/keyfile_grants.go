package auth

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"portolan/engine"
)

// maxKeyName is how long the name of a token or of a key may be, in characters.
const maxKeyName = 128

// checkGrants holds the names that an entry grants against the engine's limits.
func checkGrants(projects, enterpriseProjects []string) error {
	if err := checkNames("projects", projects, engine.MaxProjectLen); err != nil {
		return err
	}
	if slices.Contains(enterpriseProjects, engine.AllEnterpriseProjects) {
		return &engine.FieldError{Field: "enterprise_projects", Value: engine.AllEnterpriseProjects, Allowed: "IDs, or * alone for all"}
	}
	return checkNames("enterprise_projects", enterpriseProjects, engine.MaxEnterpriseProjectLen)
}

func checkNames(field string, names []string, most int) error {
	for _, name := range names {
		if name == "*" && len(names) > 1 {
			return &engine.FieldError{Field: field, Value: strings.Join(names, ","), Allowed: "* alone, or names without it"}
		}
		if err := checkText(field, name, most); err != nil {
			return err
		}
	}
	return nil
}

// grantOf returns what a checked list of names grants.
func grantOf(names []string) Grant {
	if slices.Equal(names, []string{"*"}) {
		return All()
	}
	return Only(names...)
}

// checkText refuses a text that has no or more than most characters.
func checkText(field, value string, most int) error {
	if n := utf8.RuneCountInString(value); n < 1 || n > most || !utf8.ValidString(value) {
		return &engine.FieldError{Field: field, Value: value, Allowed: fmt.Sprintf("1 to %d characters", most)}
	}
	return nil
}

// checkName is checkText for a name that goes into logs.
func checkName(field, value string) error {
	if strings.ContainsFunc(value, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return &engine.FieldError{Field: field, Value: value, Allowed: "characters that can be printed"}
	}
	return checkText(field, value, maxKeyName)
}

// firstError returns the first error.
func firstError(errs ...error) error {
	if i := slices.IndexFunc(errs, func(err error) bool { return err != nil }); i >= 0 {
		return errs[i]
	}
	return nil
}
