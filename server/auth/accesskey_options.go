package auth

import (
	"errors"
	"fmt"
	"os"
	"time"
)

// Defaults of [AccessKeysOptions].
const (
	DefaultMaxSkew         = 15 * time.Minute
	DefaultMaxUnhashedBody = 16 << 20
)

// AccessKeysOptions are the settings of [OpenAccessKeys]; nil and zero fields
// mean defaults.
type AccessKeysOptions struct {
	// Now tells the time; the default is [time.Now].
	Now func() time.Time
	// TempDir is where bodies are held that are too large for memory; the
	// default is [os.TempDir].
	TempDir string
	// MaxSkew is how far the date of a signature may be from Now, in either
	// direction; the default is DefaultMaxSkew.
	MaxSkew time.Duration
	// MaxUnhashedBody is how many bytes a body may have that comes without
	// X-Sdk-Content-Sha256, and so must be read before the signature can be
	// checked; the default is DefaultMaxUnhashedBody.
	MaxUnhashedBody int64
}

// Validate says what is wrong with the options, all of it.
func (o *AccessKeysOptions) Validate() error {
	if o == nil {
		return nil
	}
	var errs []error
	if o.MaxSkew < 0 {
		errs = append(errs, fmt.Errorf("MaxSkew is %v: want 0 for %v, or more", o.MaxSkew, DefaultMaxSkew))
	}
	if o.MaxUnhashedBody < 0 {
		errs = append(errs, fmt.Errorf("MaxUnhashedBody is %d: want 0 for %d, or more", o.MaxUnhashedBody, DefaultMaxUnhashedBody))
	}
	return errors.Join(errs...)
}

func (o *AccessKeysOptions) withDefaults() AccessKeysOptions {
	var filled AccessKeysOptions
	if o != nil {
		filled = *o
	}
	if filled.Now == nil {
		filled.Now = time.Now
	}
	if filled.TempDir == "" {
		filled.TempDir = os.TempDir()
	}
	if filled.MaxSkew == 0 {
		filled.MaxSkew = DefaultMaxSkew
	}
	if filled.MaxUnhashedBody == 0 {
		filled.MaxUnhashedBody = DefaultMaxUnhashedBody
	}
	return filled
}
