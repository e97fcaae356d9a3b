package files

import (
	"errors"
	"io/fs"
	"os"
	"syscall"

	"github.com/carrel-dev/carrel/internal/fault"
)

// escapes is the text of os.Root's error for a path that leads out; package os keeps the value to itself.
const escapes = "path escapes from parent"

// explain gives an error the code and the words that a person can use.
func explain(err error) *fault.Error {
	var f *fault.Error
	if errors.As(err, &f) {
		return f
	}
	is := func(targets ...error) bool {
		for _, t := range targets {
			if errors.Is(err, t) {
				return true
			}
		}
		return false
	}
	switch {
	case is(syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG):
		return fault.Wrap(err, fault.QuotaExceeded, "Your storage is full, so nothing was saved. Delete files you do not need, or ask an administrator for more space, and try again.")
	case is(fs.ErrNotExist, syscall.ENOTDIR):
		return fault.Wrap(err, fault.NotFound, "There is no such file or folder.")
	case is(fs.ErrExist, syscall.ENOTEMPTY):
		return fault.Wrap(err, fault.Conflict, "There is something of that name already. Choose another name.")
	case is(syscall.EISDIR):
		return fault.Wrap(err, fault.Conflict, "That is a folder, not a file.")
	case is(fs.ErrPermission, syscall.EROFS):
		return fault.Wrap(err, fault.Forbidden, "The permissions of the file or its folder do not allow it. Change them in a terminal with chmod.")
	case is(syscall.ELOOP) || leadsOut(err):
		return fault.Wrap(err, fault.Invalid, "The path leads over a link that does not end in your workspace.")
	case is(syscall.ENAMETOOLONG):
		return fault.Wrap(err, fault.Invalid, "The name is too long.")
	case is(syscall.ENXIO, syscall.ENODEV, syscall.EOPNOTSUPP):
		return fault.Wrap(err, fault.Invalid, "That is neither a file nor a folder.")
	case is(os.ErrDeadlineExceeded):
		return fault.Wrap(err, fault.Invalid, "The content stopped coming, so nothing was saved.")
	}
	return fault.Wrap(err, fault.Internal, "Something went wrong with the file. Try again; if it stays so, tell an administrator.")
}

func leadsOut(err error) bool {
	for err != nil {
		if err.Error() == escapes {
			return true
		}
		err = errors.Unwrap(err)
	}
	return false
}
