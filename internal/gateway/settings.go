package gateway

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"strings"
	"syscall"
)

// DefaultBaseURL is where a key without a base URL is for.
const DefaultBaseURL = "https://api.anthropic.com"

const maxSettingsBytes = 64 << 10

// Settings is the file that holds the credential, <secrets dir>/gateway.json.
type Settings struct {
	APIKey  Key    `json:"api_key"`
	BaseURL string `json:"base_url"` // "": DefaultBaseURL where there is a key, else the scripted model
}

// loadSettings reads the file; a missing one is empty settings. One that others
// may read is refused, so that a mistake in its mode does not stay unseen.
func loadSettings(path string) (Settings, error) {
	var s Settings
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return s, fmt.Errorf("open gateway settings: %w", err)
	}
	defer func() { _ = f.Close() }()
	fi, err := f.Stat()
	if err != nil {
		return s, fmt.Errorf("look at gateway settings: %w", err)
	}
	owner := fi.Sys().(*syscall.Stat_t).Uid
	switch {
	case !fi.Mode().IsRegular() || fi.Size() > maxSettingsBytes:
		return s, fmt.Errorf("gateway settings: %s must be a file of at most %d bytes", path, maxSettingsBytes)
	case fi.Mode().Perm()&0o077 != 0:
		return s, fmt.Errorf("gateway settings: %s can be read by others (mode %#o); set it to 0600", path, fi.Mode().Perm())
	case owner != uint32(os.Geteuid()):
		return s, fmt.Errorf("gateway settings: %s belongs to uid %d, and the gateway runs as %d", path, owner, os.Geteuid())
	}
	d := json.NewDecoder(f)
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil {
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) { // its text may quote a character of the key
			return Settings{}, fmt.Errorf("gateway settings: %s is not JSON (byte %d)", path, syntax.Offset)
		}
		return Settings{}, fmt.Errorf("gateway settings: %s: %w", path, err)
	}
	return s, s.check()
}

func (s Settings) check() error {
	if strings.ContainsFunc(s.APIKey.reveal(), func(r rune) bool { return r <= ' ' || r > '~' }) {
		return errors.New("gateway settings: api_key holds a character that no header can")
	}
	if s.BaseURL == "" {
		return nil
	}
	u, err := url.Parse(s.BaseURL)
	switch {
	case err != nil:
		return errors.New("gateway settings: base_url is not a URL")
	case u.Scheme != "https" && u.Scheme != "http", u.Host == "":
		return errors.New("gateway settings: base_url must begin with https:// or http:// and name a host")
	case u.User != nil:
		return errors.New("gateway settings: base_url must hold no user or password; use api_key")
	case u.RawQuery != "" || u.Fragment != "":
		return errors.New("gateway settings: base_url must have no query and no fragment")
	}
	return nil
}

// base gives the URL to send to, or nil when that is the scripted model.
func (s Settings) base() *url.URL {
	raw := s.BaseURL
	if raw == "" {
		if !s.APIKey.Set() {
			return nil
		}
		raw = DefaultBaseURL
	}
	u, err := url.Parse(raw)
	if err != nil {
		return nil // check has refused it
	}
	return u
}
