// Package account owns people: users with their roles and quotas, passwords,
// login sessions, API tokens and invitations. Passwords are argon2id; cookies,
// tokens and invitations are stored as hashes only. It decides what is a valid
// account and who is asking; what that person may then do, package api decides.
package account

import (
	"log/slog"
	"time"

	"github.com/alexedwards/argon2id"
	"github.com/uptrace/bun"

	"github.com/carrel-dev/carrel/internal/quota"
)

// Roles, from most to least.
const (
	RoleAdmin     = "admin"
	RoleModerator = "moderator"
	RoleUser      = "user"
)

// Policies of registration.
const (
	RegistrationClosed = "closed" // administrators make accounts
	RegistrationInvite = "invite" // who has an invitation may register
	RegistrationOpen   = "open"   // everybody may register
)

// Languages of the page and of the files a new workspace starts with.
const (
	LanguageEnglish = "en"
	LanguageChinese = "zh-CN"
)

// User is a person with an account.
type User struct {
	ID         int64       `json:"id"`
	Username   string      `json:"username"` // matches runtime.NamePattern; unique
	Email      string      `json:"email,omitempty"`
	Role       string      `json:"role"`
	Language   string      `json:"language"` // "en" or "zh-CN"
	Active     bool        `json:"active"`
	CreatedAt  time.Time   `json:"created_at"`
	LastSeenAt *time.Time  `json:"last_seen_at"` // to the minute; nil: never, or by a Carrel that did not note it
	Quota      quota.Quota `json:"quota"`
}

// NewUser is what making an account takes.
type NewUser struct {
	Username string
	Email    string // may be empty, but not in Register
	Password string
	Role     string       // "": user
	Language string       // "": English
	Quota    *quota.Quota // nil: the configured default
}

// UserChange changes what is not nil. An empty Email takes the address away.
type UserChange struct {
	Username *string
	Email    *string
	Password *string
	Role     *string
	Language *string
	Active   *bool

	RevokeTokens bool // with the API tokens of somebody whose account was in other hands
}

// Token is an API token without its secret.
type Token struct {
	ID         string     `json:"id"`
	Name       string     `json:"name"`
	CreatedAt  time.Time  `json:"created_at"`
	LastUsedAt *time.Time `json:"last_used_at"` // to the minute
	ExpiresAt  *time.Time `json:"expires_at"`   // nil: never
}

// Invitation lets one person register. Its secret is shown once.
type Invitation struct {
	ID        string     `json:"id"`
	Role      string     `json:"role"`       // of the account it makes
	CreatedBy int64      `json:"created_by"` // 0: the command line
	CreatedAt time.Time  `json:"created_at"`
	ExpiresAt time.Time  `json:"expires_at"`
	UsedAt    *time.Time `json:"used_at"`
	UsedBy    int64      `json:"used_by,omitempty"` // 0: nobody, or a user who is gone

	// In lists, for moderators, who see no list of users.
	CreatedByName string `json:"created_by_name,omitempty"`
	UsedByName    string `json:"used_by_name,omitempty"`
}

// Page is one page of a list. NextCursor is "" at the end.
type Page[T any] struct {
	Items      []T // never nil
	NextCursor string
}

// Options are what a Service is made of.
type Options struct {
	DB           *bun.DB
	Policy       string      // of registration; "" is closed
	DefaultQuota quota.Quota // of a new user
	SetupCode    string      // "": a random one, see Service.SetupCode
	Now          func() time.Time
	Log          *slog.Logger
	// Hash is the cost of a password hash; nil: what production uses. Tests take less.
	Hash *argon2id.Params
}

// Service is all that is done with accounts. Its methods may be called from any
// goroutine, also while another process uses the same database. Every error that
// a person caused is a fault.Error; fields are named as in a request ("body.username").
type Service struct {
	db           *bun.DB
	policy       string
	defaultQuota quota.Quota
	setupCode    string
	clock        func() time.Time
	log          *slog.Logger

	passwords *passwords
	guesses   *guesses  // of who signs in
	own       *slowdown // by user: wrong present passwords of who is signed in, which no stranger can make
}

// New makes a Service.
func New(o Options) *Service {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.SetupCode == "" {
		o.SetupCode = newSetupCode()
	}
	if o.Hash == nil {
		o.Hash = &production
	}
	return &Service{
		db:           o.DB,
		policy:       o.Policy,
		defaultQuota: o.DefaultQuota,
		setupCode:    o.SetupCode,
		clock:        o.Now,
		log:          o.Log,
		passwords:    newPasswords(*o.Hash),
		guesses:      newGuesses(o.Now),
		own:          &slowdown{now: o.Now, free: freeByPair, forgets: forgetsPair},
	}
}

// now is the time as the store keeps it.
func (s *Service) now() time.Time { return s.clock().UTC().Truncate(time.Microsecond) }

// RoleAtLeast tells whether role is least or more than it.
func RoleAtLeast(role, least string) bool {
	rank := map[string]int{RoleUser: 1, RoleModerator: 2, RoleAdmin: 3}
	return rank[role] > 0 && rank[least] > 0 && rank[role] >= rank[least]
}
