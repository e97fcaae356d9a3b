package socket

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestWhatComesAhead: bytes that a client sends along with its request are not lost, however many.
func TestWhatComesAhead(t *testing.T) {
	for _, n := range []int{0, 1, 100, bufferBytes, 3000} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			want := strings.Repeat("x", n) + "later"
			got := make(chan string, 1)
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				conn, rw, err := (&upgrade{ResponseWriter: w}).Hijack()
				if err != nil {
					t.Error(err)
					return
				}
				defer conn.Close()
				// As the library does: it takes what is in the buffer, and goes on with the connection.
				ahead, _ := rw.Peek(rw.Reader.Buffered())
				rw.Reader.Reset(io.MultiReader(strings.NewReader(string(ahead)), conn))
				_, err = fmt.Fprint(rw, "go on\n")
				if err == nil {
					err = rw.Flush()
				}
				b := make([]byte, len(want))
				if err == nil {
					_, err = io.ReadFull(rw, b)
				}
				if err != nil {
					t.Error(err)
				}
				got <- string(b)
			}))
			defer s.Close()
			conn, err := net.Dial("tcp", s.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(readAhead)) // it is a TCP connection
			fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n%s", want[:n])
			if _, err := bufio.NewReader(conn).ReadString('\n'); err != nil {
				t.Fatal(err)
			}
			fmt.Fprint(conn, want[n:])
			if s := <-got; s != want {
				t.Errorf("%d bytes, of them %d right; want %d", len(s), strings.Count(s, "x"), len(want))
			}
		})
	}
}

const readAhead = 20 * time.Second
