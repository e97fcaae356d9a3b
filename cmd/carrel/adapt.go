package main

import (
	"context"
	"errors"
	"io"
	"iter"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/carrel-dev/carrel/internal/account"
	"github.com/carrel-dev/carrel/internal/api"
	"github.com/carrel-dev/carrel/internal/api/socket"
	"github.com/carrel-dev/carrel/internal/config"
	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/meter"
	"github.com/carrel-dev/carrel/internal/pool"
	"github.com/carrel-dev/carrel/internal/quota"
	"github.com/carrel-dev/carrel/internal/runtime"
	"github.com/carrel-dev/carrel/internal/session"
	"github.com/carrel-dev/carrel/internal/supervisor/client"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

// owners tells the pool whose an instance is.
type owners struct{ accounts *account.Service }

func (o owners) Owner(ctx context.Context, userID int64) (pool.Owner, error) {
	u, err := o.accounts.User(ctx, userID)
	if err != nil {
		return pool.Owner{}, err
	}
	return pool.Owner{ID: u.ID, Name: u.Username, Language: u.Language, Active: u.Active, Quota: u.Quota}, nil
}

func (o owners) byName(ctx context.Context, name string) (int64, error) {
	u, err := o.accounts.UserByName(ctx, name)
	return u.ID, err
}

// quotas tells the meter the limits of everybody who may work.
type quotas struct{ accounts *account.Service }

func (q quotas) Quotas(ctx context.Context) (map[int64]quota.Quota, error) {
	all := map[int64]quota.Quota{}
	for cursor := ""; ; {
		page, err := q.accounts.Users(ctx, 200, cursor)
		if err != nil {
			return nil, err
		}
		for _, u := range page.Items {
			if u.Active {
				all[u.ID] = u.Quota
			}
		}
		if cursor = page.NextCursor; cursor == "" {
			return all, nil
		}
	}
}

// use is what a user has used.
func (s *server) use(ctx context.Context, userID int64) (api.Use, error) {
	u, err := s.meter.Usage(ctx, userID)
	if err != nil {
		return api.Use{}, err
	}
	costs, err := s.sessions.Costs(ctx, userID)
	if err != nil {
		return api.Use{}, err
	}
	return withStorage(api.Use{TokensToday: u.Today.Total, TokensThisMonth: u.Month.Total, CostUSD: costs[userID]}, s.pool.Stored(), userID), nil
}

func (s *server) useOfEach(ctx context.Context) (map[int64]api.Use, error) {
	totals, err := s.meter.Totals(ctx)
	if err != nil {
		return nil, err
	}
	costs, err := s.sessions.Costs(ctx)
	if err != nil {
		return nil, err
	}
	stored := s.pool.Stored()
	all := make(map[int64]api.Use, len(totals))
	for _, ids := range []iter.Seq[int64]{maps.Keys(totals), maps.Keys(costs), maps.Keys(stored)} {
		for id := range ids {
			t := totals[id]
			all[id] = withStorage(api.Use{TokensToday: t.Today, TokensThisMonth: t.Month, CostUSD: costs[id]}, stored, id)
		}
	}
	return all, nil
}

func withStorage(u api.Use, stored map[int64]int64, userID int64) api.Use {
	if n, ok := stored[userID]; ok {
		u.StorageBytes = &n
	}
	return u
}

// instances is the pool as the API asks it: by what it shows.
type instances struct {
	*pool.Pool
	meter    *meter.Meter
	sessions *session.Service
}

// SetQuota tells the gateway of new token limits, too: before it returns, so
// that they hold for what comes next, and once more in the background, lest a
// renewal that began before be the last word. There a failure is told.
func (i instances) SetQuota(ctx context.Context, userID int64, q quota.Quota) error {
	push, cancel := context.WithTimeout(ctx, 2*time.Second)
	_ = i.meter.PushLeases(push)
	cancel()
	i.meter.Renew()
	defer i.sessions.TellQuota(userID)
	return i.Pool.SetQuota(ctx, userID, q)
}

func (i instances) Get(ctx context.Context, userID int64) (pool.Stats, bool, error) {
	_, created, err := i.Pool.Get(ctx, userID)
	if err != nil {
		return pool.Stats{}, false, err
	}
	st, err := i.Pool.Look(ctx, userID)
	return st, created, err
}

// Look hides an instance that was started ahead: until its person comes there
// is none. Metrics count it.
func (i instances) Look(ctx context.Context, userID int64) (pool.Stats, error) {
	st, err := i.Pool.Look(ctx, userID)
	if err == nil && st.Ahead {
		return pool.Stats{}, fault.New(fault.NotFound, "There is no instance.")
	}
	return st, err
}

func (i instances) All(ctx context.Context) []pool.Stats {
	return slices.DeleteFunc(i.Pool.All(ctx), func(st pool.Stats) bool { return st.Ahead })
}

// desk is what happens inside a user's instance.
type desk struct{ pool *pool.Pool }

func (d desk) client(ctx context.Context, userID int64) (*client.Client, error) {
	inst, _, err := d.pool.Get(ctx, userID)
	if err != nil {
		return nil, err
	}
	inst.Touch()
	return inst.Client(), nil
}

func inside[T any](ctx context.Context, d desk, userID int64, f func(*client.Client) (T, error)) (T, error) {
	c, err := d.client(ctx, userID)
	if err != nil {
		var none T
		return none, err
	}
	return f(c)
}

func (d desk) Command(ctx context.Context, userID int64, r *protocol.CommandRequest) (*protocol.CommandResponse, error) {
	return inside(ctx, d, userID, func(c *client.Client) (*protocol.CommandResponse, error) { return c.Command(ctx, r) })
}

func (d desk) OpenTerminal(ctx context.Context, userID int64, r *protocol.OpenTerminalRequest) (*protocol.Terminal, error) {
	return inside(ctx, d, userID, func(c *client.Client) (*protocol.Terminal, error) { return c.OpenTerminal(ctx, r) })
}

func (d desk) Terminals(ctx context.Context, userID int64) ([]protocol.Terminal, error) {
	return inside(ctx, d, userID, func(c *client.Client) ([]protocol.Terminal, error) { return c.Terminals(ctx) })
}

func (d desk) RenameTerminal(ctx context.Context, userID int64, id, title string) (*protocol.Terminal, error) {
	return inside(ctx, d, userID, func(c *client.Client) (*protocol.Terminal, error) {
		return c.RenameTerminal(ctx, &protocol.RenameTerminalRequest{ID: id, Title: title})
	})
}

func (d desk) CloseTerminal(ctx context.Context, userID int64, id string) error {
	_, err := inside(ctx, d, userID, func(c *client.Client) (struct{}, error) {
		return struct{}{}, c.CloseTerminal(ctx, &protocol.TerminalRequest{ID: id})
	})
	return err
}

func (d desk) Attach(ctx context.Context, userID int64, id string, after int64) (socket.Attachment, error) {
	return inside(ctx, d, userID, func(c *client.Client) (socket.Attachment, error) { return c.Attach(ctx, id, after) })
}

// HTTP keeps the instance in use until the answer's body is closed: what is sent or fetched may take as long as it will.
func (d desk) HTTP(ctx context.Context, userID int64, method, path string, query url.Values, header http.Header, body io.Reader) (*http.Response, error) {
	inst, _, err := d.pool.Get(ctx, userID)
	if err != nil {
		return nil, err
	}
	release := sync.OnceFunc(inst.Use())
	res, err := inst.Client().HTTP(ctx, method, path, query, header, body)
	if err != nil {
		release()
		return nil, err
	}
	res.Body = &heldBody{res.Body, release}
	return res, nil
}

type heldBody struct {
	io.ReadCloser
	release func()
}

func (b *heldBody) Close() error {
	defer b.release()
	return b.ReadCloser.Close()
}

// ready checks what the server needs to serve.
func (s *server) ready(ctx context.Context) []runtime.Finding {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	finding := func(name string, err error, remedy string) runtime.Finding {
		f := runtime.Finding{Name: name, State: "ok"}
		if err != nil {
			var known *fault.Error
			f.State, f.Detail, f.Remedy = "fail", "It does not answer.", remedy
			if errors.As(err, &known) {
				f.Detail = known.Detail
			}
		}
		return f
	}
	out := []runtime.Finding{finding("store", s.db.Ping(ctx), "")}
	st, err := s.keeper.Status(ctx)
	out = append(out, finding("runtime", err, "carrel serve"))
	var claude error
	if err == nil && st.Claude == "" {
		claude = fault.New(fault.RuntimeUnavailable, "The Claude CLI was not found.")
	}
	if err == nil {
		out = append(out, finding("claude", claude, "make claude, or set claude.path"))
	}
	_, err = s.gateway.Status(ctx)
	out = append(out, finding("gateway", err, "carrel serve"), disk("."))
	return append(out, capacity(s.pool.Figures())...)
}

// contact is whom a push service may ask about our messages: an address, or a https URL, and nothing else.
func contact(cfg config.Config) string {
	if cfg.Push.Contact == "" && cfg.PublicURL != nil && cfg.PublicURL.Scheme == "https" {
		return cfg.PublicURL.String()
	}
	return cfg.Push.Contact
}
