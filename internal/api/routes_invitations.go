package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/carrel-dev/carrel/internal/account"
)

type invitationInput struct {
	Body *struct { // left out: all as it is without
		Role      string     `json:"role,omitempty" enum:"admin,moderator,user" default:"user" doc:"Role of the account it makes; at most one's own."`
		ExpiresAt *time.Time `json:"expires_at,omitempty" doc:"When it stops to count; in 7 days, if left out."`
	} `nameHint:"NewInvitation"`
}

// NewInvitationSecret is an invitation with its secret, which is shown this once.
type NewInvitationSecret struct {
	account.Invitation
	Secret string `json:"secret" doc:"What the invited person registers with. It is not shown again."`
}

func (s *Server) registerInvitations() {
	route(s, moderators, huma.Operation{Method: http.MethodGet, Path: "/invitations", Summary: "All invitations, the newest first"},
		func(ctx context.Context, in *Page) (*body[List[account.Invitation]], error) {
			p, err := s.deps.Accounts.Invitations(ctx, in.Limit, in.Cursor)
			if err != nil {
				return nil, err
			}
			return listOf(p.Items, p.NextCursor), nil
		})
	route(s, moderators, huma.Operation{Method: http.MethodPost, Path: "/invitations", Summary: "Invite somebody", DefaultStatus: http.StatusCreated,
		Description: "It serves once; the secret is shown once."},
		func(ctx context.Context, in *invitationInput) (*body[NewInvitationSecret], error) {
			n := account.NewInvitation{By: caller(ctx).ID, Role: account.RoleUser}
			if b := in.Body; b != nil {
				n.Role = b.Role
				set(&n.ExpiresAt, b.ExpiresAt)
			}
			i, secret, err := s.deps.Accounts.Invite(ctx, n)
			if err != nil {
				return nil, err
			}
			s.note(ctx, "invitation.create", i.ID, map[string]any{"role": i.Role})
			return &body[NewInvitationSecret]{Body: NewInvitationSecret{Invitation: i, Secret: secret}}, nil
		})
	route(s, moderators, huma.Operation{Method: http.MethodDelete, Path: "/invitations/{id}", Summary: "Take an invitation back"},
		func(ctx context.Context, in *idInput) (*nothing, error) {
			if err := s.deps.Accounts.Revoke(ctx, in.ID); err != nil {
				return nil, err
			}
			s.note(ctx, "invitation.revoke", in.ID, nil)
			return nil, nil
		})
}
