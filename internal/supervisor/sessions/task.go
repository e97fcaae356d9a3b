package sessions

import (
	"context"
	"fmt"
	"strings"

	"github.com/carrel-dev/carrel/internal/claude"
	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

// StopTask ends a task that runs in the background; events tell of its end. One that has ended is left alone.
func (ss *Sessions) StopTask(ctx context.Context, req *protocol.TaskRequest) (*protocol.Empty, error) {
	ctx, leave, err := ss.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	s, release, err := ss.use(req.SessionID, false)
	if err != nil {
		return nil, err
	}
	defer release()
	r, err := s.greeted(ctx)
	if err != nil || r == nil {
		return &protocol.Empty{}, err
	}
	a, err := r.call(ctx, func(id string) []byte { return claude.StopTask(id, req.TaskID) })
	if err != nil {
		return nil, err
	}
	if a.Refused() {
		return nil, fmt.Errorf("stop a task: %s", a.Error)
	}
	return &protocol.Empty{}, nil
}

// maxTaskOutput is the most that is told of a command's output, in bytes: the CLI tells less.
const maxTaskOutput = 64 << 10

// TaskOutput gives what a command that runs has written so far. Nothing of it is kept: its result has all of it.
func (ss *Sessions) TaskOutput(ctx context.Context, req *protocol.TaskRequest) (*protocol.TaskOutputResponse, error) {
	ctx, leave, err := ss.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	s, release, err := ss.use(req.SessionID, false)
	if err != nil {
		return nil, err
	}
	defer release()
	r, err := s.greeted(ctx)
	if err != nil {
		return nil, err
	}
	none := fault.New(fault.NotFound, "There is no such command that runs. It may have ended.")
	if r == nil {
		return nil, none
	}
	a, err := r.call(ctx, func(id string) []byte { return claude.TaskOutput(id, req.TaskID) })
	if err != nil {
		return nil, err
	}
	if a.Refused() {
		return nil, fmt.Errorf("%w: %s", none, a.Error)
	}
	w := a.Written()
	res := &protocol.TaskOutputResponse{Output: w.Output, TotalBytes: w.Bytes, Truncated: w.Cut}
	if over := len(res.Output) - maxTaskOutput; over > 0 {
		res.Output, res.Truncated = strings.ToValidUTF8(res.Output[over:], ""), true
	}
	return res, nil
}
