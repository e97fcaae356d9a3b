package config

import (
	"fmt"
	"log/slog"
)

// Secret is a value that no log, error or page shows: printed in any way it is
// "[set]", or nothing when it is empty. It is a pointer inside because package
// fmt has a verb, %p, that asks nobody and prints what it finds.
type Secret struct{ value *string }

// NewSecret makes a Secret of a value.
func NewSecret(value string) Secret {
	if value == "" {
		return Secret{}
	}
	return Secret{&value}
}

// IsSet tells whether there is a value.
func (s Secret) IsSet() bool { return s.value != nil }

// Reveal gives the value itself.
func (s Secret) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

func (s Secret) String() string {
	if !s.IsSet() {
		return ""
	}
	return "[set]"
}

// Format serves the other verbs of package fmt; %#v would look inside.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(s.String())) }

// MarshalText serves encoding/json and YAML.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue serves log/slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }
