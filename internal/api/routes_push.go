package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/carrel-dev/carrel/internal/account"
	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/fault/words"
	"github.com/carrel-dev/carrel/internal/push"
)

// Push is package push's service.
type Push interface {
	PublicKey(ctx context.Context) (string, error)
	Subscriptions(ctx context.Context, userID int64) ([]push.Subscription, error)
	Subscribe(ctx context.Context, userID int64, n push.NewSubscription) (sub push.Subscription, made bool, err error)
	Unsubscribe(ctx context.Context, userID int64, id string) error
	Settings(ctx context.Context, userID int64) (push.Settings, error)
	ChangeSettings(ctx context.Context, userID int64, c push.Change) (push.Settings, error)
	Test(ctx context.Context, userID int64) error
	// Forget has no device of the user told anything any more.
	Forget(ctx context.Context, userID int64) error
}

// Notifications is what a person is told, and where.
type Notifications struct {
	PublicKey     string              `json:"public_key" doc:"What a browser subscribes with (applicationServerKey), base64url."`
	Subscriptions []push.Subscription `json:"subscriptions" doc:"The person's devices, the newest first."`
	Settings      push.Settings       `json:"settings" doc:"What is told, and when not."`
}

type (
	subscribeInput struct {
		Body struct {
			Endpoint string `json:"endpoint" maxLength:"2000" example:"https://push.example.org/send/abc" doc:"Where the browser's push service takes messages for it."`
			Keys     struct {
				P256DH string `json:"p256dh" maxLength:"200" doc:"The browser's public key, base64url."`
				Auth   string `json:"auth" maxLength:"100" doc:"The browser's secret, base64url."`
			} `json:"keys" doc:"What messages are encrypted with."`
			Device string `json:"device,omitempty" maxLength:"400" example:"Chrome on Android" doc:"What to call it."`
		} `nameHint:"NewPushSubscription"`
	}
	subscribeOutput struct {
		Status int
		Body   push.Subscription
	}
	changePushInput struct {
		Body struct {
			Requests *bool       `json:"requests,omitempty" doc:"Tell when Claude asks."`
			Finished *bool       `json:"finished,omitempty" doc:"Tell when a turn that took a while has finished."`
			Failed   *bool       `json:"failed,omitempty" doc:"Tell when a turn could not go on."`
			Quiet    *push.Quiet `json:"quiet,omitempty" doc:"Hours in which nothing is told."`
			NoQuiet  bool        `json:"no_quiet,omitempty" doc:"Have no quiet hours any more."`
		} `nameHint:"PushSettingsChange"`
	}
)

// testPushTimeout is for devices whose service does not answer.
const testPushTimeout = 30 * time.Second

func (s *Server) registerPush() {
	if s.deps.Push == nil {
		s.deps.Push = noPush{}
	}
	p := s.deps.Push
	route(s, signedIn, huma.Operation{Method: http.MethodGet, Path: "/me/push", Summary: "Own notifications: devices and settings"},
		func(ctx context.Context, _ *nothing) (*body[Notifications], error) {
			id := caller(ctx).ID
			k, err := p.PublicKey(ctx)
			if err != nil {
				return nil, err
			}
			subs, err := p.Subscriptions(ctx, id)
			if err != nil {
				return nil, err
			}
			for i := range subs {
				subs[i].Problem = words.Found(requestOf(ctx).reads, subs[i].Problem)
			}
			settings, err := p.Settings(ctx, id)
			if err != nil {
				return nil, err
			}
			return &body[Notifications]{Body: Notifications{PublicKey: k, Subscriptions: subs, Settings: settings}}, nil
		})
	route(s, signedIn, huma.Operation{Method: http.MethodPost, Path: "/me/push", Summary: "Have a browser told (Web Push)", DefaultStatus: http.StatusCreated,
		Description: "What PushManager.subscribe gave. The same endpoint again is the same device with new keys, whoever had it before: 200. It ends with the sign-in that asks for it."},
		func(ctx context.Context, in *subscribeInput) (*subscribeOutput, error) {
			b := in.Body
			n := push.NewSubscription{Endpoint: b.Endpoint, P256DH: b.Keys.P256DH, Auth: b.Keys.Auth, Device: b.Device}
			if who := requestOf(ctx).person; who.byCookie {
				n.SignIn = account.SignInKey(who.secret)
			}
			sub, made, err := p.Subscribe(ctx, caller(ctx).ID, n)
			if err != nil {
				return nil, err
			}
			out := &subscribeOutput{Status: http.StatusOK, Body: sub}
			if made {
				out.Status = http.StatusCreated
			}
			return out, nil
		})
	route(s, signedIn, huma.Operation{Method: http.MethodPatch, Path: "/me/push", Summary: "Change what is told, and when not"},
		func(ctx context.Context, in *changePushInput) (*body[push.Settings], error) {
			b := in.Body
			settings, err := p.ChangeSettings(ctx, caller(ctx).ID, push.Change{Requests: b.Requests, Finished: b.Finished, Failed: b.Failed, Quiet: b.Quiet, NoQuiet: b.NoQuiet})
			return &body[push.Settings]{Body: settings}, err
		})
	route(s, signedIn, huma.Operation{Method: http.MethodDelete, Path: "/me/push/{id}", Summary: "Tell a device nothing any more"},
		func(ctx context.Context, in *idInput) (*nothing, error) {
			return nil, p.Unsubscribe(ctx, caller(ctx).ID, in.ID)
		})
	route(s, signedIn, huma.Operation{Method: http.MethodPost, Path: "/me/push/test", Summary: "Send a notification to all own devices", DefaultStatus: http.StatusAccepted, Metadata: map[string]any{metaTimeout: testPushTimeout},
		Description: "In quiet hours too. What could not be sent is in the device's problem afterwards."},
		func(ctx context.Context, _ *nothing) (*nothing, error) {
			return nil, p.Test(ctx, caller(ctx).ID)
		})
}

// noPush is where no device is told anything.
type noPush struct{}

func errNoPush() error {
	return fault.New(fault.NotFound, "This server sends no notifications. Ask an administrator to set push.enabled.")
}

func (noPush) PublicKey(context.Context) (string, error) { return "", errNoPush() }
func (noPush) Subscriptions(context.Context, int64) ([]push.Subscription, error) {
	return nil, errNoPush()
}
func (noPush) Unsubscribe(context.Context, int64, string) error { return errNoPush() }
func (noPush) Settings(context.Context, int64) (push.Settings, error) {
	return push.Settings{}, errNoPush()
}
func (noPush) Test(context.Context, int64) error { return errNoPush() }
func (noPush) Subscribe(context.Context, int64, push.NewSubscription) (push.Subscription, bool, error) {
	return push.Subscription{}, false, errNoPush()
}
func (noPush) ChangeSettings(context.Context, int64, push.Change) (push.Settings, error) {
	return push.Settings{}, errNoPush()
}
func (noPush) Forget(context.Context, int64) error { return nil } // there is none
