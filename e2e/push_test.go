package e2e

import (
	"crypto/ecdh"
	"crypto/rand"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/carrel-dev/carrel/e2e/carrel"
)

// TestPush: a device whose page is closed is told that Claude asks, by a push service, and the answer goes on with the
// turn. What messages say, encrypted, is held by package push's own tests; here it is that they come.
func TestPush(t *testing.T) {
	t.Parallel()
	told := make(chan http.Header, 10)
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		told <- r.Header.Clone()
		w.WriteHeader(http.StatusCreated)
	}))
	t.Cleanup(service.Close)
	s := carrel.Start(t, "CARREL_PUSH_TRUSTED_HOSTS="+strings.TrimPrefix(service.URL, "http://"), "CARREL_PUSH_DELAY=100ms", "CARREL_PUSH_FINISHED_AFTER=0s")
	ada := s.Setup("ada")
	next := func(what string) http.Header {
		t.Helper()
		select {
		case h := <-told:
			return h
		case <-time.After(carrel.Patience):
			t.Fatalf("the device was not told %s", what)
		}
		return nil
	}
	k, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	enc := base64.RawURLEncoding.EncodeToString
	subscription := map[string]any{"endpoint": service.URL + "/a", "device": "a phone", "keys": map[string]string{"p256dh": enc(k.PublicKey().Bytes()), "auth": enc(make([]byte, 16))}}
	ada.Must(201, "POST", "/me/push", subscription, nil)
	ada.Must(202, "POST", "/me/push/test", nil, nil)
	next("of the test")

	put(t, ada)
	id := newSession(ada, "demo")
	ada.Must(202, "POST", "/sessions/"+id+"/prompts", map[string]any{"id": "p1", "content": "[write told.txt from a notification]"}, nil)
	if h := next("that Claude asks"); h.Get("Urgency") != "high" || h.Get("Topic") != strings.ReplaceAll(id, "-", "") {
		t.Errorf("headers %v", h)
	}
	var events struct {
		Items []struct {
			Event struct {
				Type      string `json:"type"`
				RequestID string `json:"request_id"`
			} `json:"event"`
		} `json:"items"`
	}
	ada.Must(200, "GET", "/sessions/"+id+"/events?after=0&limit=5000", nil, &events)
	request := ""
	for _, e := range events.Items {
		if e.Event.Type == "control_request" {
			request = e.Event.RequestID
		}
	}
	// As the notification's button does: no input of its own.
	ada.Must(204, "POST", "/sessions/"+id+"/answers", map[string]any{"request_id": request, "behavior": "allow"}, nil)
	if h := next("that the turn has finished"); h.Get("Urgency") != "normal" {
		t.Errorf("headers %v", h)
	}
	if got := ada.Must(200, "GET", "/files/content?path=projects/demo/told.txt", nil, nil).Text; got != "from a notification" {
		t.Errorf("the file says %q", got)
	}
	var now struct {
		Subscriptions []struct {
			ID         string     `json:"id"`
			LastSentAt *time.Time `json:"last_sent_at"`
		} `json:"subscriptions"`
	}
	ada.Must(200, "GET", "/me/push", nil, &now)
	if len(now.Subscriptions) != 1 || now.Subscriptions[0].LastSentAt == nil {
		t.Errorf("got %+v", now)
	}
}
