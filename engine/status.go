package engine

import (
	"strconv"
	"strings"
)

// Status is the risk that a policy gives an open key.
type Status uint8

// The statuses. A key that no rule names is Unknown. AnyStatus is the zero value:
// in a query it is no restriction, and no key has it.
const (
	AnyStatus Status = iota
	Unknown
	Normal
	Danger

	numStatuses = 4
)

var statusNames = [numStatuses]string{"any", "unknown", "normal", "danger"}

// bySeverity are the statuses, the one that counts most first: where assets that have a key open
// have several, it is that of the row.
var bySeverity = [...]Status{Danger, Unknown, Normal}

// Valid says whether the status is one that keys have.
func (s Status) Valid() bool { return s > AnyStatus && s < numStatuses }

// String returns the status as the HTTP API writes it: danger, normal or unknown.
func (s Status) String() string {
	if int(s) < len(statusNames) {
		return statusNames[s]
	}
	return "Status(" + strconv.Itoa(int(s)) + ")"
}

// ParseStatus returns the status of that name, in any letter case. The published
// misspelling "unknow" is an alias of unknown. The error is a [*FieldError].
func ParseStatus(name string) (Status, error) {
	switch strings.ToLower(name) {
	case "danger":
		return Danger, nil
	case "normal":
		return Normal, nil
	case "unknown", "unknow":
		return Unknown, nil
	}
	return AnyStatus, &FieldError{Field: "status", Value: name, Allowed: "danger, normal or unknown"}
}
