package push

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	webpush "github.com/SherClockHolmes/webpush-go"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/carrel-dev/carrel/internal/egress"
)

// errGone says that a browser wants nothing any more.
var errGone = errors.New("the subscription has ended")

const (
	sendTimeout = 15 * time.Second
	tries       = 3
	firstPause  = time.Second
	maxPause    = 30 * time.Second
)

// sender speaks to push services. Their addresses come from people: none may
// lead into a private network, unless it is trusted by name.
type sender struct {
	client  *http.Client
	trusted []string
}

func newSender(trusted []string) sender {
	s := sender{trusted: trusted}
	open := &net.Dialer{Timeout: 10 * time.Second}
	guarded := &net.Dialer{Timeout: 10 * time.Second, Control: egress.RefusePrivate}
	s.client = &http.Client{
		Timeout: sendTimeout,
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment,
			DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				if s.trusts(address) || isProxy(address) {
					return open.DialContext(ctx, network, address)
				}
				return guarded.DialContext(ctx, network, address)
			},
			ForceAttemptHTTP2: true, MaxIdleConnsPerHost: 2, IdleConnTimeout: time.Minute, TLSHandshakeTimeout: 10 * time.Second,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return s
}

func (s sender) close() { s.client.CloseIdleConnections() }

// trusts says whether a host, or host:port, is one of those that may be anywhere.
func (s sender) trusts(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	return slices.Contains(s.trusted, hostport) || err == nil && slices.Contains(s.trusted, host)
}

// isProxy says whether an address is that of the proxy that the environment names: it may well be private.
func isProxy(address string) bool {
	p, err := http.ProxyFromEnvironment(&http.Request{URL: &url.URL{Scheme: "https", Host: "push.example.org"}})
	if err != nil || p == nil {
		return false
	}
	port := p.Port()
	if port == "" {
		port = map[string]string{"https": "443", "socks5": "1080"}[p.Scheme]
	}
	if port == "" {
		port = "80"
	}
	return address == net.JoinHostPort(p.Hostname(), port)
}

// send tries a few times. errGone: the browser is to be forgotten.
func (s sender) send(ctx context.Context, k keyRow, contact string, sub subscriptionRow, m Message, payload []byte) error {
	options := &webpush.Options{
		HTTPClient: s.client, Subscriber: contact, VAPIDPublicKey: k.PublicKey, VAPIDPrivateKey: k.PrivateKey,
		TTL: int((4 * time.Hour).Seconds()), Urgency: webpush.UrgencyNormal, Topic: topic(m.Tag),
	}
	if m.Kind == KindRequest || m.Kind == KindTest {
		options.TTL, options.Urgency = int((24 * time.Hour).Seconds()), webpush.UrgencyHigh
	}
	to := &webpush.Subscription{Endpoint: sub.Endpoint, Keys: webpush.Keys{P256dh: sub.P256DH, Auth: sub.Auth}}
	payload = slices.Clip(payload) // the library appends to it, and others send the same
	var err error
	for try, wait := 1, firstPause; ; try, wait = try+1, wait*4 {
		var again time.Duration
		if again, err = once(ctx, payload, to, options); err == nil || again < 0 || try == tries {
			return err
		}
		t := time.NewTimer(min(max(wait, again), maxPause))
		select {
		case <-ctx.Done():
			t.Stop()
			return ctx.Err()
		case <-t.C:
		}
	}
}

// once sends once. again is how long to wait before it is worth another try; below 0: never.
func once(ctx context.Context, payload []byte, to *webpush.Subscription, o *webpush.Options) (again time.Duration, err error) {
	res, err := webpush.SendNotificationWithContext(ctx, payload, to, o)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			// Without the address, which is a secret of the browser's; and what a name leads to is not the person's to know.
			return 0, &unreached{why: u.Err}
		}
		return -1, fmt.Errorf("make a push message: %w", err)
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 4096))
	switch {
	case res.StatusCode/100 == 2:
		return 0, nil
	case res.StatusCode == http.StatusNotFound || res.StatusCode == http.StatusGone:
		return -1, errGone
	case res.StatusCode == http.StatusTooManyRequests || res.StatusCode/100 == 5:
		seconds, _ := strconv.Atoi(res.Header.Get("Retry-After")) // a date or nothing is 0: our own pause
		return time.Duration(max(0, seconds)) * time.Second, fmt.Errorf("%w: %s", errNotSent, res.Status)
	}
	return -1, fmt.Errorf("%w: %s", errNotSent, res.Status)
}

// unreached says no more than that: the reason is for the log.
type unreached struct{ why error }

func (e *unreached) Error() string { return errNotReached.Error() }
func (e *unreached) Unwrap() error { return e.why }

// topic is a tag as the header takes it: at most 32 characters of base64url. A UUID without its dashes is that long.
func topic(tag string) string {
	t := strings.ReplaceAll(tag, "-", "")
	return t[:min(len(t), 32)]
}

// counts is what has been sent, for the metrics.
type counts struct{ sent *prometheus.CounterVec }

func newCounts() counts {
	return counts{prometheus.NewCounterVec(prometheus.CounterOpts{Name: "carrel_push_sent_total", Help: "Notifications to devices, by how it went: sent, gone (the browser wants none any more), failed."}, []string{"result"})}
}

func (c counts) add(result string) { c.sent.WithLabelValues(result).Inc() }

// Metrics is what the service counts.
func (s *Service) Metrics() prometheus.Collector { return s.counts.sent }
