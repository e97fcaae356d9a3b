package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"time"
)

const (
	password = "a long password of the benchmark"
	project  = "bench"
)

// person is somebody who uses Carrel over HTTP.
type person struct {
	name   string
	url    string
	client *http.Client
}

func newPerson(url, name string) *person {
	jar, _ := cookiejar.New(nil) // fails only with options
	return &person{name: name, url: url, client: &http.Client{Jar: jar, Timeout: time.Minute}}
}

func (p *person) login(ctx context.Context) error {
	return p.do(ctx, 200, "POST", "/auth/login", map[string]any{"username": p.name, "password": password}, nil)
}

// do asks the API; any status but want is an error, where want is not 0: then any 2xx will do. into takes the JSON.
func (p *person) do(ctx context.Context, want int, method, path string, body, into any) error {
	var r io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return err
		}
		r = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, p.url+"/api/v1"+path, r)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Origin", p.url)
	res, err := p.client.Do(req)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	if want == 0 && res.StatusCode/100 == 2 {
		want = res.StatusCode
	}
	if res.StatusCode != want {
		return fmt.Errorf("%s %s: status %d, want %d: %.500s", method, path, res.StatusCode, want, b)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(b, into)
}

// open makes a session.
func (p *person) open(ctx context.Context) (string, error) {
	var s struct {
		ID string `json:"id"`
	}
	err := p.do(ctx, 201, "POST", "/sessions", map[string]any{"project": project}, &s)
	return s.ID, err
}

// ready waits until a session has a greeted process.
func (p *person) ready(ctx context.Context, session string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		var s struct {
			State string `json:"state"`
		}
		if err := p.do(ctx, 200, "GET", "/sessions/"+session, nil, &s); err != nil {
			return err
		}
		if s.State == "ready" {
			return nil
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("wait for a ready session (it is %q): %w", s.State, ctx.Err())
		}
	}
}
