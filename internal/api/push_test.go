package api

import (
	"fmt"
	"testing"

	"github.com/carrel-dev/carrel/internal/account"
)

// Who had the old password may have signed a device up: a new one ends all of them, whoever sets it.
func TestANewPasswordForgetsDevices(t *testing.T) {
	r := newRig(t)
	const subscription = `{"endpoint":"https://push.example.org/%s","keys":{"p256dh":"BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4","auth":"BTBZMqHH6r4Tts7J_aSIgg"}}`
	devices := func(name string) int {
		t.Helper()
		return len(decodeTo[Notifications](t, r.do(call{method: "GET", path: "/me/push", as: name})).Subscriptions)
	}
	for _, name := range []string{"ana", "bob"} {
		if a := r.do(call{method: "POST", path: "/me/push", as: name, body: fmt.Sprintf(subscription, name)}); a.status != 201 || devices(name) != 1 {
			t.Fatalf("%s: %+v", name, a)
		}
	}
	if a := r.do(call{method: "PATCH", path: "/me", as: "ana", body: `{"language":"zh-CN"}`}); a.status != 200 || devices("ana") != 1 {
		t.Fatalf("another change: %+v, %d devices", a, devices("ana"))
	}
	if a := r.do(call{method: "PATCH", path: "/me", as: "ana", body: fmt.Sprintf(`{"password":"another one of ana","current_password":%q}`, password("ana"))}); a.status != 200 {
		t.Fatalf("%+v", a)
	}
	if devices("ana") != 0 || devices("bob") != 1 {
		t.Errorf("ana has %d devices, bob %d", devices("ana"), devices("bob"))
	}
	if a := r.do(call{method: "PATCH", path: fmt.Sprintf("/users/%d", r.users["bob"].ID), as: "rita", body: `{"password":"another one of bob"}`}); a.status != 200 || devices("bob") != 0 {
		t.Errorf("%+v, bob has %d devices", a, devices("bob"))
	}
}

// A browser is told things as long as the sign-in lasts by which it asked for them.
func TestASignInTakesItsDeviceWithIt(t *testing.T) {
	r := newRig(t)
	const subscription = `{"endpoint":"https://push.example.org/%s","keys":{"p256dh":"BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4","auth":"BTBZMqHH6r4Tts7J_aSIgg"}}`
	devices := func() int {
		t.Helper()
		return len(decodeTo[Notifications](t, r.do(call{method: "GET", path: "/me/push", as: "ana"})).Subscriptions)
	}
	desk, phone, tablet := r.signIn("ana"), r.signIn("ana"), r.signIn("ana")
	for _, cookie := range []string{desk, phone, tablet} {
		if a := r.do(call{method: "POST", path: "/me/push", cookie: cookie, origin: "own", body: fmt.Sprintf(subscription, cookie[:8])}); a.status != 201 {
			t.Fatalf("%+v", a)
		}
	}
	list := func(cookie string) []account.SignIn {
		t.Helper()
		return decodeTo[List[account.SignIn]](t, r.do(call{method: "GET", path: "/me/sign-ins", cookie: cookie})).Items
	}
	var id string
	for _, s := range list(phone) {
		if s.Current {
			id = s.ID
		}
	}
	if a := r.do(call{method: "DELETE", path: "/me/sign-ins/" + id, as: "bob"}); a.status != 404 || devices() != 3 {
		t.Errorf("by somebody else: %+v, %d devices", a, devices())
	}
	if a := r.do(call{method: "DELETE", path: "/me/sign-ins/" + id, cookie: desk, origin: "own"}); a.status != 204 || devices() != 2 {
		t.Errorf("one: %+v, %d devices", a, devices())
	}
	if a := r.do(call{method: "GET", path: "/me", cookie: phone}); a.status != 401 {
		t.Errorf("it still counts: %+v", a)
	}
	if a := r.do(call{method: "DELETE", path: "/me/sign-ins", cookie: desk, origin: "own"}); a.status != 204 || devices() != 1 || len(list(desk)) != 1 {
		t.Errorf("the others: %+v, %d devices", a, devices())
	}
	if a := r.do(call{method: "POST", path: "/auth/logout", cookie: desk, origin: "own"}); a.status != 204 || devices() != 0 {
		t.Errorf("the last: %+v, %d devices", a, devices())
	}
}
