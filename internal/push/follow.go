package push

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/carrel-dev/carrel/internal/account"
	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/session"
)

// Kinds of notifications.
const (
	KindRequest  = "request"
	KindFinished = "finished"
	KindFailed   = "failed"
	KindTest     = "test"
)

// Message is what a device is told.
type Message struct {
	Kind      string `json:"kind"`
	SessionID string `json:"session_id,omitempty"`
	RequestID string `json:"request_id,omitempty"`
	Tool      string `json:"tool,omitempty"`
	Title     string `json:"title"`
	Body      string `json:"body"`
	URL       string `json:"url"`
	Tag       string `json:"tag"`        // of two with the same the later replaces the earlier
	Waiting   int64  `json:"waiting"`    // the person's sessions that wait for an answer
	CanAnswer bool   `json:"can_answer"` // with a plain yes or no
	Language  string `json:"language"`   // of the person, for the buttons
}

// Texts that a payload of 4096 bytes has room for, in any script.
const (
	maxTitleRunes = 80
	maxBodyRunes  = 200
)

// follow looks at sessions when something is due, until ctx ends.
func (s *Service) follow(ctx context.Context) {
	var sending sync.WaitGroup
	defer sending.Wait()
	room := make(chan struct{}, atOnce)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		due, next := s.states.take(s.now())
		for _, o := range due {
			select {
			case room <- struct{}{}:
			case <-ctx.Done():
				return
			}
			sending.Go(func() {
				defer func() { <-room }()
				defer s.states.done(o.userID)
				ctx, cancel := context.WithTimeout(ctx, tellTimeout)
				defer cancel()
				if err := s.look(ctx, o); err != nil && ctx.Err() == nil && !errors.Is(err, fault.NotFoundError) {
					s.log.Warn("tell of a session", "user", o.userID, "session", o.id, "err", err)
				}
			})
		}
		wait := time.Hour
		if !next.IsZero() {
			wait = max(next.Sub(s.now()), time.Millisecond)
		}
		timer.Reset(wait)
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-s.states.wake:
		}
	}
}

// look sees what happened in a session, and tells of it when its person wants to be told.
func (s *Service) look(ctx context.Context, o occasion) error {
	subs, err := subscriptionsOf(ctx, s.db, o.userID)
	if err != nil || len(subs) == 0 {
		return err
	}
	settings, err := settingsOf(ctx, s.db, o.userID)
	if err != nil || !settings.wants(o.ended) {
		return err
	}
	if end := settings.quietUntil(s.now()); !end.IsZero() {
		if !o.ended {
			s.states.putOff(o.key, end) // who is asked is told after it, if it still waits
		}
		return nil
	}
	u, err := s.o.Accounts.User(ctx, o.userID)
	if err != nil || !u.Active {
		return err
	}
	about, err := s.o.Sessions.Get(ctx, o.userID, o.id)
	if err != nil || !o.still(about.State) {
		return err // it has gone on meanwhile
	}
	events, err := s.o.Sessions.Last(ctx, o.userID, o.id, eventsRead)
	if err != nil {
		return err
	}
	var m Message
	if o.ended {
		end, ok := endOf(events)
		if !ok || end.failed && !settings.Failed {
			return nil
		}
		if !end.failed && (!settings.Finished || o.ran < s.o.FinishedAfter || s.o.Sessions.Followed(o.userID, o.id)) {
			return nil
		}
		m = ended(u, about, end)
	} else {
		open := openRequests(events)
		if len(open) == 0 {
			return nil
		}
		// The first is the one that the page shows.
		if told, err := tell(ctx, s.db, o.key, open[0].id); err != nil || !told {
			return err
		}
		m = asked(u, about, open[0])
	}
	if m.Waiting, err = waiting(ctx, s.db, o.userID); err != nil {
		return err
	}
	if !o.ended {
		m.Waiting = max(m.Waiting, 1) // this one, which the database may not have yet
	}
	s.send(ctx, subs, m)
	return nil
}

func message(kind string, u account.User, about session.Session) Message {
	return Message{Kind: kind, SessionID: about.ID, Title: short(titleOf(u.Language, about), maxTitleRunes), URL: "/s/" + about.ID, Tag: about.ID, Language: u.Language}
}

func asked(u account.User, about session.Session, r request) Message {
	m := message(KindRequest, u, about)
	m.RequestID, m.Tool, m.CanAnswer = r.id, short(r.tool, maxTitleRunes), r.plain()
	m.Body = short(sayAsked(u.Language, r), maxBodyRunes)
	return m
}

func ended(u account.User, about session.Session, e ending) Message {
	m := message(KindFinished, u, about)
	if e.failed {
		m.Kind = KindFailed
	}
	m.Body = short(sayEnded(u.Language, e), maxBodyRunes)
	return m
}

// send sends one message to all of a person's devices, side by side.
func (s *Service) send(ctx context.Context, subs []subscriptionRow, m Message) {
	payload, err := json.Marshal(m)
	if err != nil {
		s.log.Error("encode a notification", "err", err)
		return
	}
	k, err := s.key(ctx)
	if err != nil {
		s.log.Error("read the push key", "err", err)
		return
	}
	var all sync.WaitGroup
	for _, sub := range subs {
		all.Go(func() { s.sendTo(ctx, k, sub, m, payload) })
	}
	all.Wait()
}

func (s *Service) sendTo(ctx context.Context, k keyRow, sub subscriptionRow, m Message, payload []byte) {
	err := s.sender.send(ctx, k, s.contact(), sub, m, payload)
	switch {
	case err == nil:
		s.counts.add("sent")
		err = sentTo(ctx, s.db, sub.ID, s.now(), "")
	case errors.Is(err, errGone):
		s.counts.add("gone")
		err = removeSubscription(ctx, s.db, 0, sub.ID)
	case ctx.Err() != nil && s.life.Err() != nil:
		return // the server stops
	default:
		s.counts.add("failed")
		s.log.Warn("send a notification", "user", sub.UserID, "service", hostOf(sub.Endpoint), "err", err, "why", errors.Unwrap(err))
		err = sentTo(context.WithoutCancel(ctx), s.db, sub.ID, s.now(), short(err.Error(), 200))
	}
	if err != nil && !errors.Is(err, fault.NotFoundError) {
		s.log.Warn("note how a notification went", "user", sub.UserID, "err", err)
	}
}

// short is a text in one line, without what draws nothing or turns the line around, cut to so many characters.
func short(text string, runes int) string {
	text = strings.Join(strings.Fields(text), " ")
	out := make([]rune, 0, min(len(text), runes))
	for _, r := range text {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) && r != '\u200d' {
			continue
		}
		if len(out) == runes {
			out[runes-1] = '…'
			break
		}
		out = append(out, r)
	}
	return string(out)
}
