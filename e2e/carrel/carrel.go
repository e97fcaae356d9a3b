// Package carrel drives the shipped program in end-to-end tests as its users
// do: `carrel serve` in a process of its own, HTTP, WebSocket, and nothing of
// its insides.
package carrel

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Patience is how long anything may take before a test calls it lost.
const Patience = 60 * time.Second

// Server is one running `carrel serve`.
type Server struct {
	URL       string
	DataDir   string
	SetupCode string

	t    testing.TB
	bin  string
	env  []string
	cmd  *exec.Cmd
	out  *output
	done chan struct{} // closed when the process has ended
}

// output keeps what the server prints, for the set-up code and for failures.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
	code chan string
}

var codePattern = regexp.MustCompile(`(?i)set-?up code:?\s+([A-Za-z0-9-]+)`)

func (o *output) read(r io.Reader) {
	s := bufio.NewScanner(r)
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		o.mu.Lock()
		o.text.WriteString(s.Text() + "\n")
		o.mu.Unlock()
		if m := codePattern.FindStringSubmatch(s.Text()); m != nil {
			select {
			case o.code <- m[1]:
			default:
			}
		}
	}
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// Binary finds the program under test.
func Binary(t testing.TB) string {
	t.Helper()
	bin := os.Getenv("CARREL_BIN")
	if bin == "" {
		bin = filepath.Join(root(), "bin", "carrel")
	}
	bin, err := filepath.Abs(bin)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(bin); err != nil {
		t.Fatalf("%v: build it first with `make build`", err)
	}
	return bin
}

// Start starts a server of its own data folder and ends all of it, with
// instances, at the end of the test. Settings are CARREL_… variables.
func Start(t testing.TB, settings ...string) *Server {
	t.Helper()
	return StartOn(t, filepath.Join(t.TempDir(), "data"), settings...)
}

// StartOn is Start on a data folder that may be there.
func StartOn(t testing.TB, dataDir string, settings ...string) *Server {
	t.Helper()
	return StartProgram(t, Binary(t), dataDir, settings...)
}

// StartProgram is StartOn with a program that is not the one under test, say of a version before it.
func StartProgram(t testing.TB, bin, dataDir string, settings ...string) *Server {
	t.Helper()
	s := &Server{t: t, bin: bin, DataDir: dataDir, env: settings}
	s.Serve()
	t.Cleanup(s.end)
	return s
}

// Upgrade puts another program in the place of this one, for the next Serve.
func (s *Server) Upgrade(bin string) { s.bin = bin }

// Serve starts the server process again, on the same port and data.
func (s *Server) Serve() {
	s.t.Helper()
	listen := strings.TrimPrefix(s.URL, "http://")
	if listen == "" {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			s.t.Fatal(err)
		}
		listen = l.Addr().String()
		l.Close()
		s.URL = "http://" + listen
	}
	s.cmd = exec.Command(s.bin, "serve")
	s.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "CARREL_DATA_DIR=" + s.DataDir, "CARREL_LISTEN=" + listen}, s.env...)
	if p := ClaudePath(); p != "" {
		s.cmd.Env = append(s.cmd.Env, "CARREL_CLAUDE_PATH="+p)
	}
	r, w, err := os.Pipe()
	if err != nil {
		s.t.Fatal(err)
	}
	s.cmd.Stdout, s.cmd.Stderr = w, w
	// Each process has its own of these: the next Serve puts others in their place.
	cmd, out, done := s.cmd, &output{code: make(chan string, 1)}, make(chan struct{})
	s.out, s.done = out, done
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	w.Close()
	go func() { out.read(r); r.Close() }()
	go func() { defer close(done); _ = cmd.Wait() }()
	s.await("the first page", func() error {
		select {
		case <-s.done:
			s.t.Fatalf("carrel serve ended at once:\n%s", s.out)
		default:
		}
		res, err := http.Get(s.URL + "/healthz")
		if err != nil {
			return err
		}
		defer res.Body.Close()
		if res.StatusCode != 200 {
			return fmt.Errorf("healthz: %s", res.Status)
		}
		return nil
	})
}

// ClaudePath is the CLI that the tests were set up with.
func ClaudePath() string {
	if p := os.Getenv("CARREL_CLAUDE_PATH"); p != "" {
		return p
	}
	found, _ := filepath.Glob(filepath.Join(root(), ".cache/claude/node_modules/@anthropic-ai/claude-code-*/claude"))
	if len(found) == 0 {
		return ""
	}
	return found[0]
}

// root is the repository's: tests run in their package's folder, somewhere below it.
func root() string {
	dir, err := os.Getwd()
	if err != nil {
		return ""
	}
	for dir != "/" {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		dir = filepath.Dir(dir)
	}
	return dir
}

// Pid is the server's own.
func (s *Server) Pid() int { return s.cmd.Process.Pid }

// Output is what the server printed so far.
func (s *Server) Output() string { return s.out.String() }

// Signal sends a signal to the server and waits until it has ended.
func (s *Server) Signal(sig syscall.Signal) {
	s.t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.t.Fatalf("signal server: %v", err)
	}
	select {
	case <-s.done:
	case <-time.After(Patience):
		s.t.Fatalf("the server did not end after %v", sig)
	}
}

// Command runs another command of the program on the same data.
func (s *Server) Command(stdin string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, s.bin, args...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "CARREL_DATA_DIR=" + s.DataDir}, s.env...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (s *Server) end() {
	if out, err := s.Command("", "stop"); err != nil {
		s.t.Errorf("carrel stop: %v\n%s", err, out)
	}
	select {
	case <-s.done:
	case <-time.After(Patience):
		s.t.Error("the server did not end after carrel stop")
		_ = s.cmd.Process.Kill()
	}
	for _, left := range Leftovers(s.DataDir) {
		s.t.Errorf("left after the end: %s", left)
	}
	if s.t.Failed() {
		s.t.Logf("the server printed:\n%s", s.out)
		for _, log := range []string{"keeper.log", "gateway.log"} {
			b, _ := os.ReadFile(filepath.Join(StateDir(s.DataDir), log))
			s.t.Logf("%s:\n%s", log, b[max(0, len(b)-8000):])
		}
	}
	_ = os.RemoveAll(StateDir(s.DataDir))
}

func (s *Server) await(what string, try func() error) {
	s.t.Helper()
	Await(s.t, what, try)
}

// Await tries until it works, and fails with the last error when it never does.
func Await(t testing.TB, what string, try func() error) {
	t.Helper()
	deadline := time.Now().Add(Patience)
	for {
		err := try()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("waited %v for %s: %v", Patience, what, err)
		}
		<-time.After(10 * time.Millisecond)
	}
}

// Person is a signed-in user.
type Person struct {
	ID       int64
	Name     string
	Password string
	Token    string // used when set, else the cookie

	s      *Server
	client *http.Client
}

// Setup makes the first administrator.
func (s *Server) Setup(name string) *Person {
	s.t.Helper()
	s.AwaitSetupCode()
	p := s.person(name)
	if res := p.Do("POST", "/setup", map[string]any{"setup_code": s.SetupCode, "username": name, "password": p.Password}, nil); res.StatusCode/100 != 2 {
		s.t.Fatalf("set-up: %s %s", res.Status, res.Text)
	}
	p.Login()
	return p
}

// AwaitSetupCode returns the code that the server prints while it has no account.
func (s *Server) AwaitSetupCode() string {
	s.t.Helper()
	if s.SetupCode == "" {
		select {
		case s.SetupCode = <-s.out.code:
		case <-time.After(Patience):
			s.t.Fatalf("the server printed no set-up code:\n%s", s.out)
		}
	}
	return s.SetupCode
}

// Add makes a user and signs them in.
func (s *Server) Add(admin *Person, name string) *Person {
	s.t.Helper()
	p := s.Enrol(admin, name)
	p.Login()
	return p
}

// Enrol makes an account and does not sign in, which would have an instance started ahead.
func (s *Server) Enrol(admin *Person, name string) *Person {
	s.t.Helper()
	p := s.person(name)
	if res := admin.Do("POST", "/users", map[string]any{"username": name, "password": p.Password, "role": "user"}, nil); res.StatusCode != 201 {
		s.t.Fatalf("add user: %s %s", res.Status, res.Text)
	}
	return p
}

// SignIn signs in a person who has an account already, with the password that Add gave.
func (s *Server) SignIn(name string) *Person {
	s.t.Helper()
	p := s.person(name)
	p.Login()
	return p
}

func (s *Server) person(name string) *Person {
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return &Person{Name: name, Password: "a long password of " + name, s: s, client: &http.Client{Jar: jar, Timeout: Patience}}
}

// Login signs in and learns the id.
func (p *Person) Login() {
	p.s.t.Helper()
	var me struct {
		ID int64 `json:"id"`
	}
	if res := p.Do("POST", "/auth/login", map[string]any{"username": p.Name, "password": p.Password}, nil); res.StatusCode != 200 {
		p.s.t.Fatalf("login: %s %s", res.Status, res.Text)
	}
	if res := p.Do("GET", "/me", nil, &me); res.StatusCode != 200 || me.ID == 0 {
		p.s.t.Fatalf("me: %s %s", res.Status, res.Text)
	}
	p.ID = me.ID
}

// Response is an answer that was read whole.
type Response struct {
	*http.Response
	Text string
}

// Code is the problem's code, "" when it is no problem.
func (r Response) Code() string {
	var p struct {
		Code string `json:"code"`
	}
	_ = json.Unmarshal([]byte(r.Text), &p) // what is no problem has no code
	return p.Code
}

// Do asks the API. body is sent as JSON, or as it is when it is an io.Reader;
// into takes a JSON answer.
func (p *Person) Do(method, path string, body, into any) Response {
	p.s.t.Helper()
	res, err := p.Try(method, path, body, into)
	if err != nil {
		p.s.t.Fatal(err)
	}
	return res
}

// Try is Do for goroutines other than the test's own, which may not end it.
func (p *Person) Try(method, path string, body, into any) (Response, error) {
	var r io.Reader
	contentType := "application/json"
	switch b := body.(type) {
	case nil:
	case io.Reader:
		r, contentType = b, "application/octet-stream"
	default:
		j, err := json.Marshal(b)
		if err != nil {
			return Response{}, err
		}
		r = bytes.NewReader(j)
	}
	req, err := http.NewRequest(method, p.s.URL+"/api/v1"+path, r)
	if err != nil {
		return Response{}, err
	}
	if r != nil {
		req.Header.Set("Content-Type", contentType)
	}
	if p.Token != "" {
		req.Header.Set("Authorization", "Bearer "+p.Token)
	} else {
		req.Header.Set("Origin", p.s.URL)
	}
	res, err := p.client.Do(req)
	if err != nil {
		return Response{}, fmt.Errorf("%s %s: %w", method, path, err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return Response{}, fmt.Errorf("%s %s: read answer: %w", method, path, err)
	}
	if into != nil && res.StatusCode/100 == 2 {
		if err := json.Unmarshal(b, into); err != nil {
			return Response{}, fmt.Errorf("%s %s: %w in %s", method, path, err, b)
		}
	}
	return Response{res, string(b)}, nil
}

// Must is Do with a status that has to come.
func (p *Person) Must(status int, method, path string, body, into any) Response {
	p.s.t.Helper()
	res := p.Do(method, path, body, into)
	if res.StatusCode != status {
		p.s.t.Fatalf("%s %s: %s, want %d: %s", method, path, res.Status, status, res.Text)
	}
	return res
}
