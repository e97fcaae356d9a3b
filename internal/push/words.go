package push

import (
	"strings"

	"github.com/carrel-dev/carrel/internal/session"
)

// Notifications speak their person's language, as the page does.

func chinese(language string) bool { return strings.HasPrefix(language, "zh") }

func titleOf(language string, about session.Session) string {
	switch {
	case about.Title != "":
		return about.Title
	case chinese(language):
		return "未命名的会话"
	}
	return "Untitled session"
}

func sayAsked(language string, r request) string {
	what := r.what()
	zh := chinese(language)
	switch r.tool {
	case toolQuestion:
		if zh {
			return "Claude 有个问题：" + what
		}
		return "Claude asks: " + what
	case toolPlan:
		if zh {
			return "Claude 提出了一个计划，等你批准。"
		}
		return "Claude has a plan, and waits for your approval."
	case "Bash":
		if zh {
			return "要运行命令：" + what
		}
		return "Run a command? " + what
	case "Write", "Edit", "MultiEdit", "NotebookEdit":
		if zh {
			return "要更改文件：" + what
		}
		return "Change a file? " + what
	}
	if zh {
		return "要使用 " + r.tool + "：" + what
	}
	return "Use " + r.tool + "? " + what
}

func sayEnded(language string, e ending) string {
	switch {
	case e.failed && chinese(language):
		return "没有完成：" + e.text
	case e.failed:
		return "It did not finish: " + e.text
	case e.text != "":
		return e.text
	case chinese(language):
		return "Claude 已完成。"
	}
	return "Claude has finished."
}

func sayTest(language string) (title, body string) {
	if chinese(language) {
		return "通知已开启", "Claude 需要你时，你会在这台设备上收到通知。"
	}
	return "Notifications work", "When Claude needs you, this device tells you."
}
