package api

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/carrel-dev/carrel/internal/account"
	"github.com/carrel-dev/carrel/internal/fault"
)

// CookieName is the cookie of a person who signed in. Over https it has the prefix
// with which a browser takes it from this very host alone, and not from a sibling
// that would sign people in as somebody else.
const (
	CookieName = "carrel_session"
	hostPrefix = "__Host-"
)

// maxCookies is of how many cookies of the name the server looks whose they are.
const maxCookies = 4

// person is who asks, and by what right.
type person struct {
	user     account.User
	secret   string // of the cookie or the token
	byCookie bool
}

// cookieSecret is the secret of the cookie; empty with a token.
func (p *person) cookieSecret() string {
	if p.byCookie {
		return p.secret
	}
	return ""
}

// policy is who may use a route.
type policy int

const (
	anyone policy = iota
	signedIn
	moderators // and administrators
	adminsOnly
)

// check finds out who makes a request and whether they may. It runs before
// anything of the request is decoded.
func (s *Server) check(r *http.Request, who policy, webSocket bool) error {
	q := requestOf(r.Context())
	if who == anyone {
		return s.checkOrigin(r, false, webSocket)
	}
	p, err := s.identify(r)
	if err != nil {
		return err
	}
	q.person = p
	if err := s.checkOrigin(r, p.byCookie, webSocket); err != nil {
		return err
	}
	switch {
	case who == moderators && !account.RoleAtLeast(p.user.Role, account.RoleModerator):
		return fault.New(fault.Forbidden, "Only a moderator or an administrator may do that.")
	case who == adminsOnly && p.user.Role != account.RoleAdmin:
		return fault.New(fault.Forbidden, "Only an administrator may do that.")
	}
	return nil
}

// identify finds the person behind a request's token or cookie. A token that
// is sent must be good: a cookie beside it does not count.
func (s *Server) identify(r *http.Request) (*person, error) {
	if header := r.Header.Get("Authorization"); header != "" {
		scheme, secret, _ := strings.Cut(header, " ")
		secret = strings.TrimSpace(secret)
		if !strings.EqualFold(scheme, "Bearer") || !strings.HasPrefix(secret, "carrel_") {
			return nil, fault.New(fault.Unauthenticated, "The Authorization header is not 'Bearer carrel_…'. Make an API token in your account and send that.")
		}
		return s.recognise(r.Context(), secret, false, "")
	}
	err := error(fault.New(fault.Unauthenticated, "Nobody is signed in. Sign in, or send an API token."))
	for _, secret := range cookies(r) {
		var p *person
		if p, err = s.recognise(r.Context(), secret, true, requestOf(r.Context()).client); fault.CodeOf(err) != fault.Unauthenticated {
			return p, err
		}
	}
	return nil, err
}

// cookies gives the secrets to try, those first that only this host can have set.
// The others are of http, and of a sign-in from before there was the prefix: one of
// https that comes without it was taken from its browser and tossed into another.
func cookies(r *http.Request) []string {
	var all []string
	for _, name := range []string{hostPrefix + CookieName, CookieName} {
		for _, c := range r.CookiesNamed(name) {
			if c.Value != "" && (name != CookieName || !account.OfHTTPS(c.Value)) {
				all = append(all, c.Value)
			}
		}
	}
	return all[:min(len(all), maxCookies)]
}

// recognise asks whose secret it is, now. A WebSocket asks again while it is open.
func (s *Server) recognise(ctx context.Context, secret string, byCookie bool, client string) (*person, error) {
	var u account.User
	var err error
	if byCookie {
		u, err = s.deps.Accounts.UserOfCookie(ctx, secret, client)
	} else {
		u, err = s.deps.Accounts.UserOfToken(ctx, secret)
	}
	if err != nil {
		return nil, err
	}
	if !u.Active {
		return nil, fault.New(fault.Unauthenticated, "This account is switched off. Ask your administrator.")
	}
	return &person{user: u, secret: secret, byCookie: byCookie}, nil
}

// guard is check as huma's middleware.
func (s *Server) guard(who policy) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		r, _ := humago.Unwrap(ctx)
		if err := s.check(r, who, false); err != nil {
			s.failHuma(ctx, err)
			return
		}
		next(ctx)
	}
}

// recogniseAnyone finds out who makes a request that anyone may make, where somebody is signed in.
func (s *Server) recogniseAnyone(ctx huma.Context, next func(huma.Context)) {
	r, _ := humago.Unwrap(ctx)
	p, err := s.identify(r)
	if err != nil && fault.CodeOf(err) != fault.Unauthenticated {
		s.failHuma(ctx, err)
		return
	}
	requestOf(r.Context()).person = p
	next(ctx)
}

// caller is the user who makes the request; guard has seen to it that there is one.
func caller(ctx context.Context) account.User { return requestOf(ctx).person.user }

func (q *request) cookieName() string {
	if q.https {
		return hostPrefix + CookieName
	}
	return CookieName
}

// cookie makes the cookie for a secret, or one that removes it.
func (q *request) cookie(secret string, expires time.Time) string {
	c := &http.Cookie{ //nolint:gosec // Secure follows how the browser came
		Name: q.cookieName(), Value: secret, Path: "/", HttpOnly: true, Secure: q.https, SameSite: http.SameSiteLaxMode,
	}
	if secret == "" {
		c.MaxAge = -1
	} else if !expires.IsZero() {
		c.Expires = expires.UTC()
	}
	return c.String()
}
