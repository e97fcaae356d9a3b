package e2e

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/carrel-dev/carrel/e2e/carrel"
)

// contractSlowReader floods a connection that is never read. It is let go, and
// nobody else notices.
func contractSlowReader(t *testing.T, ada *carrel.Person) {
	bob := member(t, ada, "slow-bob")
	id := newSession(bob, "demo")
	other := bob.Dial()
	other.Send(map[string]any{"type": "subscribe", "session_id": id, "after": 0})
	other.WaitEvent("ready", id, 0, isState("ready"))

	addr := strings.TrimPrefix(bob.Server().URL, "http://")
	conn, err := (&net.Dialer{Control: smallReceiveBuffer}).DialContext(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET /api/v1/ws HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", addr, tokenOf(bob))
	in := bufio.NewReaderSize(conn, 16)
	res, err := http.ReadResponse(in, nil)
	if err != nil || res.StatusCode != 101 {
		t.Fatalf("upgrade: %v %v", err, res)
	}
	if _, err := conn.Write(textFrame(`{"type":"subscribe","session_id":"` + id + `","after":0}`)); err != nil {
		t.Fatal(err)
	}
	port := strconv.Itoa(conn.LocalAddr().(*net.TCPAddr).Port)
	if !established(t, addr, port) {
		t.Fatal("the connection is not in the kernel's table")
	}

	// Enough for every buffer on the way; the other one reads all of it meanwhile.
	const words = 60000
	flood := time.Now()
	other.Send(map[string]any{"type": "prompt", "session_id": id, "id": "flood", "content": fmt.Sprintf("[say %d]", words)})
	result, end := other.WaitEvent("the flood's end", id, 0, isResult)
	if result.IsError {
		t.Errorf("the flood: %.300s", result.Result)
	}
	if got := len(strings.Fields(other.Text(id, 0, end))); got != words {
		t.Errorf("the one who reads got %d words; want %d", got, words)
	}
	t.Logf("%d words to the one who reads in %v", words, time.Since(flood))
	other.CheckOrder()

	carrel.Await(t, "the server to let go of the one who does not", func() error {
		if established(t, addr, port) {
			return fmt.Errorf("still connected after %v", time.Since(flood).Round(time.Second))
		}
		return nil
	})
	// Who reads at last finds what was sent before, and the reason where it could still be sent.
	if err := conn.SetReadDeadline(time.Now().Add(carrel.Patience)); err != nil {
		t.Fatal(err)
	}
	code, reason, frames, err := lastFrame(in)
	if err == nil && (code != 4408 || !strings.Contains(reason, "slow_consumer")) {
		t.Errorf("after %d messages it ended with %d %q; want 4408 slow_consumer", frames, code, reason)
	}
	if result, _ := other.Turn(id, "after", "[echo and on]"); !strings.Contains(result.Result, "and on") {
		t.Errorf("after it: %+v", result)
	}
}

// textFrame is one masked text message of at most 125 bytes.
func textFrame(text string) []byte {
	f := append([]byte{0x81, 0x80 | byte(len(text)), 0, 0, 0, 0}, text...) // a mask of zeros changes nothing
	return f
}

// lastFrame reads messages to the end of the stream and gives the close frame's code and reason.
func lastFrame(r *bufio.Reader) (code uint16, reason string, frames int, err error) {
	for ; ; frames++ {
		var head [2]byte
		if _, err = io.ReadFull(r, head[:]); err != nil {
			return 0, "", frames, err
		}
		size := uint64(head[1] & 0x7f)
		wide := map[uint64]int{126: 2, 127: 8}[size]
		if wide > 0 {
			var b [8]byte
			if _, err = io.ReadFull(r, b[8-wide:]); err != nil {
				return 0, "", frames, err
			}
			size = binary.BigEndian.Uint64(b[:])
		}
		if head[0]&0xf != 8 {
			if _, err = io.CopyN(io.Discard, r, int64(size)); err != nil {
				return 0, "", frames, err
			}
			continue
		}
		b := make([]byte, size)
		if _, err = io.ReadFull(r, b); err != nil || size < 2 {
			return 0, "", frames, err
		}
		return binary.BigEndian.Uint16(b), string(b[2:]), frames, nil
	}
}

// established tells whether the server's side of a connection is still open, by the kernel's word.
func established(t *testing.T, addr, peer string) bool {
	t.Helper()
	b, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(addr)
	hex := func(p string) string { n, _ := strconv.Atoi(p); return fmt.Sprintf(":%04X", n) }
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) > 3 && strings.HasSuffix(f[1], hex(port)) && strings.HasSuffix(f[2], hex(peer)) {
			return f[3] == "01"
		}
	}
	return false
}

// smallReceiveBuffer keeps the kernel from taking much for one who does not read.
func smallReceiveBuffer(_, _ string, c syscall.RawConn) error {
	var failed error
	err := c.Control(func(fd uintptr) { failed = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4096) })
	return errors.Join(err, failed)
}
