package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

func init() {
	ops["dial"] = dial
	ops["socket"] = socket
	ops["address"] = changeAddress
	ops["tunnel"] = tunnel
	ops["fetch"] = fetch
	ops["ask"] = ask
	ops["order"] = order
}

func dial(args []string) (string, error) {
	c, err := net.DialTimeout(args[0], args[1], 3*time.Second)
	if err != nil {
		return "", refusedBy(err)
	}
	return "connected to " + args[1], c.Close()
}

// socket makes a socket; the numbers go to the kernel as they are, high bits too.
func socket(args []string) (string, error) {
	var n [3]uint64
	for i, a := range args {
		v, err := strconv.ParseUint(a, 0, 64)
		if err != nil {
			return "", err
		}
		n[i] = v
	}
	_, _, errno := syscall.Syscall(syscall.SYS_SOCKET, uintptr(n[0]), uintptr(n[1]), uintptr(n[2]))
	return gate("socket", errno)
}

// changeAddress gives loopback another address by netlink, and takes it again.
func changeAddress([]string) (string, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_ROUTE)
	if err != nil {
		return "", refusedBy(err)
	}
	defer unix.Close(fd)
	ask := func(kind uint16, flags uint16) error {
		address := [4]byte{127, 91, 82, 73}
		b := make([]byte, 16+8+8)
		binary.NativeEndian.PutUint32(b[0:], uint32(len(b)))
		binary.NativeEndian.PutUint16(b[4:], kind)
		binary.NativeEndian.PutUint16(b[6:], unix.NLM_F_REQUEST|unix.NLM_F_ACK|flags)
		b[16], b[17] = unix.AF_INET, 32
		binary.NativeEndian.PutUint32(b[20:], 1) // loopback is the first
		binary.NativeEndian.PutUint16(b[24:], 8)
		binary.NativeEndian.PutUint16(b[26:], unix.IFA_LOCAL)
		copy(b[28:], address[:])
		if err := unix.Sendto(fd, b, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
			return err
		}
		answer := make([]byte, 4096)
		n, _, err := unix.Recvfrom(fd, answer, 0)
		if err != nil {
			return err
		}
		if n < 20 {
			return errors.New("a short answer")
		}
		if code := int32(binary.NativeEndian.Uint32(answer[16:])); code != 0 {
			return syscall.Errno(-code)
		}
		return nil
	}
	if err := ask(unix.RTM_NEWADDR, unix.NLM_F_CREATE|unix.NLM_F_EXCL); err != nil {
		return "", refusedBy(err)
	}
	return "loopback has another address", ask(unix.RTM_DELADDR, 0)
}

// tunnel asks the egress proxy for a target, and wants anything but a 403; with
// "connected", the tunnel itself.
func tunnel(args []string) (string, error) {
	c, err := proxy()
	if err != nil {
		return "", err
	}
	defer c.Close()
	if _, err := fmt.Fprintf(c, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n", args[0], args[0]); err != nil {
		return "", refusedBy(err)
	}
	text, err := judge(c, http.MethodConnect, args[0])
	if err == nil && len(args) > 1 && !strings.Contains(text, " 200 ") {
		return "", refused{text}
	}
	return text, err
}

// fetch asks the egress proxy for a plain URL.
func fetch(args []string) (string, error) {
	c, err := proxy()
	if err != nil {
		return "", err
	}
	defer c.Close()
	u, err := url.Parse(args[0])
	if err != nil {
		return "", err
	}
	if _, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", args[0], u.Host); err != nil {
		return "", refusedBy(err)
	}
	return judge(c, http.MethodGet, args[0])
}

func proxy() (net.Conn, error) {
	u, err := url.Parse(os.Getenv("HTTPS_PROXY"))
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("HTTPS_PROXY is %q", os.Getenv("HTTPS_PROXY"))
	}
	c, err := net.DialTimeout("tcp", u.Host, 3*time.Second)
	if err != nil {
		return nil, err
	}
	return c, c.SetDeadline(time.Now().Add(12 * time.Second))
}

func judge(c net.Conn, method, what string) (string, error) {
	res, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: method})
	if err != nil {
		return "", fmt.Errorf("the proxy's answer: %w", err)
	}
	defer res.Body.Close()
	b := make([]byte, 300)
	n := 0
	if method != http.MethodConnect || res.StatusCode != http.StatusOK {
		n, _ = res.Body.Read(b) // what it says, as far as it comes at once
	}
	text := fmt.Sprintf("%s: %s %s", what, res.Status, strings.TrimSpace(string(b[:n])))
	if res.StatusCode == http.StatusForbidden {
		return "", refused{text}
	}
	return text, nil
}

// ask posts an empty request to a procedure on a unix socket.
func ask(args []string) (string, error) {
	return converse(args[0], "POST "+args[1]+" HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}", "HTTP/1.1 200")
}

// order gives the gateway an order that changes nothing.
func order(args []string) (string, error) {
	return converse(args[0], `{"op":"remove","instance_id":"i-000000000000"}`+"\n", `{"ok":true`)
}

func converse(socket, say, want string) (string, error) {
	c, err := net.DialTimeout("unix", socket, 3*time.Second)
	if err != nil {
		return "", refusedBy(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return "", err
	}
	if _, err := c.Write([]byte(say)); err != nil {
		return "", refusedBy(err)
	}
	b := make([]byte, 4096)
	n, err := c.Read(b)
	if err != nil {
		return "", refusedBy(err)
	}
	if !strings.HasPrefix(string(b[:n]), want) {
		return "", refused{string(b[:n])}
	}
	return string(b[:n]), nil
}
