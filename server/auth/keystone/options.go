package keystone

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"portolan/engine"
)

// Defaults and bounds of [Options].
const (
	DefaultCacheTTL      = 60 * time.Second
	MaxCacheTTL          = 60 * time.Second
	DefaultRefusalTTL    = 10 * time.Second
	DefaultTimeout       = 5 * time.Second
	DefaultMaxEntries    = 10_000
	DefaultMaxConcurrent = 16
)

// Options are the settings of [New]; nil and zero fields mean defaults.
type Options struct {
	// Service is the account that validates tokens, which needs a role that may,
	// such as admin or service. Without one every token validates itself, which
	// any token may.
	Service *Credentials
	// WriteRoles are the names of the roles whose holders may write, letter case
	// included; the default is none.
	WriteRoles []string
	// CacheTTL is how long the service's word about a token holds, from the
	// question on and never past the token's end; at most MaxCacheTTL. The
	// default is DefaultCacheTTL; a negative one keeps nothing.
	CacheTTL time.Duration
	// RefusalTTL is the same for tokens that are refused, and never longer than
	// CacheTTL; the default is DefaultRefusalTTL.
	RefusalTTL time.Duration
	// MaxEntries is how many good tokens are remembered, and how many bad ones;
	// the default is DefaultMaxEntries.
	MaxEntries int
	// MaxConcurrent is how many questions are under way at a time: a quarter of them about
	// tokens that were good, which are asked about again before their verdict ends, the
	// others about others, in turns of the networks that they come from. At least one of
	// each may be. The default is DefaultMaxConcurrent.
	MaxConcurrent int
	// Timeout is how long a question may take, waiting for its turn and logging
	// in included; the default is DefaultTimeout.
	Timeout time.Duration
	// Transport asks; the default is one of its own.
	Transport http.RoundTripper
	// Now tells the time; the default is [time.Now].
	Now func() time.Time
}

// Credentials are a user's name and password, and a project of theirs.
type Credentials struct {
	User, Password string
	// UserDomain is the name of the domain of the user; the default is Default.
	UserDomain string
	// Project is the name of the project in which the user has a role.
	Project string
	// ProjectDomain is the name of the domain of the project; the default is
	// UserDomain.
	ProjectDomain string
}

// Validate says what is wrong with the options, all of it; it never holds the
// password.
func (o *Options) Validate() error {
	if o == nil {
		return nil
	}
	var errs []error
	if o.CacheTTL > MaxCacheTTL {
		errs = append(errs, fmt.Errorf("option CacheTTL is %v: want at most %v, 0 for %v, or less for none", o.CacheTTL, MaxCacheTTL, DefaultCacheTTL))
	}
	if o.RefusalTTL < 0 {
		errs = append(errs, fmt.Errorf("option RefusalTTL is %v: want 0 for %v, or more", o.RefusalTTL, DefaultRefusalTTL))
	}
	if o.Timeout < 0 {
		errs = append(errs, fmt.Errorf("option Timeout is %v: want 0 for %v, or more", o.Timeout, DefaultTimeout))
	}
	if o.MaxEntries < 0 {
		errs = append(errs, fmt.Errorf("option MaxEntries is %d: want 0 for %d, or more", o.MaxEntries, DefaultMaxEntries))
	}
	if o.MaxConcurrent < 0 {
		errs = append(errs, fmt.Errorf("option MaxConcurrent is %d: want 0 for %d, or more", o.MaxConcurrent, DefaultMaxConcurrent))
	}
	if slices.Contains(o.WriteRoles, "") {
		errs = append(errs, errors.New("option WriteRoles has an empty name: want names of roles"))
	}
	if c := o.Service; c != nil {
		for field, value := range map[string]string{"User": c.User, "Password": c.Password, "Project": c.Project} {
			if value == "" {
				errs = append(errs, fmt.Errorf("option Service.%s is empty: want one", field))
			}
		}
	}
	return errors.Join(errs...)
}

func (o *Options) withDefaults() Options {
	var filled Options
	if o != nil {
		filled = *o
	}
	filled.CacheTTL = orDefault(filled.CacheTTL, DefaultCacheTTL)
	filled.RefusalTTL = orDefault(filled.RefusalTTL, DefaultRefusalTTL)
	filled.Timeout = orDefault(filled.Timeout, DefaultTimeout)
	filled.MaxEntries = orDefault(filled.MaxEntries, DefaultMaxEntries)
	filled.MaxConcurrent = orDefault(filled.MaxConcurrent, DefaultMaxConcurrent)
	filled.WriteRoles = slices.Clone(filled.WriteRoles)
	if filled.Now == nil {
		filled.Now = time.Now
	}
	if filled.Service != nil {
		c := *filled.Service
		c.UserDomain = orDefault(c.UserDomain, "Default")
		c.ProjectDomain = orDefault(c.ProjectDomain, c.UserDomain)
		filled.Service = &c
	}
	return filled
}

func orDefault[T comparable](value, otherwise T) T {
	var zero T
	if value == zero {
		return otherwise
	}
	return value
}

func (o *Options) writes(role string) bool { return slices.Contains(o.WriteRoles, role) }

// baseURL returns the URL of version 3 of a service, with a slash at its end.
func baseURL(text string) (string, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		if err == nil && u.User != nil {
			text = u.Redacted()
		}
		return "", &engine.FieldError{Field: "keystone url", Value: text, Allowed: "http or https, a host and perhaps a path, such as https://iam.example.com/v3"}
	}
	path := strings.TrimRight(u.Path, "/")
	if !strings.HasSuffix(path, "/v3") {
		path += "/v3"
	}
	u.Path, u.RawPath = path+"/", ""
	return u.String(), nil
}
