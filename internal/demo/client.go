package demo

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"time"
)

// server is the `carrel serve` that the demo started.
type server struct {
	opt     Options
	url     string
	dataDir string
	code    string
	cmd     *exec.Cmd
	done    chan struct{}
	printed *bytes.Buffer // read after done only
}

var codePattern = regexp.MustCompile(`(?i)set-?up code:?\s+([A-Za-z0-9-]+)`)

func startServer(ctx context.Context, opt Options, dataDir string) (*server, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("find a port: %w", err)
	}
	listen := l.Addr().String()
	l.Close()
	s := &server{opt: opt, url: "http://" + listen, dataDir: dataDir, done: make(chan struct{}), printed: &bytes.Buffer{}}
	s.cmd = exec.CommandContext(context.WithoutCancel(ctx), opt.Binary, "serve")
	s.cmd.Env = append(os.Environ(), "CARREL_DATA_DIR="+dataDir, "CARREL_LISTEN="+listen, "CARREL_POOL_HEALTH_INTERVAL=200ms",
		"CARREL_GATEWAY_API_KEY=", "CARREL_GATEWAY_BASE_URL=")
	s.cmd.Env = append(s.cmd.Env, opt.Env...)
	r, w := io.Pipe()
	s.cmd.Stdout, s.cmd.Stderr = w, w
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start server: %w", err)
	}
	code := make(chan string, 1)
	scanned := make(chan struct{})
	go func() {
		defer close(scanned)
		scan := bufio.NewScanner(r)
		for scan.Scan() {
			if s.printed.Len() < 1<<20 {
				s.printed.WriteString(scan.Text() + "\n")
			}
			if m := codePattern.FindStringSubmatch(scan.Text()); m != nil {
				select {
				case code <- m[1]:
				default:
				}
			}
		}
		_, _ = io.Copy(io.Discard, r) // a line too long ended the scan; the server must not stand still for it
	}()
	go func() {
		defer close(s.done)
		_ = s.cmd.Wait() // how it ended is seen by who asked it to
		_ = w.Close()    // ends the reader above
		<-scanned
	}()
	select {
	case s.code = <-code:
		return s, nil
	case <-s.done:
		return nil, fmt.Errorf("the server ended at once:\n%s", s.printed)
	case <-time.After(20 * time.Second):
		return nil, errors.Join(errors.New("the server printed no set-up code in 20 s"), s.stop())
	}
}

// interrupt is Ctrl-C.
func (s *server) interrupt() (time.Duration, error) {
	start := time.Now()
	if err := s.cmd.Process.Signal(syscall.SIGINT); err != nil {
		return 0, fmt.Errorf("interrupt server: %w", err)
	}
	select {
	case <-s.done:
		return time.Since(start), nil
	case <-time.After(20 * time.Second):
		return 0, errors.New("the server did not end within 20 s of Ctrl-C")
	}
}

// stop ends whatever is still there.
func (s *server) stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, s.opt.Binary, "stop", "--data-dir", s.dataDir).CombinedOutput()
	if err != nil {
		return fmt.Errorf("carrel stop: %w: %s", err, cut(string(out)))
	}
	select {
	case <-s.done:
		return nil
	case <-ctx.Done():
		return errors.New("the server did not end after carrel stop")
	}
}

// person is somebody who is signed in.
type person struct {
	id     int64
	name   string
	s      *server
	client *http.Client
}

func (s *server) person(name string) (*person, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	return &person{name: name, s: s, client: &http.Client{Jar: jar, Timeout: time.Minute}}, nil
}

func (p *person) password() string { return "the demo's password of " + p.name }

func (p *person) login(ctx context.Context) error {
	if err := p.do(ctx, 200, "POST", "/auth/login", map[string]any{"username": p.name, "password": p.password()}, nil); err != nil {
		return err
	}
	var me struct {
		ID int64 `json:"id"`
	}
	err := p.do(ctx, 200, "GET", "/me", nil, &me)
	p.id = me.ID
	return err
}

// problem is an answer that was not the wanted one.
type problem struct {
	Status int    `json:"status"`
	Code   string `json:"code"`
	Detail string `json:"detail"`
}

func (p *problem) Error() string { return fmt.Sprintf("%d %s: %s", p.Status, p.Code, p.Detail) }

// do asks the API; a status other than want is a *problem. into takes JSON, or
// the bare text when it is a *string.
func (p *person) do(ctx context.Context, want int, method, path string, body, into any) error {
	var r io.Reader
	kind := "application/json"
	switch b := body.(type) {
	case nil:
	case string:
		r, kind = strings.NewReader(b), "application/octet-stream"
	default:
		j, err := json.Marshal(b)
		if err != nil {
			return err
		}
		r = bytes.NewReader(j)
	}
	req, err := http.NewRequestWithContext(ctx, method, p.s.url+"/api/v1"+path, r)
	if err != nil {
		return err
	}
	if r != nil {
		req.Header.Set("Content-Type", kind)
	}
	req.Header.Set("Origin", p.s.url)
	res, err := p.client.Do(req)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	if res.StatusCode != want {
		pr := &problem{Status: res.StatusCode}
		if err := json.Unmarshal(b, pr); err != nil {
			pr.Detail = cut(string(b))
		}
		return fmt.Errorf("%s %s: want %d: %w", method, path, want, pr)
	}
	switch v := into.(type) {
	case nil:
		return nil
	case *string:
		*v = string(b)
		return nil
	default:
		return json.Unmarshal(b, into)
	}
}

// refused asks for what must be refused, and gives the code.
func (p *person) refused(ctx context.Context, method, path string, body any) (*problem, error) {
	err := p.do(ctx, -1, method, path, body, nil)
	var pr *problem
	if !errors.As(err, &pr) {
		return nil, err
	}
	if pr.Status/100 != 4 {
		return nil, fmt.Errorf("%s %s was not refused: %w", method, path, pr)
	}
	return pr, nil
}

// instance as far as the demo looks at it.
type instance struct {
	ID              string `json:"id"`
	Status          string `json:"status"`
	Workspace       string `json:"workspace"`
	ActiveProcesses int    `json:"active_processes"`
	Processes       []struct {
		PID  int    `json:"pid"`
		Kind string `json:"kind"`
	} `json:"processes"`
	Health struct {
		Status              string `json:"status"`
		ConsecutiveFailures int    `json:"consecutive_failures"`
	} `json:"health"`
}

// command runs a program in the person's instance.
func (p *person) command(ctx context.Context, argv ...string) (stdout string, exit int, err error) {
	var res struct {
		ExitCode int    `json:"exit_code"`
		Stdout   string `json:"stdout"`
		Stderr   string `json:"stderr"`
	}
	err = p.do(ctx, 200, "POST", "/commands", map[string]any{"argv": argv}, &res)
	return res.Stdout + res.Stderr, res.ExitCode, err
}

// event of a session.
type event struct {
	Seq   int64 `json:"seq"`
	Event struct {
		Type   string `json:"type"`
		State  string `json:"state"`
		Result string `json:"result"`
		Event  struct {
			Delta struct {
				Text string `json:"text"`
			} `json:"delta"`
		} `json:"event"`
	} `json:"event"`
}

// until reads a session's events until one matches, and gives all of them.
func (p *person) until(ctx context.Context, session string, after int64, match func(event) bool) ([]event, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	var all []event
	for {
		var page struct{ Items []event }
		if err := p.do(ctx, 200, "GET", fmt.Sprintf("/sessions/%s/events?after=%d&wait=20", session, after), nil, &page); err != nil {
			return all, err
		}
		for _, e := range page.Items {
			all = append(all, e)
			after = e.Seq
			if match(e) {
				return all, nil
			}
		}
	}
}
