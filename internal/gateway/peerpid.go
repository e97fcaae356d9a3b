package gateway

import "golang.org/x/sys/unix"

// PeerPID is the gateway's process id, 0 when the kernel does not tell.
func (h *Handoff) PeerPID() int {
	raw, err := h.conn.SyscallConn()
	if err != nil {
		return 0
	}
	pid := 0
	_ = raw.Control(func(fd uintptr) { // a connection that is closed has no peer
		if cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil {
			pid = int(cred.Pid)
		}
	})
	return pid
}
