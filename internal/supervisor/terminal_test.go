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

func attach(b *bench, id string) *view { return attachAfter(b, id, 0) }

func attachAfter(b *bench, id string, after int64) *view {
	b.t.Helper()
	a, err := b.Attach(b.ctx(), id, after)
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

// next reads until a message is wanted.
func (v *view) next(what string, wanted func(*protocol.TerminalOutput) bool) *protocol.TerminalOutput {
	v.b.t.Helper()
	for {
		out, err := v.a.Receive()
		if err != nil {
			v.b.t.Fatalf("%s did not come: %v; seen %q", what, err, v.seen.String())
		}
		v.seen.Write(out.Data)
		if wanted(out) {
			return out
		}
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
	gone, err := b.Attach(b.ctx(), one.id, 0)
	if err == nil {
		_, err = gone.Receive()
		gone.Close()
	}
	if fault.CodeOf(err) != fault.NotFound {
		t.Errorf("attach to what is closed: %v", err)
	}
}

// Who comes back with what they have gets the rest, once; who has more than there was begins anew.
func TestTerminalGoesOn(t *testing.T) {
	b := setup(t, nil)
	one := openTerminal(b, `stty -echo; echo ready; while read x; do echo "got $x"; done`)
	first := one.next("attached", func(o *protocol.TerminalOutput) bool { return o.Attached != nil }).Attached
	if first.From != 0 || first.Cols != 90 || first.Rows != 30 || first.Modes != "" {
		t.Errorf("attached %+v", first)
	}
	one.waitFor("ready\r\n")
	one.send(protocol.TerminalInput{Data: []byte("first\n")})
	one.waitFor("got first\r\n")
	have := int64(one.seen.Len())
	one.a.Close()
	other := attach(b, one.id)
	other.send(protocol.TerminalInput{Data: []byte("meanwhile\n")})
	other.waitFor("got meanwhile\r\n")
	again := attachAfter(b, one.id, have)
	at := again.next("attached", func(o *protocol.TerminalOutput) bool { return o.Attached != nil }).Attached
	if at.From != have || at.To != int64(other.seen.Len()) {
		t.Errorf("attached after %d: %+v; the terminal has written %d", have, at, other.seen.Len())
	}
	again.waitFor("got meanwhile\r\n")
	if all := one.seen.String() + again.seen.String(); all != other.seen.String() {
		t.Errorf("together %q, want %q", all, other.seen.String())
	}
	ahead := attachAfter(b, one.id, 1<<40)
	if at := ahead.next("attached", func(o *protocol.TerminalOutput) bool { return o.Attached != nil }).Attached; at.From != 0 {
		t.Errorf("attached after more than there was: %+v", at)
	}
}

// The window has one size, the last that somebody asked for; every other device is told.
func TestTerminalIsResizedByTwo(t *testing.T) {
	b := setup(t, nil)
	one := openTerminal(b, `stty -echo; echo ready; while read x; do echo "$x-$(stty size)"; done`)
	two := attach(b, one.id)
	one.waitFor("ready")
	two.waitFor("ready")
	done := make(chan struct{})
	go func() { // against each other
		defer close(done)
		for i := range uint16(50) {
			_ = two.a.Send(&protocol.TerminalInput{Cols: 100 + i, Rows: 40})
		}
		_ = two.a.Send(&protocol.TerminalInput{Data: []byte("over\n")})
	}()
	for i := range uint16(50) {
		one.send(protocol.TerminalInput{Cols: 50 + i, Rows: 20})
	}
	<-done
	one.waitFor("over-") // what two sent was taken; the order of two devices is nobody's
	one.send(protocol.TerminalInput{Cols: 77, Rows: 33})
	for _, v := range []*view{one, two} {
		v.next("the size", func(o *protocol.TerminalOutput) bool { return o.Cols == 77 && o.Rows == 33 })
	}
	two.send(protocol.TerminalInput{Cols: 66, Rows: 22})
	one.next("the other's size", func(o *protocol.TerminalOutput) bool { return o.Cols == 66 && o.Rows == 22 })
	one.send(protocol.TerminalInput{Data: []byte("now\n")})
	one.waitFor("now-22 66")
	late := attach(b, one.id)
	if at := late.next("attached", func(o *protocol.TerminalOutput) bool { return o.Attached != nil }).Attached; at.Cols != 66 || at.Rows != 22 {
		t.Errorf("who comes later is told %+v", at)
	}
}

func TestTerminalsTitleAndForeground(t *testing.T) {
	b := setup(t, nil)
	term, err := b.OpenTerminal(b.ctx(), &protocol.OpenTerminalRequest{})
	if err != nil {
		t.Fatal(err)
	}
	v := attach(b, term.ID)
	foreground := func() string {
		list, err := b.Terminals(b.ctx())
		if err != nil || len(list) != 1 {
			t.Fatalf("got %+v, %v", list, err)
		}
		return list[0].Foreground
	}
	v.send(protocol.TerminalInput{Data: []byte("PS1='at-'rest; echo on-$((40+2))\n")})
	v.waitFor("at-rest")
	if got := foreground(); got != "" {
		t.Errorf("%q has the terminal of a shell that waits", got)
	}
	v.send(protocol.TerminalInput{Data: []byte("sh -c 'echo in-$((40+2)); exec sleep 1000'\n")})
	v.waitFor("in-42")
	for deadline := time.Now().Add(10 * time.Second); foreground() != "sleep"; { // the exec comes after the echo
		if time.Now().After(deadline) {
			t.Fatalf("%q has the terminal, want sleep", foreground())
		}
	}
	got, err := b.RenameTerminal(b.ctx(), &protocol.RenameTerminalRequest{ID: term.ID, Title: "监视 watch"})
	if err != nil || got.Title != "监视 watch" {
		t.Errorf("got %+v, %v", got, err)
	}
	for _, bad := range []string{"a\nb", "\x1b[31m", "\u202egnp", strings.Repeat("x", maxTitleRunes+1)} {
		if _, err := b.RenameTerminal(b.ctx(), &protocol.RenameTerminalRequest{ID: term.ID, Title: bad}); fault.CodeOf(err) != fault.Invalid {
			t.Errorf("%q: %v, want invalid", bad, err)
		}
	}
	if _, err := b.RenameTerminal(b.ctx(), &protocol.RenameTerminalRequest{ID: "none"}); fault.CodeOf(err) != fault.NotFound {
		t.Errorf("no terminal: %v", err)
	}
}

// What lost output had set is told to who begins behind it.
func TestModes(t *testing.T) {
	for _, c := range []struct{ output, want string }{
		{"plain", ""},
		{"\x1b[?2004h$ ", "\x1b[?2004h"},
		{"\x1b[?2004h\x1b[?2004l", ""},
		{"\x1b[?1049;25l\x1b[?1049h", "\x1b[?25l\x1b[?1049h"},
		{"\x1b[?1000;1006h\x1bc", ""},
		{"\x1b[?25l\x1b[?25h", ""},
		{"\x1b[?9999h\x1b[4h\x1b[?1$p\x1b[?", ""},
	} {
		s := newScrollback(80, 24)
		s.write([]byte(c.output))
		for range 5 * scrollbackBytes / chunkBytes {
			s.write(bytes.Repeat([]byte("0123456789abcde\n"), chunkBytes/16))
		}
		s.close()
		var first *protocol.TerminalOutput
		if err := s.follow(t.Context(), 0, func(o *protocol.TerminalOutput) error {
			if first == nil {
				first = o
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if a := first.Attached; a == nil || a.From == 0 || a.Modes != c.want {
			t.Errorf("%q: attached %+v, want %q", c.output, a, c.want)
		}
	}
	// At every cut through the sequence it is told once: by the modes, or by what follows.
	output := []byte("ab\x1b[?2004hcd")
	for n := range len(output) + 1 {
		m := modes{}
		m.read(output, n)
		if got := m.String() != ""; got != (n > 2) {
			t.Errorf("cut at %d: modes %q", n, m)
		}
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
	s := newScrollback(80, 24)
	for i := range 40000 {
		s.write(fmt.Appendf(nil, "line %05d\n", i))
	}
	s.close()
	var got bytes.Buffer
	if err := s.follow(t.Context(), 0, func(o *protocol.TerminalOutput) error { got.Write(o.Data); return nil }); err != nil {
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
	s := newScrollback(80, 24)
	stuck := make(chan struct{})
	result := make(chan error, 1)
	reading := make(chan struct{})
	s.write([]byte("x"))
	go func() {
		first := true
		result <- s.follow(context.Background(), 0, func(*protocol.TerminalOutput) error {
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
