package runtime_test

import (
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/carrel-dev/carrel/internal/fault/words"
	"github.com/carrel-dev/carrel/internal/runtime"
)

// TestMissedInChinese: why something is not in a snapshot is said in the reader's language, whatever its name is.
func TestMissedInChinese(t *testing.T) {
	for why, want := range map[string]string{
		"its path is too long or too deep":                "路径过长或层级过深",
		"the folders change faster than they can be read": "文件夹变化过快，来不及读取",
		fmt.Sprint(syscall.EACCES):                        "没有权限",
		"open /proc/self/fd/9: permission denied":         "没有权限",
		fmt.Sprint(syscall.EAGAIN):                        "暂时不可用，可能正被其他程序占用",
		"something new":                                   "something new",
	} {
		s := runtime.Snapshot{SkippedFirst: fmt.Sprintf("%q: %s", `home/a": b`, why)}
		if got := words.Say(words.Chinese, s.Missed()); !strings.HasPrefix(got, `"home/a\": b"`) || !strings.HasSuffix(got, want) {
			t.Errorf("%s: got %s", why, got)
		}
	}
	s := runtime.Snapshot{SkippedFirst: `"home/x": open /proc/self/fd/9: permission denied`}
	if got := s.Missed().String(); got != `"home/x": permission denied` {
		t.Errorf("got %s", got)
	}
	if got := (runtime.Snapshot{SkippedFirst: "no name"}).Missed().String(); got != "no name" {
		t.Errorf("got %s", got)
	}
}
