package api

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/carrel-dev/carrel/internal/account"
	"github.com/carrel-dev/carrel/internal/api/socket"
	"github.com/carrel-dev/carrel/internal/audit"
	"github.com/carrel-dev/carrel/internal/history"
	"github.com/carrel-dev/carrel/internal/pool"
	"github.com/carrel-dev/carrel/internal/project"
	"github.com/carrel-dev/carrel/internal/quota"
	"github.com/carrel-dev/carrel/internal/runtime"
	"github.com/carrel-dev/carrel/internal/session"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

// Deps is what the routes call. Accounts, Instances, Sessions, Projects and
// Desk are needed; what else is not set is left out.
type Deps struct {
	Accounts  Accounts
	Audit     AuditLog
	Instances Instances
	Sessions  Sessions
	Projects  Projects
	Desk      Desk
	Snapshots Snapshots // nil: none are kept
	Push      Push      // nil: no device is told anything
	// Use tells what a user has used of the models; nil: nobody counts.
	Use func(ctx context.Context, userID int64) (Use, error)
	// UseOfEach tells it of all users at once, and asks no instance; who is not there has used nothing. Set with Use.
	UseOfEach func(ctx context.Context) (map[int64]Use, error)
	// Warm has the instance of a person who has just come started ahead; nil:
	// it is started by what they do first. It does not wait.
	Warm func(userID int64)
	// History keeps figures over time; nil: nobody does.
	History History
	// Ready makes the checks of GET /readyz; one that fails means not ready.
	Ready func(ctx context.Context) []runtime.Finding
	// Metrics and Web are handlers of their own: Prometheus, and the page.
	Metrics http.Handler
	Web     http.Handler
	Log     *slog.Logger

	Version      string
	Started      time.Time
	Registration string // "closed", "invite" or "open"
	Languages    []string
	DefaultQuota quota.Quota // of a new user
	Scripted     bool        // answers come from the scripted model, not from a real one
	// PublicURL is how browsers reach us, when it is not what Host says; nil: it is.
	PublicURL *url.URL
	// TrustedProxies may say with X-Forwarded-For and -Proto for whom they ask.
	TrustedProxies []netip.Prefix
	// Patience with WebSockets; zero: as in production.
	Patience socket.Times
}

// Accounts is package account's service. Listing is by limit and cursor; what does not exist is a not_found.
type Accounts interface {
	NeedsSetup(ctx context.Context) (bool, error)
	Setup(ctx context.Context, code string, n account.NewUser) (account.User, error)
	Register(ctx context.Context, n account.NewUser, invitation string) (account.User, error)
	// Login answers a wrong name and a wrong password alike. Failures are counted by the client's address.
	Login(ctx context.Context, name, password string, from account.Client) (u account.User, secret string, expires time.Time, err error)
	// OpenLogin signs in a person who has just proved in another way who they are.
	OpenLogin(ctx context.Context, userID int64, from account.Client) (secret string, expires time.Time, err error)
	Logout(ctx context.Context, secret string) error
	UserOfCookie(ctx context.Context, secret, address string) (account.User, error)
	UserOfToken(ctx context.Context, secret string) (account.User, error)
	SignIns(ctx context.Context, userID int64, secret string) ([]account.SignIn, error)
	EndSignIn(ctx context.Context, userID int64, id string) error
	// EndOtherSignIns leaves only the one with that secret.
	EndOtherSignIns(ctx context.Context, userID int64, secret string) (int64, error)
	// ChangePassword is Change for a person's own password, who has to know the present one. With from they are signed in again.
	ChangePassword(ctx context.Context, userID int64, present string, c account.UserChange, from *account.Client) (account.User, account.SignedIn, error)

	Users(ctx context.Context, limit int, cursor string) (account.Page[account.User], error)
	User(ctx context.Context, id int64) (account.User, error)
	Create(ctx context.Context, n account.NewUser) (account.User, error)
	// Change ends the user's sign-ins when the password is new or the account is out of use.
	Change(ctx context.Context, id int64, c account.UserChange) (account.User, error)
	SetQuota(ctx context.Context, id int64, q quota.Quota) (account.User, error)
	Delete(ctx context.Context, id int64) error

	Tokens(ctx context.Context, userID int64, limit int, cursor string) (account.Page[account.Token], error)
	CreateToken(ctx context.Context, userID int64, name string, expires *time.Time) (t account.Token, secret string, err error)
	DeleteToken(ctx context.Context, userID int64, id string) error

	Invitations(ctx context.Context, limit int, cursor string) (account.Page[account.Invitation], error)
	Invite(ctx context.Context, n account.NewInvitation) (i account.Invitation, secret string, err error)
	Revoke(ctx context.Context, id string) error
}

// AuditLog is package audit's record.
type AuditLog interface {
	Record(ctx context.Context, e audit.Entry) error
	List(ctx context.Context, f audit.Filter, limit int, cursor string) (audit.Page, error)
}

// Use is what a user has used of the models.
type Use struct {
	TokensToday     int64   `json:"tokens_today" example:"48210" doc:"Tokens since 00:00 UTC."`
	TokensThisMonth int64   `json:"tokens_this_month" example:"913000" doc:"Tokens since the first of the month, 00:00 UTC."`
	CostUSD         float64 `json:"cost_usd" example:"4.21" doc:"What the sessions that there are have cost, as Claude Code counts it, in US dollars."`
	StorageBytes    *int64  `json:"storage_bytes" example:"734003200" doc:"Files and journals together, as last measured; null: unknown, as without an instance."`
}

// History is package history's.
type History interface {
	Server(span string) history.Figures
	User(userID int64, span string) history.Figures
	Recent(names ...string) history.Recent
}

// Instances is the pool. Where there is no instance, the answer is a not_found.
type Instances interface {
	Get(ctx context.Context, userID int64) (s pool.Stats, created bool, err error)
	Look(ctx context.Context, userID int64) (pool.Stats, error)
	All(ctx context.Context) []pool.Stats
	Destroy(ctx context.Context, userID int64) error
	Restart(ctx context.Context, userID int64) (pool.Stats, error)
	// SetQuota applies a changed quota to a running instance; without one it does nothing.
	SetQuota(ctx context.Context, userID int64, q quota.Quota) error
	// Erase ends the instance, if there is one, and removes the user's files for ever.
	Erase(ctx context.Context, userID int64) error
}

// Sessions is package session. A session of someone else's is a not_found that
// reads like one of a session that is not there.
type Sessions interface {
	socket.Sessions
	Create(ctx context.Context, userID int64, n session.NewSession) (session.Session, error)
	// List gives the sessions of a user, of one project if it is not "", the last used first.
	List(ctx context.Context, userID int64, project string, limit int, cursor string) (items []session.Session, next string, err error)
	Get(ctx context.Context, userID int64, id string) (session.Session, error)
	Delete(ctx context.Context, userID int64, id string) error
	// TellQuota has a user's connections told that what they may do is another now.
	TellQuota(userID int64)
	// Fork copies a conversation: all of it, or with before what was before that prompt.
	Fork(ctx context.Context, userID int64, id, before string) (session.Session, error)
	// Rewind puts files back to what they were before a prompt; with dryRun it only says which.
	Rewind(ctx context.Context, userID int64, id, prompt string, dryRun bool) (session.Rewound, error)
	// TaskOutput gives what a command that runs has written so far; one that does not is a not_found, or has nothing.
	TaskOutput(ctx context.Context, userID int64, id, task string) (session.TaskOutput, error)
	// Events gives at most limit events after a number, as far as there is room for them, and whether there may be more; with none there it waits as long as wait for the first.
	Events(ctx context.Context, userID int64, id string, after int64, limit int, wait time.Duration, room session.Room) (evs []protocol.Event, more bool, err error)
	// EventsBefore gives at most limit of the last events before a number, or of all when that is 0, in order.
	EventsBefore(ctx context.Context, userID int64, id string, before int64, limit int, room session.Room) ([]protocol.Event, error)
	// Export prepares a conversation to be written in a format; nothing is read before its Write.
	Export(ctx context.Context, userID int64, id, format string) (*session.Export, error)
	// Search finds words in what was said, the session that was used last first. A page may be short and have a next one.
	Search(ctx context.Context, userID int64, query string, limit int, cursor string) (items []session.Found, next string, err error)
}

// Projects is package project's service.
type Projects interface {
	List(ctx context.Context, userID int64, limit int, cursor string) (items []project.Project, next string, err error)
	Get(ctx context.Context, userID int64, name string) (project.Project, error)
	Create(ctx context.Context, userID int64, n project.New) (project.Project, error)
	Rename(ctx context.Context, userID int64, from, to string) (project.Project, error)
	Delete(ctx context.Context, userID int64, name string) error
}

// Desk is what happens inside a user's instance, which is made when there is none.
type Desk interface {
	socket.Terminals
	Command(ctx context.Context, userID int64, r *protocol.CommandRequest) (*protocol.CommandResponse, error)
	OpenTerminal(ctx context.Context, userID int64, r *protocol.OpenTerminalRequest) (*protocol.Terminal, error)
	Terminals(ctx context.Context, userID int64) ([]protocol.Terminal, error)
	RenameTerminal(ctx context.Context, userID int64, id, title string) (*protocol.Terminal, error)
	CloseTerminal(ctx context.Context, userID int64, id string) error
	// HTTP asks the file part inside the instance (supervisor/client.HTTP): path is what follows /files there.
	HTTP(ctx context.Context, userID int64, method, path string, query url.Values, header http.Header, body io.Reader) (*http.Response, error)
}

// withDefaults fills in what may be left out.
func (d Deps) withDefaults() Deps {
	if d.Log == nil {
		d.Log = slog.New(slog.DiscardHandler)
	}
	if d.Web == nil {
		d.Web = http.NotFoundHandler()
	}
	if d.Warm == nil {
		d.Warm = func(int64) {}
	}
	if d.Registration == "" {
		d.Registration = "invite"
	}
	if d.DefaultQuota == (quota.Quota{}) {
		d.DefaultQuota = quota.Default()
	}
	if d.Languages == nil {
		d.Languages = []string{"en", "zh-CN"}
	}
	return d
}
