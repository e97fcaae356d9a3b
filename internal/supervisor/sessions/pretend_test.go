package sessions

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// pretend is a program in the place of the CLI, for what the real one does not do when asked: it floods, dies, stays
// mute or says things nobody knows. It is this test binary, told by CARREL_TEST_CLAUDE which it is to be.
func pretend(kind string) {
	session := "none"
	if i := slices.IndexFunc(os.Args, func(a string) bool { return a == "--session-id" || a == "--resume" }); i > 0 {
		session = os.Args[i+1]
	}
	dir := os.Getenv("TMPDIR")
	// Two processes of one session at one time would be the worst of all.
	lock, err := os.OpenFile(filepath.Join(dir, session+".lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		panic(err)
	}
	if syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil {
		_ = os.WriteFile(filepath.Join(dir, "TWO"), []byte(session), 0o600)
		os.Exit(9)
	}
	if full := filepath.Join(dir, "full"); kind == "starved" { // as long as there are no processes
		if how, err := os.ReadFile(full); err == nil {
			switch string(how) {
			case "once":
				_ = os.Remove(full)
			case "mute":
				_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
				time.Sleep(time.Minute)
			}
			fmt.Fprintln(os.Stderr, "error: Failed to start HTTP Client thread: EAGAIN\nnote: The process or thread limit may have been reached (ulimit -u, or the container's pids limit)")
			os.Exit(1)
		}
		kind = "quick"
	}
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 64<<20)
	for in.Scan() {
		var l struct {
			Type      string
			RequestID string `json:"request_id"`
			UUID      string
		}
		if err := json.Unmarshal(in.Bytes(), &l); err != nil {
			os.Exit(1)
		}
		if kind == "mute" {
			continue
		}
		if l.Type == "control_request" {
			fmt.Printf(`{"type":"control_response","response":{"subtype":"success","request_id":%q,"response":{"still_queued":[]}}}`+"\n", l.RequestID)
			continue
		}
		if l.Type != "user" {
			continue
		}
		switch kind {
		case "flood":
			junk := []byte(strings.Repeat("x", 1<<20))
			for {
				_, _ = os.Stdout.Write(junk)
			}
		case "dies":
			fmt.Fprintln(os.Stderr, "boom \xff")
			os.Exit(3)
		case "odd":
			for _, line := range oddLines {
				fmt.Println(line)
			}
		case "deaf": // the first of them
			heard := filepath.Join(dir, "deaf")
			if _, err := os.Stat(heard); err != nil {
				_ = os.WriteFile(heard, nil, 0o600)
				continue
			}
			runQuick(dir, session, l.UUID)
		case "quick":
			runQuick(dir, session, l.UUID)
		}
	}
}

var oddLines = []string{
	`{"type":"never_seen_before","n":1.0,"x":{"b":[ 1, 2 ],"a":"<&>"},"ü":"\u2028"}`,
	`{"no type":true}`,
	`Warning: this is not JSON`,
	`{"type":7,"subtype":["x"]}`,
	`{"type":"control_response","response":{"subtype":"success","request_id":"an echo of ours","response":{}}}`,
	`{"type":"control_request","request_id":"hook","request":{"subtype":"hook_callback"}}`,
	`{"type":"result","subtype":"success","user_message_uuids":"none"}`,
}

// runQuick does as the CLI does: what its conversation on disk has, it does not run again.
func runQuick(dir, session, uuid string) {
	path := filepath.Join(dir, session+".conversation")
	before, _ := os.ReadFile(path)
	replay := fmt.Sprintf(`{"type":"user","isReplay":true,"uuid":%q}`, uuid)
	end := fmt.Sprintf(`{"type":"command_lifecycle","state":"completed","command_uuid":%q}`, uuid)
	if strings.Contains(string(before), uuid) {
		fmt.Println(replay)
		fmt.Println(end)
		return
	}
	fmt.Printf(`{"type":"command_lifecycle","state":"queued","command_uuid":%q}`+"\n", uuid)
	fmt.Printf(`{"type":"command_lifecycle","state":"started","command_uuid":%q}`+"\n", uuid)
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		panic(err)
	}
	_, _ = fmt.Fprintln(f, uuid)
	_ = f.Close()
	fmt.Println(replay)
	for i := range 5 {
		fmt.Printf(`{"type":"stream_event","n":%d}`+"\n", i)
		time.Sleep(time.Millisecond) // a turn takes its time
	}
	fmt.Printf(`{"type":"result","subtype":"success","user_message_uuids":[%q]}`+"\n", uuid)
	fmt.Println(end)
}

// pretenderEnv makes an instance whose CLI is os.Args[0] use such a program.
func pretenderEnv(kind string) string { return "CARREL_TEST_CLAUDE=" + kind }
