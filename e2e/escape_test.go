package e2e

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/carrel-dev/carrel/e2e/carrel"
)

// TestNothingEscapesItsTree has programs leave the process tree that they were
// started in, by every way there is, and sees that they end with it.
func TestNothingEscapesItsTree(t *testing.T) {
	t.Parallel()
	s := carrel.Start(t)
	ada := s.Setup("ada")
	put(t, ada)
	place(t, ada)
	id := strings.TrimPrefix(filepath.Base(carrel.StateDir(s.DataDir)), "carrel-")

	for _, how := range []string{"leave", "stop", "hop"} {
		t.Run("command/"+how, func(t *testing.T) {
			mark := "escaped-" + how + "-" + id
			if r := command(t, ada, "", "./probe", "escape", mark, "/home/ada/"+how, how); r.ExitCode != 0 {
				t.Fatalf("escape: %+v", r)
			}
			if pids := hostProcesses(mark); len(pids) > 0 {
				t.Errorf("%d processes are there after the command ended: %v", len(pids), pids)
			}
		})
	}
	t.Run("terminal", func(t *testing.T) {
		mark := "escaped-terminal-" + id
		var term struct {
			ID string `json:"id"`
		}
		ada.Must(201, "POST", "/terminals", map[string]any{"argv": []string{"/bin/sh", "-c", "./probe escape " + mark + " /home/ada/terminal leave; sleep 100"}, "cols": 80, "rows": 24}, &term)
		awaitProcess(t, mark)
		ada.Must(204, "DELETE", "/terminals/"+term.ID, nil, nil)
		awaitNoProcess(t, mark)
	})
	t.Run("session", func(t *testing.T) {
		mark := "escaped-session-" + id
		ada.Must(201, "POST", "/projects", map[string]any{"name": "demo"}, nil)
		var session struct {
			ID string `json:"id"`
		}
		ada.Must(201, "POST", "/sessions", map[string]any{"project": "demo", "permission_mode": "bypassPermissions"}, &session)
		ws := ada.Dial()
		ws.Send(map[string]any{"type": "subscribe", "session_id": session.ID, "after": 0})
		if r, _ := ws.Turn(session.ID, "p1", "[bash /home/ada/probe escape "+mark+" /home/ada/session leave]"); r.IsError {
			t.Fatalf("turn: %+v", r)
		}
		if pids := hostProcesses("linger\x00" + mark); len(pids) != 1 {
			t.Fatalf("while the session lives: %v; want the one that left its tree", pids)
		}
		ws.Close()
		ada.Must(204, "DELETE", "/sessions/"+session.ID, nil, nil)
		awaitNoProcess(t, mark)
	})
	t.Run("instance", func(t *testing.T) {
		mark := "escaped-instance-" + id
		ada.Must(201, "POST", "/terminals", map[string]any{"argv": []string{"/bin/sh", "-c", "./probe escape " + mark + " /home/ada/instance leave; sleep 100"}, "cols": 80, "rows": 24}, nil)
		awaitProcess(t, mark)
		ada.Must(204, "DELETE", "/instance", nil, nil)
		if pids := hostProcesses(mark); len(pids) > 0 {
			t.Errorf("there after the instance was destroyed: %v", pids)
		}
	})
}

// TestTreesCanBeLeftElsewhere shows that these programs do get away where
// nothing marks them for good: bare's own mark is in the environment, which
// they shed.
func TestTreesCanBeLeftElsewhere(t *testing.T) {
	t.Parallel()
	s := carrel.Start(t, "CARREL_RUNTIME=bare")
	ada := s.Setup("ada")
	put(t, ada)
	place(t, ada)
	id := strings.TrimPrefix(filepath.Base(carrel.StateDir(s.DataDir)), "carrel-")
	files := t.TempDir()
	for _, how := range []string{"leave", "stop", "hop"} {
		mark, file := "escaped-"+how+"-"+id, filepath.Join(files, how)
		t.Cleanup(func() {
			_ = os.Remove(file) // by which one that hops ends
			carrel.Await(t, "the end of "+mark, func() error {
				pids := hostProcesses(mark)
				for _, pid := range pids {
					_ = syscall.Kill(pid, syscall.SIGKILL) // it may be gone
				}
				if len(pids) > 0 {
					return fmt.Errorf("%v", pids)
				}
				return nil
			})
		})
		if r := command(t, ada, "", "./probe", "escape", mark, file, how); r.ExitCode != 0 {
			t.Fatalf("escape: %+v", r)
		}
		awaitProcess(t, mark)
	}
}

func awaitProcess(t *testing.T, mark string) {
	t.Helper()
	carrel.Await(t, "process "+mark, func() error {
		if len(hostProcesses(mark)) == 0 {
			return fmt.Errorf("none")
		}
		return nil
	})
}

func awaitNoProcess(t *testing.T, mark string) {
	t.Helper()
	carrel.Await(t, "the end of "+mark, func() error {
		if pids := hostProcesses(mark); len(pids) > 0 {
			return fmt.Errorf("still %v", pids)
		}
		return nil
	})
}

// TestLinksLeadNowhere puts links to what is not the person's into a workspace
// and asks for it by the file part of the API.
func TestLinksLeadNowhere(t *testing.T) {
	for _, rt := range []string{"oci", "bare"} {
		t.Run(rt, func(t *testing.T) {
			t.Parallel()
			s := carrel.Start(t, "CARREL_RUNTIME="+rt)
			ada := s.Setup("ada")
			bob := s.Add(ada, "bob")
			a, b := put(t, ada), put(t, bob)
			place(t, ada)
			bob.Must(201, "PUT", "/files/content?path=secret.txt", strings.NewReader(bobsSecret), nil)
			ada.Must(201, "PUT", "/files/content?path=mine.txt", strings.NewReader("ada's own"), nil)
			ada.Must(201, "POST", "/files/folder", map[string]any{"path": "links"}, nil)
			secrets := map[string]string{ // link and file below it → what must not come
				"bob": filepath.Join(b.Workspace, "secret.txt"), "volume": filepath.Join(s.DataDir, "volumes", "user-"+strconv.FormatInt(bob.ID, 10), "home/secret.txt"),
				"database": filepath.Join(s.DataDir, "carrel.db"), "key": filepath.Join(s.DataDir, "secrets/gateway.json"), "shadow": "/etc/shadow", "passwd": "/etc/passwd",
				"kept": "/proc/self/environ", "first": "/proc/1/environ", "log": filepath.Join(carrel.StateDir(s.DataDir), "keeper.log"),
				"up": "../../../../../../../../../etc/passwd", "own": filepath.Join(carrel.StateDir(s.DataDir), "instances", a.ID, "spec.json"),
			}
			var tasks []task
			for name, target := range secrets {
				tasks = append(tasks, task{name, "link", []string{target, "links/" + name}})
			}
			tasks = append(tasks, task{"/", "link", []string{"/", "links/root"}}, task{"../", "link", []string{filepath.Dir(b.Workspace), "links/workspaces"}},
				task{"good", "link", []string{"../mine.txt", "links/good"}}, task{"loop", "link", []string{"loop", "links/loop"}})
			for name, o := range inside(t, ada, tasks) {
				if !o.Got {
					t.Fatalf("link %s: %s", name, o.Detail)
				}
			}
			if got := ada.Must(200, "GET", "/files/content?path=links/good", nil, nil).Text; got != "ada's own" {
				t.Errorf("a link within the workspace gives %q", got)
			}
			paths := []string{"links/loop", "links/root/etc/passwd", "links/workspaces/user-" + strconv.FormatInt(bob.ID, 10) + "/secret.txt", "/etc/passwd", "../bob/secret.txt",
				"links/../../../../../../etc/passwd", "links/root/../etc/passwd", "\x00", "/proc/self/environ", b.Workspace + "/secret.txt"}
			for name := range secrets {
				paths = append(paths, "links/"+name)
			}
			for _, path := range paths {
				for _, ask := range []string{"/files/content?path=", "/files?path="} {
					res := ada.Do("GET", ask+url.QueryEscape(path), nil, nil)
					// The link itself may be described.
					if res.StatusCode == 200 && (ask == "/files/content?path=" || !strings.Contains(res.Text, `"items":[]`)) {
						t.Errorf("GET %s%q: 200 %.200q", ask, path, res.Text)
					}
					if strings.Contains(res.Text, bobsSecret) || strings.Contains(res.Text, "root:") {
						t.Errorf("GET %s%q gives %.200q", ask, path, res.Text)
					}
				}
				if res := ada.Do("PUT", "/files/content?path="+url.QueryEscape(path), strings.NewReader("overwritten"), nil); res.StatusCode < 400 {
					// It may have replaced the link itself, and nothing beyond.
					if fi, err := os.Lstat(filepath.Join(a.Workspace, filepath.Clean(path))); err != nil || !fi.Mode().IsRegular() {
						t.Errorf("PUT %q: %s %s", path, res.Status, res.Text)
					}
				}
			}
			if got := bob.Must(200, "GET", "/files/content?path=secret.txt", nil, nil).Text; got != bobsSecret {
				t.Errorf("bob's file is %q", got)
			}
			swapped(t, ada, b.Workspace)
		})
	}
}

// swapped reads a name that is now a file and now a link, as fast as it can be
// changed.
func swapped(t *testing.T, ada *carrel.Person, target string) {
	t.Helper()
	target = filepath.Join(target, "secret.txt")
	ada.Must(201, "POST", "/terminals", map[string]any{"argv": []string{"./probe", "swap", "changing", target}, "cols": 80, "rows": 24}, nil)
	files, others := 0, 0
	for range 150 {
		res := ada.Do("GET", "/files/content?path=changing", nil, nil)
		switch {
		case res.StatusCode == 200 && strings.TrimPrefix(res.Text, "harmless") == "":
			files++
		case res.StatusCode == 200:
			t.Fatalf("what came is %.100q", res.Text)
		default:
			others++
		}
	}
	if files == 0 || others == 0 {
		t.Logf("the race was not met: %d files, %d refusals", files, others)
	}
}
