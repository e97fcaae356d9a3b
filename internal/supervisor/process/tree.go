package process

import (
	"bytes"
	"crypto/rand"
	"os"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/carrel-dev/carrel/internal/fault"
)

// treeVariable marks a tree where groups cannot.
const treeVariable = "CARREL_TREE"

// mark is what every member of one tree bears. Parent links break when a parent dies, and sessions and process
// groups are left by setsid(2); a supplementary group stays with a process without capabilities for ever.
type mark struct {
	gid   int    // 0: none
	value string // of treeVariable, when there is no group
}

func (m mark) groups() []uint32 {
	if m.gid == 0 {
		return nil
	}
	return []uint32{uint32(m.gid)}
}

func (m mark) environ(env []string) []string {
	if m.gid != 0 {
		return env
	}
	return append(slices.Clone(env), treeVariable+"="+m.value)
}

// marks gives each tree a mark of its own.
type marks struct {
	first, last int
	used        map[int]bool
	next        int // offset where the search for a free group begins: the longest unused is given first
}

func (s *marks) take() (mark, error) {
	if s.first <= 0 {
		return mark{value: rand.Text()}, nil
	}
	n := s.last - s.first + 1
	for i := range n {
		gid := s.first + (s.next+i)%n
		if !s.used[gid] {
			s.used[gid] = true
			s.next = (gid - s.first + 1) % n
			return mark{gid: gid}, nil
		}
	}
	return mark{}, fault.New(fault.QuotaExceeded, "Your instance runs as many programs as it can. End one and try again.")
}

func (s *marks) release(m mark) { delete(s.used, m.gid) }

// member is one living process of a tree.
type member struct {
	pid     int
	stopped bool
}

// members looks through /proc. Dead ones that nobody has reaped yet do not count.
func (m mark) members() []member {
	proc, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer proc.Close()
	names, _ := proc.Readdirnames(-1) // what could be read counts; the caller scans again
	buf := make([]byte, 8<<10)
	var out []member
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		if state, ok := m.look(pid, buf); ok {
			out = append(out, member{pid: pid, stopped: state == 'T'})
		}
	}
	return out
}

// look says whether a process bears the mark and lives, and its state.
func (m mark) look(pid int, buf []byte) (state byte, ok bool) {
	dir := "/proc/" + strconv.Itoa(pid)
	status := readProc(dir+"/status", buf)
	state, groups := parseStatus(status)
	if state == 0 || state == 'Z' || state == 'X' {
		return state, false
	}
	if m.gid != 0 {
		return state, slices.Contains(groups, m.gid)
	}
	env, err := os.ReadFile(dir + "/environ")
	if err != nil {
		return state, false
	}
	want := []byte(treeVariable + "=" + m.value)
	for v := range bytes.SplitSeq(env, []byte{0}) {
		if bytes.Equal(v, want) {
			return state, true
		}
	}
	return state, false
}

// signal sends a signal to a process if it still bears the mark when it is held by a descriptor: between the look
// and the signal its pid may have gone to another.
func (m mark) signal(pid int, sig unix.Signal, buf []byte) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return // gone
	}
	defer unix.Close(fd)
	if _, ok := m.look(pid, buf); ok {
		_ = unix.PidfdSendSignal(fd, sig, nil, 0) // gone, or seen again by the next scan
	}
}

// stopRounds bounds the passes that bring a tree to a halt before it is killed. A process in an
// uninterruptible wait never shows as stopped.
const stopRounds = 16

// killTree kills every member until a scan finds none, and returns how many are left at the deadline. All are stopped
// first: of a tree that forks faster than it is killed, what is stopped still counts to the limit of processes, so
// that the forking comes to an end.
func (m mark) killTree(deadline time.Time) int {
	buf := make([]byte, 8<<10)
	pause := time.Millisecond
	for {
		all := m.members()
		if len(all) == 0 {
			return 0
		}
		if time.Now().After(deadline) {
			return len(all)
		}
		for range stopRounds {
			running := false
			for _, p := range all {
				if !p.stopped {
					running = true
					m.signal(p.pid, unix.SIGSTOP, buf)
				}
			}
			if !running {
				break
			}
			all = m.members()
		}
		for _, p := range all {
			m.signal(p.pid, unix.SIGKILL, buf)
		}
		// Dying takes the kernel a moment.
		time.Sleep(pause)
		pause = min(2*pause, 20*time.Millisecond)
	}
}
