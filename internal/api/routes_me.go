package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/carrel-dev/carrel/internal/account"
	"github.com/carrel-dev/carrel/internal/fault"
)

// Account is a user with what they have used.
type Account struct {
	account.User
	Usage Use `json:"usage" doc:"What was used of the models and of the storage."`
}

type (
	changeMeInput struct {
		Body struct {
			Email           *string `json:"email,omitempty" maxLength:"320" example:"ana@example.org" doc:"E-mail address."`
			Language        *string `json:"language,omitempty" maxLength:"20" example:"zh-CN" doc:"Language of the page."`
			Password        *string `json:"password,omitempty" maxLength:"1000" doc:"A new password."`
			CurrentPassword *string `json:"current_password,omitempty" maxLength:"1000" doc:"The present password; needed for a new one."`
		} `nameHint:"MeChange"`
	}
	changedMeOutput struct {
		SetCookie string `header:"Set-Cookie" doc:"A new cookie, when the password is new."`
		Body      Account
	}
	tokenInput struct {
		Body struct {
			Name      string     `json:"name" minLength:"1" maxLength:"100" example:"nightly build" doc:"What the token is for."`
			ExpiresAt *time.Time `json:"expires_at,omitempty" doc:"When it stops to count; never, if left out."`
		} `nameHint:"NewToken"`
	}
	idInput struct {
		ID string `path:"id" maxLength:"200" doc:"The id."`
	}
)

// NewTokenSecret is a token with its secret, which is shown this once.
type NewTokenSecret struct {
	account.Token
	Secret string `json:"secret" example:"carrel_…" doc:"Send it as 'Authorization: Bearer …'. It is not shown again."`
}

func (s *Server) registerMe() {
	route(s, signedIn, huma.Operation{Method: http.MethodGet, Path: "/me", Summary: "Own account, quota and use"},
		func(ctx context.Context, _ *nothing) (*body[Account], error) {
			me, err := s.withUse(ctx, caller(ctx))
			return &body[Account]{Body: me}, err
		})
	route(s, signedIn, huma.Operation{Method: http.MethodPatch, Path: "/me", Summary: "Change the own account",
		Description: "A new password needs the present one. It ends every other sign-in, and no device is told anything any more. One change at a time (429); one that another password overtook is a 409."}, s.changeMe)
}

func (s *Server) changeMe(ctx context.Context, in *changeMeInput) (*changedMeOutput, error) {
	b, id := in.Body, caller(ctx).ID
	c := account.UserChange{Email: b.Email, Language: b.Language, Password: b.Password}
	out := &changedMeOutput{}
	var u account.User
	var err error
	if b.Password == nil {
		u, err = s.deps.Accounts.Change(ctx, id, c)
	} else {
		u, out.SetCookie, err = s.changePassword(ctx, b.CurrentPassword, c)
	}
	if err != nil {
		return nil, err
	}
	out.Body, err = s.withUse(ctx, u)
	return out, err
}

func (s *Server) changePassword(ctx context.Context, present *string, c account.UserChange) (account.User, string, error) {
	q := requestOf(ctx)
	id := q.person.user.ID
	if present == nil {
		return account.User{}, "", fault.InvalidField("body.current_password", "A new password needs the present one.")
	}
	var again *account.Client // the old cookie ends with the old password
	if q.person.byCookie {
		from := q.from()
		again = &from
	}
	u, in, err := s.deps.Accounts.ChangePassword(ctx, id, *present, c, again)
	if err != nil {
		return u, "", err
	}
	s.note(ctx, "me.password", userTarget(id), nil)
	if err := s.deps.Push.Forget(ctx, id); err != nil {
		return u, "", err
	}
	s.sockets.Recheck(id)
	if again == nil {
		return u, "", nil
	}
	return u, q.cookie(in.Secret, in.Expires), nil
}

func (s *Server) withUse(ctx context.Context, u account.User) (Account, error) {
	a := Account{User: u}
	if s.deps.Use != nil {
		use, err := s.deps.Use(ctx, u.ID)
		if err != nil {
			return a, err
		}
		a.Usage = use
	}
	return a, nil
}

func (s *Server) registerTokens() {
	route(s, signedIn, huma.Operation{Method: http.MethodGet, Path: "/me/tokens", Summary: "Own API tokens"},
		func(ctx context.Context, in *Page) (*body[List[account.Token]], error) {
			p, err := s.deps.Accounts.Tokens(ctx, caller(ctx).ID, in.Limit, in.Cursor)
			if err != nil {
				return nil, err
			}
			return listOf(p.Items, p.NextCursor), nil
		})
	route(s, signedIn, huma.Operation{Method: http.MethodPost, Path: "/me/tokens", Summary: "Make an API token", DefaultStatus: http.StatusCreated,
		Description: "The secret is shown once."},
		func(ctx context.Context, in *tokenInput) (*body[NewTokenSecret], error) {
			t, secret, err := s.deps.Accounts.CreateToken(ctx, caller(ctx).ID, in.Body.Name, in.Body.ExpiresAt)
			if err != nil {
				return nil, err
			}
			s.note(ctx, "token.create", t.ID, map[string]any{"name": t.Name})
			return &body[NewTokenSecret]{Body: NewTokenSecret{Token: t, Secret: secret}}, nil
		})
	route(s, signedIn, huma.Operation{Method: http.MethodDelete, Path: "/me/tokens/{id}", Summary: "End an API token"},
		func(ctx context.Context, in *idInput) (*nothing, error) {
			if err := s.deps.Accounts.DeleteToken(ctx, caller(ctx).ID, in.ID); err != nil {
				return nil, err
			}
			s.note(ctx, "token.delete", in.ID, nil)
			s.sockets.Recheck(caller(ctx).ID)
			return nil, nil
		})
}

func (s *Server) registerSignIns() {
	route(s, signedIn, huma.Operation{Method: http.MethodGet, Path: "/me/sign-ins", Summary: "Where one is signed in",
		Description: "Every browser with a cookie that counts, the newest first, at most 100. API tokens are not among them."},
		func(ctx context.Context, _ *nothing) (*body[List[account.SignIn]], error) {
			p := requestOf(ctx).person
			all, err := s.deps.Accounts.SignIns(ctx, p.user.ID, p.cookieSecret())
			if err != nil {
				return nil, err
			}
			return listOf(all, ""), nil
		})
	route(s, signedIn, huma.Operation{Method: http.MethodDelete, Path: "/me/sign-ins/{id}", Summary: "End one of the own sign-ins",
		Description: "Ends every connection that was opened with it, and its device is told nothing any more."},
		func(ctx context.Context, in *idInput) (*nothing, error) {
			if err := s.deps.Accounts.EndSignIn(ctx, caller(ctx).ID, in.ID); err != nil {
				return nil, err
			}
			s.note(ctx, "sign_in.end", in.ID, nil)
			s.sockets.Recheck(caller(ctx).ID)
			return nil, nil
		})
	route(s, signedIn, huma.Operation{Method: http.MethodDelete, Path: "/me/sign-ins", Summary: "End all other sign-ins",
		Description: "All but the one that asks; with an API token, all."},
		func(ctx context.Context, _ *nothing) (*nothing, error) {
			p := requestOf(ctx).person
			n, err := s.deps.Accounts.EndOtherSignIns(ctx, p.user.ID, p.cookieSecret())
			if err != nil {
				return nil, err
			}
			s.note(ctx, "sign_in.end_others", userTarget(p.user.ID), map[string]any{"ended": n})
			s.sockets.Recheck(p.user.ID)
			return nil, nil
		})
}
