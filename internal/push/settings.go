package push

import (
	"context"
	"crypto/ecdh"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"time"
	_ "time/tzdata" // people's zones are known on a host that knows none

	"github.com/uptrace/bun"

	"github.com/carrel-dev/carrel/internal/fault"
)

// Subscription is a browser that is told.
type Subscription struct {
	ID         string     `json:"id" doc:"The device's id here."`
	Device     string     `json:"device" doc:"What the person calls it."`
	CreatedAt  time.Time  `json:"created_at" doc:"Since when."`
	LastSentAt *time.Time `json:"last_sent_at" doc:"When it was last told something; null: never."`
	Problem    string     `json:"problem" doc:"Why the last notification could not be sent; empty when it could."`
}

// NewSubscription is what a browser's PushSubscription says.
type NewSubscription struct {
	Endpoint, P256DH, Auth, Device string
	// SignIn is the sign-in that asked for it, with which it ends; nil: an API token did.
	SignIn []byte
}

// Quiet is when nothing is told.
type Quiet struct {
	From string `json:"from" example:"22:00" doc:"When it begins, HH:MM."`
	To   string `json:"to" example:"07:00" doc:"When it ends, HH:MM; before from: on the next day."`
	Zone string `json:"zone" example:"Asia/Shanghai" doc:"Time zone of both, as IANA names it."`
}

// Settings say what a person wants to be told.
type Settings struct {
	Requests bool   `json:"requests" doc:"Claude asks for a permission, or a question."`
	Finished bool   `json:"finished" doc:"A turn that took a while has finished."`
	Failed   bool   `json:"failed" doc:"A turn could not go on."`
	Quiet    *Quiet `json:"quiet" doc:"Hours in which nothing is told; what waits for an answer when they end is told then; null: none."`
}

// Change changes what is not nil.
type Change struct {
	Requests, Finished, Failed *bool
	Quiet                      *Quiet
	NoQuiet                    bool
}

// wants says whether anything of the kind is told at all.
func (s Settings) wants(ended bool) bool {
	if ended {
		return s.Finished || s.Failed
	}
	return s.Requests
}

// quietUntil says when the quiet hours end that a moment is in; zero: it is in none.
func (s Settings) quietUntil(t time.Time) time.Time {
	if s.Quiet == nil {
		return time.Time{}
	}
	zone, err := time.LoadLocation(s.Quiet.Zone)
	if err != nil {
		return time.Time{} // it was known when it was set
	}
	if !s.Quiet.holds(t.In(zone)) {
		return time.Time{}
	}
	// By the minute: a day with a change of the clock may lack the hour that ends them.
	end := t.In(zone).Truncate(time.Minute)
	for s.Quiet.holds(end) {
		end = end.Add(time.Minute)
	}
	return end
}

// holds says whether the clock of a moment is between from and to.
func (q Quiet) holds(t time.Time) bool {
	now := t.Format("15:04")
	if q.From < q.To {
		return q.From <= now && now < q.To
	}
	return now >= q.From || now < q.To
}

func (q Quiet) check() error {
	for field, at := range map[string]string{"body.quiet.from": q.From, "body.quiet.to": q.To} {
		if t, err := time.Parse("15:04", at); err != nil || t.Format("15:04") != at {
			return fault.InvalidField(field, "Give a time as HH:MM, such as 07:30.")
		}
	}
	if q.From == q.To {
		return fault.InvalidField("body.quiet.to", "Quiet hours end at another time than they begin.")
	}
	if _, err := time.LoadLocation(q.Zone); err != nil || q.Zone == "" || q.Zone == "Local" {
		return fault.InvalidField("body.quiet.zone", "There is no such time zone. Give one such as Asia/Shanghai.")
	}
	return nil
}

// PublicKey is what a browser subscribes with.
func (s *Service) PublicKey(ctx context.Context) (string, error) {
	k, err := s.key(ctx)
	return k.PublicKey, err
}

// Subscriptions are a person's devices, the newest first.
func (s *Service) Subscriptions(ctx context.Context, userID int64) ([]Subscription, error) {
	rows, err := subscriptionsOf(ctx, s.db, userID)
	if err != nil {
		return nil, err
	}
	all := make([]Subscription, len(rows))
	for i, r := range rows {
		all[i] = r.subscription()
	}
	return all, nil
}

// Subscribe keeps a browser. The same again renews it.
func (s *Service) Subscribe(ctx context.Context, userID int64, n NewSubscription) (sub Subscription, made bool, err error) {
	if err := s.check(n); err != nil {
		return Subscription{}, false, err
	}
	r, made, err := putSubscription(ctx, s.db, subscriptionRow{
		UserID: userID, Endpoint: n.Endpoint, P256DH: n.P256DH, Auth: n.Auth, Device: short(n.Device, maxDeviceRunes), CreatedAt: s.now().UTC(), Login: n.SignIn,
	})
	return r.subscription(), made, err
}

// check refuses what no push service would have given. Where it leads is judged when it is dialled.
func (s *Service) check(n NewSubscription) error {
	badEndpoint := fault.InvalidField("body.endpoint", "The endpoint is not the https address of a push service.")
	u, err := url.Parse(n.Endpoint)
	if err != nil || len(n.Endpoint) > maxEndpointBytes || u.Host == "" || u.User != nil || u.Fragment != "" || u.Opaque != "" {
		return badEndpoint
	}
	trusted := s.sender.trusts(u.Host) || s.sender.trusts(u.Host+":443")
	if u.Scheme != "https" && (u.Scheme != "http" || !trusted) {
		return badEndpoint
	}
	if !trusted {
		// A proxy would resolve the name for us: an address or a name without a dot is never a push service.
		if _, err := netip.ParseAddr(u.Hostname()); err == nil || !strings.Contains(u.Hostname(), ".") {
			return badEndpoint
		}
	}
	point, err := decodeKey(n.P256DH)
	if err == nil {
		_, err = ecdh.P256().NewPublicKey(point)
	}
	if err != nil {
		return fault.InvalidField("body.keys.p256dh", "p256dh is not a public key of the browser's.")
	}
	if secret, err := decodeKey(n.Auth); err != nil || len(secret) != 16 {
		return fault.InvalidField("body.keys.auth", "auth is not a secret of the browser's.")
	}
	return nil
}

func decodeKey(text string) ([]byte, error) {
	return base64.RawURLEncoding.DecodeString(strings.NewReplacer("+", "-", "/", "_").Replace(strings.TrimRight(text, "=")))
}

// Unsubscribe forgets a device.
func (s *Service) Unsubscribe(ctx context.Context, userID int64, id string) error {
	return removeSubscription(ctx, s.db, userID, id)
}

// Settings gives a person's.
func (s *Service) Settings(ctx context.Context, userID int64) (Settings, error) {
	return settingsOf(ctx, s.db, userID)
}

func settingsOf(ctx context.Context, db bun.IDB, userID int64) (Settings, error) {
	var r struct {
		Requests, Finished, Failed    bool
		QuietFrom, QuietTo, QuietZone string
	}
	err := db.NewSelect().Table("push_settings").Column("requests", "finished", "failed", "quiet_from", "quiet_to", "quiet_zone").
		Where("user_id = ?", userID).Scan(ctx, &r)
	if errors.Is(err, sql.ErrNoRows) {
		return Settings{Requests: true, Finished: true, Failed: true}, nil
	}
	if err != nil {
		return Settings{}, fmt.Errorf("read settings of notifications: %w", err)
	}
	s := Settings{Requests: r.Requests, Finished: r.Finished, Failed: r.Failed}
	if r.QuietFrom != "" {
		s.Quiet = &Quiet{r.QuietFrom, r.QuietTo, r.QuietZone}
	}
	return s, nil
}

// ChangeSettings changes a person's.
func (s *Service) ChangeSettings(ctx context.Context, userID int64, c Change) (Settings, error) {
	if c.Quiet != nil {
		if err := c.Quiet.check(); err != nil {
			return Settings{}, err
		}
	}
	now, err := settingsOf(ctx, s.db, userID)
	if err != nil {
		return Settings{}, err
	}
	for to, from := range map[*bool]*bool{&now.Requests: c.Requests, &now.Finished: c.Finished, &now.Failed: c.Failed} {
		if from != nil {
			*to = *from
		}
	}
	if c.Quiet != nil || c.NoQuiet {
		now.Quiet = c.Quiet
	}
	var q Quiet
	if now.Quiet != nil {
		q = *now.Quiet
	}
	_, err = s.db.NewRaw(`INSERT INTO push_settings (user_id, requests, finished, failed, quiet_from, quiet_to, quiet_zone) VALUES (?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (user_id) DO UPDATE SET requests = excluded.requests, finished = excluded.finished, failed = excluded.failed,
		quiet_from = excluded.quiet_from, quiet_to = excluded.quiet_to, quiet_zone = excluded.quiet_zone`,
		userID, now.Requests, now.Finished, now.Failed, q.From, q.To, q.Zone).Exec(ctx)
	if err != nil {
		return Settings{}, fmt.Errorf("write settings of notifications: %w", err)
	}
	s.states.again(userID, s.now()) // what was put off to the end of other quiet hours
	return now, nil
}

// Forget has all devices of a person told nothing any more: who had the old password may have signed one up.
func (s *Service) Forget(ctx context.Context, userID int64) error {
	if _, err := s.db.NewDelete().Table("push_subscriptions").Where("user_id = ?", userID).Exec(ctx); err != nil {
		return fmt.Errorf("forget a user's devices: %w", err)
	}
	return nil
}

// Test tells all devices of a person something, in quiet hours too, and returns when each has been tried. One at a
// time: it has the server send to wherever the person wants.
func (s *Service) Test(ctx context.Context, userID int64) error {
	if _, runs := s.testing.LoadOrStore(userID, true); runs {
		return fault.New(fault.RateLimited, "A test is being sent already. Wait until it has been.")
	}
	defer s.testing.Delete(userID)
	u, err := s.o.Accounts.User(ctx, userID)
	if err != nil {
		return err
	}
	subs, err := subscriptionsOf(ctx, s.db, userID)
	if err != nil {
		return err
	}
	if len(subs) == 0 {
		return fault.New(fault.Conflict, "No device of yours takes notifications yet. Turn them on first.")
	}
	m := Message{Kind: KindTest, URL: "/account", Tag: "test", Language: u.Language}
	m.Title, m.Body = sayTest(u.Language)
	if m.Waiting, err = waiting(ctx, s.db, userID); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, testTimeout)
	defer cancel()
	s.send(ctx, subs, m)
	return nil
}
