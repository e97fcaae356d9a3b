package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/carrel-dev/carrel/internal/scriptedmodel"
)

// bench is one run: a folder, a scripted model, and a Carrel that is started
// when the first part needs it.
type bench struct {
	set    settings
	dir    string
	report report

	model   *scriptedmodel.Model
	baseURL string // of the model, for Carrel's gateway
	socket  string // of the model, for the raw CLI
	cancel  context.CancelFunc
	served  chan error

	carrel  *carrel
	admin   *person
	carrels int    // started so far by needs
	people  int    // made so far
	standin string // the stand-in, once it is built
}

func newBench(set settings) (_ *bench, err error) {
	// Every folder above what instances see must let others through, so not os.MkdirTemp's 0700.
	dir := filepath.Join(os.TempDir(), fmt.Sprintf("carrel-bench-%d", os.Getpid()))
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make a folder: %w", err)
	}
	b := &bench{set: set, dir: dir, model: scriptedmodel.New(scriptedmodel.Options{}), socket: filepath.Join(dir, "model.sock"), served: make(chan error, 2)}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}()
	b.report = report{Machine: machine(claudeVersion(set.claude)), At: time.Now()}
	var lc net.ListenConfig
	tcp, err := lc.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for the gateway: %w", err)
	}
	unix, err := lc.Listen(context.Background(), "unix", b.socket)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("listen for the raw CLI: %w", err), tcp.Close())
	}
	b.baseURL = "http://" + tcp.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	b.cancel = cancel
	for _, l := range []net.Listener{tcp, unix} {
		go func() { b.served <- scriptedmodel.Serve(ctx, l, b.model) }()
	}
	return b, nil
}

// usual is the Carrel that most parts share: the real CLI.
func (b *bench) usual() serving { return serving{claude: b.set.claude, live: max(b.set.together, 4)} }

// need starts the Carrel that most parts share.
func (b *bench) need(ctx context.Context) error { return b.needs(ctx, b.usual()) }

// needs starts a Carrel and makes its administrator, unless the one that runs is served alike.
func (b *bench) needs(ctx context.Context, how serving) error {
	if b.carrel != nil && b.carrel.how == how {
		return nil
	}
	if err := b.stopCarrel(); err != nil {
		return err
	}
	b.carrels++
	c, err := b.startCarrel(ctx, fmt.Sprintf("main%d", b.carrels), how)
	if err != nil {
		return err
	}
	b.carrel = c
	code, err := c.setupCode(ctx)
	if err != nil {
		return err
	}
	b.admin = newPerson(c.url, "admin")
	return b.admin.do(ctx, 201, "POST", "/setup", map[string]any{"setup_code": code, "username": "admin", "password": password}, nil)
}

// newPerson makes an account, not signed in.
func (b *bench) newPerson(ctx context.Context) (*person, error) {
	b.people++
	name := fmt.Sprintf("bench%d", b.people)
	body := map[string]any{"username": name, "password": password, "role": "user"}
	if err := b.admin.do(ctx, 201, "POST", "/users", body, nil); err != nil {
		return nil, err
	}
	return newPerson(b.carrel.url, name), nil
}

// signedIn makes an account with a project, and signs in.
func (b *bench) signedIn(ctx context.Context) (*person, error) {
	p, err := b.newPerson(ctx)
	if err != nil {
		return nil, err
	}
	if err := p.login(ctx); err != nil {
		return nil, err
	}
	return p, p.do(ctx, 201, "POST", "/projects", map[string]any{"name": project}, nil)
}

func (b *bench) stopCarrel() error {
	if b.carrel == nil {
		return nil
	}
	c := b.carrel
	b.carrel = nil
	return c.stop()
}

// close ends everything, also after an error or Ctrl-C.
func (b *bench) close() error {
	err := b.stopCarrel()
	b.cancel()
	for range 2 {
		err = errors.Join(err, <-b.served)
	}
	if err != nil {
		return err // the folder stays to be looked at
	}
	return os.RemoveAll(b.dir)
}

func claudeVersion(path string) string {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, path, "--version").Output()
	if err != nil {
		return "Claude CLI of unknown version"
	}
	return strings.TrimSpace(string(out))
}
