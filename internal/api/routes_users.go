package api

import (
	"context"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/carrel-dev/carrel/internal/account"
	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/quota"
)

type (
	userIDInput struct {
		ID int64 `path:"id" minimum:"1" doc:"The user's id."`
	}
	newUserInput struct {
		Body struct {
			Username string      `json:"username" maxLength:"200" example:"ana" doc:"Login name: lower case, begins with a letter."`
			Password string      `json:"password" maxLength:"1000" doc:"The first password."`
			Email    string      `json:"email,omitempty" maxLength:"320" example:"ana@example.org" doc:"E-mail address."`
			Role     string      `json:"role,omitempty" enum:"admin,moderator,user" default:"user" doc:"What the user may do."`
			Language string      `json:"language,omitempty" maxLength:"20" example:"en" doc:"Language of the page and of the first README."`
			Quota    *QuotaInput `json:"quota,omitempty" doc:"Limits; what is left out is as configured for new users."`
		} `nameHint:"NewUser"`
	}
	changeUserInput struct {
		ID   int64 `path:"id" minimum:"1" doc:"The user's id."`
		Body struct {
			Username *string `json:"username,omitempty" maxLength:"200" example:"ana" doc:"Login name."`
			Email    *string `json:"email,omitempty" maxLength:"320" example:"ana@example.org" doc:"E-mail address."`
			Password *string `json:"password,omitempty" maxLength:"1000" doc:"A new password; it ends the user's sign-ins. One's own is changed by PATCH /me."`
			Role     *string `json:"role,omitempty" enum:"admin,moderator,user" doc:"What the user may do."`
			Language *string `json:"language,omitempty" maxLength:"20" example:"en" doc:"Language of the page."`
			Active   *bool   `json:"active,omitempty" doc:"false shuts the user out and ends their instance; the files stay."`
			Revoke   bool    `json:"revoke_tokens,omitempty" doc:"Revoke the user's API tokens, which outlive a new password."`
		} `nameHint:"UserChange"`
	}
	quotaInput struct {
		ID   int64 `path:"id" minimum:"1" doc:"The user's id."`
		Body QuotaInput
	}
)

func (s *Server) registerUsers() {
	accounts := s.deps.Accounts
	route(s, adminsOnly, huma.Operation{Method: http.MethodGet, Path: "/users", Summary: "All users, by id"},
		func(ctx context.Context, in *Page) (*body[List[Account]], error) {
			p, err := accounts.Users(ctx, in.Limit, in.Cursor)
			if err != nil {
				return nil, err
			}
			var used map[int64]Use
			if s.deps.UseOfEach != nil {
				if used, err = s.deps.UseOfEach(ctx); err != nil {
					return nil, err
				}
			}
			all := make([]Account, len(p.Items))
			for i, u := range p.Items {
				all[i] = Account{User: u, Usage: used[u.ID]}
			}
			return listOf(all, p.NextCursor), nil
		})
	route(s, adminsOnly, huma.Operation{Method: http.MethodPost, Path: "/users", Summary: "Make an account", DefaultStatus: http.StatusCreated},
		func(ctx context.Context, in *newUserInput) (*body[account.User], error) {
			b := in.Body
			n := account.NewUser{Username: b.Username, Password: b.Password, Email: b.Email, Role: b.Role, Language: b.Language}
			if b.Quota != nil {
				q := b.Quota.over(s.deps.DefaultQuota)
				if err := q.Validate("body.quota"); err != nil {
					return nil, err
				}
				n.Quota = &q
			}
			u, err := accounts.Create(ctx, n)
			if err != nil {
				return nil, err
			}
			s.note(ctx, "user.create", userTarget(u.ID), map[string]any{"username": u.Username, "role": u.Role})
			return &body[account.User]{Body: u}, nil
		})
	route(s, adminsOnly, huma.Operation{Method: http.MethodGet, Path: "/users/{id}", Summary: "One user"},
		func(ctx context.Context, in *userIDInput) (*body[Account], error) {
			u, err := accounts.User(ctx, in.ID)
			if err != nil {
				return nil, err
			}
			a, err := s.withUse(ctx, u)
			return &body[Account]{Body: a}, err
		})
	route(s, adminsOnly, huma.Operation{Method: http.MethodPatch, Path: "/users/{id}", Summary: "Change a user"}, s.changeUser)
	route(s, adminsOnly, huma.Operation{Method: http.MethodDelete, Path: "/users/{id}", Summary: "Delete a user",
		Description: "With instance, sessions and all files. It cannot be undone; PATCH active=false keeps the files."}, s.deleteUser)
	route(s, adminsOnly, huma.Operation{Method: http.MethodPut, Path: "/users/{id}/quota", Summary: "Set a user's quota",
		Description: "What is left out stays as it is. A running instance gets the new limits at once."},
		func(ctx context.Context, in *quotaInput) (*body[quota.Quota], error) {
			u, err := accounts.User(ctx, in.ID)
			if err != nil {
				return nil, err
			}
			if u, err = accounts.SetQuota(ctx, in.ID, in.Body.over(u.Quota)); err != nil {
				return nil, err
			}
			s.note(ctx, "user.quota", userTarget(u.ID), map[string]any{"quota": u.Quota})
			if err := s.deps.Instances.SetQuota(ctx, u.ID, u.Quota); err != nil && !errors.Is(err, fault.NotFoundError) {
				return nil, err
			}
			return &body[quota.Quota]{Body: u.Quota}, nil
		})
}

func (s *Server) changeUser(ctx context.Context, in *changeUserInput) (*body[account.User], error) {
	b := in.Body
	if b.Password != nil && in.ID == caller(ctx).ID { // or whoever finds the browser open takes the account
		return nil, fault.Fields(fault.Forbidden, fault.FieldAt("body.password", "Change your own password with PATCH /me, which asks for the present one."))
	}
	u, err := s.deps.Accounts.Change(ctx, in.ID, account.UserChange{
		Username: b.Username, Email: b.Email, Password: b.Password, Role: b.Role, Language: b.Language, Active: b.Active, RevokeTokens: b.Revoke,
	})
	if err != nil {
		return nil, err
	}
	detail := map[string]any{
		"username": u.Username, "role": u.Role, "active": u.Active,
		"password_changed": b.Password != nil, // one that ends in "password" is redacted
	}
	if b.Revoke {
		detail["tokens_revoked"] = true
	}
	s.note(ctx, "user.change", userTarget(u.ID), detail)
	s.sockets.Recheck(u.ID)
	s.deps.Sessions.TellQuota(u.ID)
	if b.Password != nil || !u.Active {
		if err := s.deps.Push.Forget(ctx, u.ID); err != nil {
			return nil, err
		}
	}
	if !u.Active {
		if err := s.deps.Instances.Destroy(ctx, u.ID); err != nil && !errors.Is(err, fault.NotFoundError) {
			return nil, err
		}
	}
	return &body[account.User]{Body: u}, nil
}

// deleteUser shuts the user out first, so that nothing new is made while what
// there is goes; asked again after a failure it goes on from there.
func (s *Server) deleteUser(ctx context.Context, in *userIDInput) (*nothing, error) {
	if in.ID == caller(ctx).ID {
		return nil, fault.New(fault.Conflict, "You cannot delete your own account. Another administrator can.")
	}
	inactive := false
	u, err := s.deps.Accounts.Change(ctx, in.ID, account.UserChange{Active: &inactive})
	if err != nil {
		return nil, err
	}
	s.sockets.Recheck(u.ID)
	if err := s.deps.Instances.Erase(ctx, u.ID); err != nil {
		return nil, err
	}
	if err := s.deps.Accounts.Delete(ctx, u.ID); err != nil {
		return nil, err
	}
	s.note(ctx, "user.delete", userTarget(u.ID), map[string]any{"username": u.Username})
	return nil, nil
}
