package account

import (
	"net/mail"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/runtime"
)

const (
	minPasswordRunes = 8
	maxPasswordBytes = 1024
	maxEmailBytes    = 254 // RFC 5321, 4.5.3.1.3, less the angle brackets
	maxTokenName     = 100
)

var namePattern = regexp.MustCompile(runtime.NamePattern)

// reserved names are of the system accounts that a made /etc/passwd inside an
// instance may hold, and of ours: a person of that name would be taken for them.
var reserved = map[string]bool{}

func init() {
	for name := range strings.FieldsSeq(`root toor daemon bin sys sync games man lp mail news uucp proxy www-data
		backup list irc gnats nobody nogroup adm tty disk kmem dialout fax voice cdrom floppy tape sudo audio dip
		operator src shadow utmp video sasl plugdev staff users input sgx kvm render crontab ssh sshd messagebus
		polkitd tss uuidd systemd systemd-network systemd-resolve systemd-timesync systemd-journal systemd-coredump
		carrel supervisor keeper gateway halt shutdown wheel http nginx postgres mysql`) {
		reserved[name] = true
	}
}

// fields collects what is wrong with an input, so that a person hears it all at once.
type fields []fault.Field

func (f *fields) add(location, format string, args ...any) {
	*f = append(*f, fault.FieldAt(location, format, args...))
}

// err is nil when nothing is wrong.
func (f fields) err() error {
	if len(f) == 0 {
		return nil
	}
	return fault.Fields(fault.Invalid, f[0], f[1:]...)
}

func (f *fields) username(name string) {
	switch {
	case !namePattern.MatchString(name):
		f.add("body.username", "A user name begins with a small letter and has at most 31 small letters, digits, - and _.")
	case reserved[name]:
		f.add("body.username", "The user name %q is kept for the system. Choose another.", name)
	}
}

func (f *fields) email(address string) {
	if address == "" {
		return
	}
	parsed, err := mail.ParseAddress(address)
	if err != nil || parsed.Address != address || len(address) > maxEmailBytes || !utf8.ValidString(address) || strings.ContainsFunc(address, unicode.IsControl) {
		f.add("body.email", "This is not an e-mail address like ana@example.org.")
	}
}

func (f *fields) password(password string) {
	switch {
	case len(password) > maxPasswordBytes:
		f.add("body.password", "A password has at most %d bytes.", maxPasswordBytes)
	case utf8.RuneCountInString(password) < minPasswordRunes:
		f.add("body.password", "A password has at least %d characters.", minPasswordRunes)
	}
}

func (f *fields) role(role string) {
	if role != RoleAdmin && role != RoleModerator && role != RoleUser {
		f.add("body.role", "A role is admin, moderator or user.")
	}
}

func (f *fields) language(language string) {
	if language != LanguageEnglish && language != LanguageChinese {
		f.add("body.language", "A language is en or zh-CN.")
	}
}

func (f *fields) tokenName(name string) {
	if name == "" || utf8.RuneCountInString(name) > maxTokenName || !utf8.ValidString(name) ||
		strings.TrimSpace(name) != name || strings.ContainsFunc(name, unicode.IsControl) {
		f.add("body.name", "A token's name has from 1 to %d characters, and no space around it.", maxTokenName)
	}
}

// complete fills in the defaults and reports every field at fault.
func (s *Service) complete(u *NewUser) error {
	if u.Role == "" {
		u.Role = RoleUser
	}
	if u.Language == "" {
		u.Language = LanguageEnglish
	}
	if u.Quota == nil {
		q := s.defaultQuota
		u.Quota = &q
	}
	var f fields
	f.username(u.Username)
	f.email(u.Email)
	f.password(u.Password)
	f.role(u.Role)
	f.language(u.Language)
	if err := f.err(); err != nil {
		return err
	}
	return u.Quota.Validate("body.quota")
}

// emailKey is what makes an address unique: its small letters.
func emailKey(address string) *string {
	if address == "" {
		return nil
	}
	key := strings.ToLower(address)
	return &key
}
