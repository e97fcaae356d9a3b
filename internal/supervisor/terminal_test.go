package supervisor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/supervisor/client"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

// view is an attachment with all that came over it.
type view struct {
	b    *bench
	id   string
	a    *client.Attachment
	seen bytes.Buffer
	last *protocol.TerminalOutput
}

func openTerminal(b *bench, script string) *view {
	b.t.Helper()
	term, err := b.OpenTerminal(b.ctx(), &protocol.OpenTerminalRequest{Argv: []string{"sh", "-c", script}, Cols: 90, Rows: 30})
	if err != nil {
		b.t.Fatal(err)
	}
	return attach(b, term.ID)
}

func attach(b *bench, id string) *view {
	b.t.Helper()
	a, err := b.Attach(b.ctx(), id)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { a.Close() })
	return &view{b: b, id: id, a: a}
}

func (v *view) send(in protocol.TerminalInput) {
	v.b.t.Helper()
	if err := v.a.Send(&in); err != nil {
		v.b.t.Fatal(err)
	}
}

// waitFor reads until the text was seen.
func (v *view) waitFor(text string) {
	v.b.t.Helper()
	for !strings.Contains(v.seen.String(), text) {
		out, err := v.a.Receive()
		if err != nil {
			v.b.t.Fatalf("%q did not come: %v; seen %q", text, err, v.seen.String())
		}
		v.seen.Write(out.Data)
		v.last = out
	}
}

// toEnd reads to the end and gives the last message.
func (v *view) toEnd() *protocol.TerminalOutput {
	v.b.t.Helper()
	for {
		out, err := v.a.Receive()
		if errors.Is(err, io.EOF) {
			return v.last
		}
		if err != nil {
			v.b.t.Fatalf("receive: %v; seen %q", err, v.seen.String())
		}
		v.seen.Write(out.Data)
		v.last = out
	}
}

func TestTerminal(t *testing.T) {
	b := setup(t, nil)
	one := openTerminal(b, `trap 'stty size' WINCH; stty size; echo ready; while :; do read x && echo "got $x"; [ "$x" = bye ] && exit 7; done`)
	one.waitFor("30 90")
	one.waitFor("ready")
	one.send(protocol.TerminalInput{Data: []byte("first\n")})
	one.waitFor("got first")
	// A second device sees what was, and both see what comes, whoever types.
	two := attach(b, one.id)
	two.waitFor("got first")
	two.send(protocol.TerminalInput{Data: []byte("second\n")})
	one.waitFor("got second")
	two.waitFor("got second")
	one.send(protocol.TerminalInput{Cols: 100, Rows: 40})
	one.send(protocol.TerminalInput{Data: []byte("\n")}) // the trap runs after the read
	two.waitFor("40 100")
	// It survives that nobody is attached.
	one.a.Close()
	two.a.Close()
	three := attach(b, one.id)
	three.waitFor("got second")
	three.send(protocol.TerminalInput{Data: []byte("bye\n")})
	if end := three.toEnd(); end == nil || !end.Exited || end.ExitCode != 7 {
		t.Errorf("the last message is %+v", end)
	}
	// Who comes later learns how it ended.
	four := attach(b, one.id)
	if end := four.toEnd(); end == nil || !end.Exited || end.ExitCode != 7 || !strings.Contains(four.seen.String(), "got bye") {
		t.Errorf("later: %+v, %q", end, four.seen.String())
	}
	list, err := b.Terminals(b.ctx())
	if err != nil || len(list) != 1 || !list[0].Exited || list[0].ExitCode != 7 || !strings.HasPrefix(list[0].Command, "sh -c trap") {
		t.Errorf("got %+v, %v", list, err)
	}
	if err := b.CloseTerminal(b.ctx(), &protocol.TerminalRequest{ID: one.id}); err != nil {
		t.Error(err)
	}
	if err := b.CloseTerminal(b.ctx(), &protocol.TerminalRequest{ID: one.id}); fault.CodeOf(err) != fault.NotFound {
		t.Errorf("closed twice: %v", err)
	}
	gone, err := b.Attach(b.ctx(), one.id)
	if err == nil {
		_, err = gone.Receive()
		gone.Close()
	}
	if fault.CodeOf(err) != fault.NotFound {
		t.Errorf("attach to what is closed: %v", err)
	}
}

func TestLoginShell(t *testing.T) {
	b := setup(t, nil)
	term, err := b.OpenTerminal(b.ctx(), &protocol.OpenTerminalRequest{})
	if err != nil {
		t.Fatal(err)
	}
	v := attach(b, term.ID)
	v.send(protocol.TerminalInput{Data: []byte("echo $TERM-$((40+2)); tty; stty size; sleep 1000 &\n")})
	v.waitFor("xterm-256color-42")
	v.waitFor("/dev/pts/")
	v.waitFor("24 80")
	begin := time.Now()
	if err := b.CloseTerminal(b.ctx(), &protocol.TerminalRequest{ID: term.ID}); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("closing took %v", took)
	}
	if end := v.toEnd(); end == nil || !end.Exited {
		t.Errorf("the last message is %+v", end)
	}
}

func TestTerminalsAreCapped(t *testing.T) {
	b := setup(t, nil)
	for range maxTerminals {
		if _, err := b.OpenTerminal(b.ctx(), &protocol.OpenTerminalRequest{Argv: []string{"cat"}}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := b.OpenTerminal(b.ctx(), &protocol.OpenTerminalRequest{Argv: []string{"cat"}}); fault.CodeOf(err) != fault.QuotaExceeded {
		t.Errorf("got %v, want quota_exceeded", err)
	}
}

// A program that writes without end is held to the speed of who looks, and what is kept of it is bounded.
func TestTerminalFloods(t *testing.T) {
	b := setup(t, nil)
	v := openTerminal(b, "yes 0123456789012345678901234567890123456789")
	for v.seen.Len() < 3<<20 {
		out, err := v.a.Receive()
		if err != nil {
			t.Fatalf("after %d bytes: %v", v.seen.Len(), err)
		}
		v.seen.Write(out.Data)
	}
	for i, line := range strings.Split(strings.TrimSpace(v.seen.String()), "\r\n") {
		if line != "0123456789012345678901234567890123456789" && v.seen.Len()-i*42 > 42 {
			t.Fatalf("line %d is %q: something was lost", i, line)
		}
	}
	v.a.Close()
	late := attach(b, v.id)
	late.waitFor("\r\n0123456789012345678901234567890123456789\r\n")
}

func TestScrollback(t *testing.T) {
	s := newScrollback()
	for i := range 40000 {
		s.write(fmt.Appendf(nil, "line %05d\n", i))
	}
	s.close()
	var got bytes.Buffer
	if err := s.follow(t.Context(), func(b []byte) error { got.Write(b); return nil }); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(got.String(), "\n"), "\n")
	if got.Len() > scrollbackBytes || got.Len() < scrollbackBytes-20 || lines[len(lines)-1] != "line 39999" {
		t.Errorf("got %d bytes, the last line %q", got.Len(), lines[len(lines)-1])
	}
	if want := fmt.Sprintf("line %05d", 40000-len(lines)); lines[0] != want {
		t.Errorf("begins with %q, want %q: at a line", lines[0], want)
	}
}

// A reader that has stopped reading is cut off, with a reason, and holds up nobody for longer than that.
func TestReaderThatStops(t *testing.T) {
	s := newScrollback()
	stuck := make(chan struct{})
	result := make(chan error, 1)
	reading := make(chan struct{})
	s.write([]byte("x"))
	go func() {
		first := true
		result <- s.follow(context.Background(), func([]byte) error {
			if first {
				first = false
				close(reading)
				<-stuck
			}
			return nil
		})
	}()
	<-reading
	begin := time.Now()
	for range 2*scrollbackBytes/chunkBytes + 2 {
		s.write(make([]byte, chunkBytes))
	}
	if took := time.Since(begin); took < readerPatience/2 || took > 3*readerPatience {
		t.Errorf("writing took %v, want about %v", took, readerPatience)
	}
	close(stuck)
	if err := <-result; fault.CodeOf(err) != fault.SlowConsumer {
		t.Errorf("got %v, want slow_consumer", err)
	}
}
