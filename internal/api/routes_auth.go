package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/carrel-dev/carrel/internal/account"
	"github.com/carrel-dev/carrel/internal/fault"
)

type (
	setupInput struct {
		Body struct {
			SetupCode string `json:"setup_code" maxLength:"200" example:"7QX4-M2PA" doc:"The code that the server printed when it started."`
			Username  string `json:"username" maxLength:"200" example:"ana" doc:"Login name: lower case, begins with a letter."`
			Password  string `json:"password" maxLength:"1000" doc:"A password of your own."`
			Email     string `json:"email,omitempty" maxLength:"320" example:"ana@example.org" doc:"E-mail address."`
			Language  string `json:"language,omitempty" maxLength:"20" example:"en" doc:"Language of the page and of the first README."`
		} `nameHint:"Setup"`
	}
	loginInput struct {
		Body struct {
			Username string `json:"username" maxLength:"320" example:"ana" doc:"User name or e-mail address."`
			Password string `json:"password" maxLength:"1000" doc:"The password."`
		} `nameHint:"Login"`
	}
	registerInput struct {
		Body struct {
			Username   string `json:"username" maxLength:"200" example:"ana" doc:"Login name: lower case, begins with a letter."`
			Email      string `json:"email,omitempty" maxLength:"320" example:"ana@example.org" doc:"E-mail address."`
			Password   string `json:"password" maxLength:"1000" doc:"A password of your own."`
			Invitation string `json:"invitation,omitempty" maxLength:"200" doc:"The invitation's secret, where registration needs one."`
			Language   string `json:"language,omitempty" maxLength:"20" example:"en" doc:"Language of the page and of the first README."`
		} `nameHint:"Registration"`
	}
	// signedInOutput is a user who is signed in from now on.
	signedInOutput struct {
		SetCookie string `header:"Set-Cookie" doc:"The cookie carrel_session; over https __Host-carrel_session."`
		Body      account.User
	}
	signedOutOutput struct {
		SetCookie string `header:"Set-Cookie" doc:"Removes the cookie."`
	}
)

func (s *Server) registerAuth() {
	route(s, anyone, huma.Operation{Method: http.MethodPost, Path: "/setup", Summary: "Make the first administrator", DefaultStatus: http.StatusCreated,
		Description: "Only while there is no account. The code is printed when the server starts. Signs in as well."},
		func(ctx context.Context, in *setupInput) (*signedInOutput, error) {
			b := in.Body
			n := account.NewUser{Username: b.Username, Email: b.Email, Password: b.Password, Role: account.RoleAdmin, Language: b.Language}
			u, err := s.deps.Accounts.Setup(ctx, b.SetupCode, n)
			if err != nil {
				return nil, err
			}
			return s.welcome(ctx, u, "setup")
		})
	route(s, anyone, huma.Operation{Method: http.MethodPost, Path: "/auth/login", Summary: "Sign in"},
		func(ctx context.Context, in *loginInput) (*signedInOutput, error) {
			return s.signIn(ctx, in.Body.Username, in.Body.Password)
		})
	route(s, anyone, huma.Operation{Method: http.MethodPost, Path: "/auth/register", Summary: "Make an account of one's own", DefaultStatus: http.StatusCreated,
		Description: "As the policy of registration allows. Signs in as well."},
		func(ctx context.Context, in *registerInput) (*signedInOutput, error) {
			b := in.Body
			n := account.NewUser{Username: b.Username, Email: b.Email, Password: b.Password, Role: account.RoleUser, Language: b.Language}
			u, err := s.deps.Accounts.Register(ctx, n, b.Invitation)
			if err != nil {
				return nil, err
			}
			return s.welcome(ctx, u, "register")
		})
	route(s, signedIn, huma.Operation{Method: http.MethodPost, Path: "/auth/logout", Summary: "Sign out",
		Description: "Ends the cookie's sign-in and every connection that was opened with it."},
		func(ctx context.Context, _ *nothing) (*signedOutOutput, error) {
			q := requestOf(ctx)
			if !q.person.byCookie {
				return nil, fault.New(fault.Invalid, "You are here with an API token, which is not signed in. Delete the token to end it.")
			}
			if err := s.deps.Accounts.Logout(ctx, q.person.secret); err != nil {
				return nil, err
			}
			s.note(ctx, "logout", userTarget(q.person.user.ID), nil)
			s.sockets.Recheck(q.person.user.ID)
			return &signedOutOutput{SetCookie: q.cookie("", time.Time{})}, nil
		})
}

func (s *Server) signIn(ctx context.Context, name, password string) (*signedInOutput, error) {
	q := requestOf(ctx)
	u, secret, expires, err := s.deps.Accounts.Login(ctx, name, password, q.from())
	if err != nil {
		s.noteRefusal(ctx, fault.CodeOf(err))
		return nil, err
	}
	q.person = &person{user: u, secret: secret, byCookie: true}
	s.note(ctx, "login", userTarget(u.ID), nil)
	s.deps.Warm(u.ID)
	return &signedInOutput{SetCookie: q.cookie(secret, expires), Body: u}, nil
}

// noteRefusal records a sign-in that failed; where there are many, some with the number of the others.
func (s *Server) noteRefusal(ctx context.Context, code fault.Code) {
	left, ok := s.refusals.take(time.Now(), requestOf(ctx).client, code)
	if !ok {
		return
	}
	detail := map[string]any{"code": code} // not the name: it may be a password in the wrong field
	if left > 0 {
		detail["left_out"] = left
	}
	s.note(ctx, "login.fail", "", detail)
}

// welcome signs in a person whose account has just been made.
func (s *Server) welcome(ctx context.Context, u account.User, action string) (*signedInOutput, error) {
	q := requestOf(ctx)
	secret, expires, err := s.deps.Accounts.OpenLogin(ctx, u.ID, q.from())
	if err != nil {
		return nil, err
	}
	q.person = &person{user: u, secret: secret, byCookie: true}
	s.note(ctx, action, userTarget(u.ID), map[string]any{"username": u.Username, "role": u.Role})
	s.deps.Warm(u.ID)
	return &signedInOutput{SetCookie: q.cookie(secret, expires), Body: u}, nil
}
