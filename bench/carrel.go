package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// serving is how a Carrel is to be served.
type serving struct {
	claude string // the program in the place of the Claude CLI
	live   int    // live sessions that a person may have
	keep   bool   // end nothing for being idle, however long the measuring takes
}

// carrel is one `carrel serve` with a data folder of its own.
type carrel struct {
	binary string
	how    serving
	dir    string // holds data/ and state/; found again in command lines and environments
	url    string
	env    []string
	cmd    *exec.Cmd
	done   chan struct{} // closed when the process has ended and its output is read
	began  time.Time
	ended  time.Duration // from Ctrl-C until nothing was left; set by stop
	code   chan string   // the set-up code, once

	mu   sync.Mutex
	said []string // guarded by mu: the last lines
}

var codePattern = regexp.MustCompile(`(?i)set-?up code:?\s+([A-Za-z0-9-]+)`)

// startCarrel starts a server and returns at once; serving tells when it answers.
func (b *bench) startCarrel(ctx context.Context, name string, how serving) (*carrel, error) {
	address, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	c := &carrel{binary: b.set.binary, how: how, dir: filepath.Join(b.dir, name), url: "http://" + address, code: make(chan string, 1)}
	if err := os.Mkdir(c.dir, 0o755); err != nil {
		return nil, err
	}
	c.env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + c.dir,
		"CARREL_DATA_DIR=" + c.data(), "CARREL_STATE_DIR=" + c.state(), "CARREL_LISTEN=" + address, "CARREL_RUNTIME=" + b.set.runtime,
		"CARREL_CLAUDE_PATH=" + how.claude, "CARREL_GATEWAY_BASE_URL=" + b.baseURL, "CARREL_GATEWAY_API_KEY=bench",
		// The raw CLI has no limits either; what they cost is not what is measured.
		"CARREL_QUOTA_CPU=" + strconv.Itoa(runtime.NumCPU()), "CARREL_QUOTA_MEMORY_BYTES=" + strconv.Itoa(4<<30),
		"CARREL_QUOTA_LIVE_SESSIONS=" + strconv.Itoa(how.live),
	}
	if how.keep {
		c.env = append(c.env, "CARREL_POOL_IDLE_TIMEOUT=0", "CARREL_SESSION_IDLE_TIMEOUT=0")
	}
	return c, c.launch()
}

// launch starts the process; after kill it may be called again.
func (c *carrel) launch() error {
	c.cmd = exec.Command(c.binary, "serve") // ended by stop, which asks first
	c.cmd.Dir, c.cmd.Env = c.dir, c.env
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is ours to pass on
	r, w := io.Pipe()
	c.cmd.Stdout, c.cmd.Stderr = w, w
	c.cmd.WaitDelay = 5 * time.Second // whoever else holds the output is not waited for
	c.done, c.began = make(chan struct{}), time.Now()
	if err := c.cmd.Start(); err != nil {
		return fmt.Errorf("start carrel serve: %w", err)
	}
	cmd, done := c.cmd, c.done
	go func() {
		_ = cmd.Wait() // how it ended is seen by who asked it to
		_ = w.Close()  // never fails
	}()
	go func() {
		defer close(done)
		for s := bufio.NewScanner(r); s.Scan(); {
			c.hear(s.Text())
		}
		_, _ = io.Copy(io.Discard, r) // after a line too long to scan
	}()
	return nil
}

// kill ends the server alone, by a signal, and waits for its end.
func (c *carrel) kill(sig syscall.Signal) error {
	const grace = 20 * time.Second
	if err := c.cmd.Process.Signal(sig); err != nil {
		return fmt.Errorf("signal %v to the server: %w", sig, err)
	}
	select {
	case <-c.done:
		return nil
	case <-time.After(grace):
		return fmt.Errorf("the server did not end within %s of signal %v; last lines:\n%s", grace, sig, c.lastWords())
	}
}

func (c *carrel) data() string  { return filepath.Join(c.dir, "data") }
func (c *carrel) state() string { return filepath.Join(c.dir, "state") }

func (c *carrel) hear(line string) {
	if m := codePattern.FindStringSubmatch(line); m != nil {
		select {
		case c.code <- m[1]:
		default:
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.said = append(c.said, line)
	c.said = c.said[max(0, len(c.said)-20):]
}

func (c *carrel) lastWords() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return strings.Join(c.said, "\n")
}

func (c *carrel) setupCode(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	select {
	case code := <-c.code:
		return code, nil
	case <-c.done:
		return "", fmt.Errorf("carrel serve ended at once:\n%s", c.lastWords())
	case <-ctx.Done():
		return "", fmt.Errorf("wait for the set-up code: %w; last lines:\n%s", ctx.Err(), c.lastWords())
	}
}

// serving waits until a path is answered with 200 and tells how long after the start that was.
func (c *carrel) serving(ctx context.Context, path string) (time.Duration, error) {
	const every = 2 * time.Millisecond
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	client := &http.Client{Timeout: 10 * time.Second}
	defer client.CloseIdleConnections()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url+path, nil)
		if err != nil {
			return 0, err
		}
		res, err := client.Do(req)
		if err == nil {
			_, err = io.Copy(io.Discard, res.Body)
			err = errors.Join(err, res.Body.Close())
			if err == nil && res.StatusCode == http.StatusOK {
				return time.Since(c.began), nil
			}
			if err == nil {
				err = fmt.Errorf("the status is %d", res.StatusCode)
			}
		}
		select {
		case <-time.After(every):
		case <-c.done:
			return 0, fmt.Errorf("carrel serve ended at once:\n%s", c.lastWords())
		case <-ctx.Done():
			return 0, fmt.Errorf("wait for %s: %w; last seen: %w; last lines:\n%s", path, ctx.Err(), err, c.lastWords())
		}
	}
}

// stop is Ctrl-C: it must end everything within 15 s and leave nothing.
func (c *carrel) stop() error {
	const grace = 15 * time.Second
	began := time.Now()
	if c.cmd.Process == nil {
		return nil // it was never started
	}
	if err := c.cmd.Process.Signal(syscall.SIGINT); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("interrupt carrel serve: %w", err)
	}
	var err error
	select {
	case <-c.done:
	case <-time.After(grace):
		err = fmt.Errorf("carrel serve did not end within %s of Ctrl-C; last lines:\n%s", grace, c.lastWords())
	}
	if left := leftOf(c.dir, began.Add(grace)); len(left) > 0 || err != nil {
		return errors.Join(err, fmt.Errorf("left %s after Ctrl-C: %s", grace, strings.Join(left, ", ")), c.forceStop())
	}
	c.ended = time.Since(began)
	return nil
}

// forceStop ends what Ctrl-C left.
func (c *carrel) forceStop() error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.binary, "stop", "--data-dir", c.data())
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "CARREL_STATE_DIR=" + c.state()}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("carrel stop: %w: %s", err, out)
	}
	return nil
}

func freeAddress(ctx context.Context) (string, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a port: %w", err)
	}
	return l.Addr().String(), l.Close()
}
