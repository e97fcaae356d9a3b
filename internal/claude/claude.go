// Package claude is the protocol of the Claude Code CLI as a kept process: its
// command line and environment, the JSON lines it reads and the JSON lines it
// writes. It is pure: it starts nothing, opens nothing and imports nothing of
// ours. What was seen of the CLI was seen with version 2.1.331; lines of kinds
// that this package does not know are passed on as they are.
package claude

import (
	"slices"
	"strings"
)

// Launch is one start of a kept process.
type Launch struct {
	Path      string // of the CLI
	SessionID string // begin a conversation with this id
	Resume    string // go on with this one; with SessionID as well: begin SessionID with a copy of it
	ResumeAt  string // with Resume: only up to this message, by its uuid; "": all of it
	Model     string // "" leaves it to the person's settings; else as ValidModel has it
	// PermissionMode is one of Modes; "" leaves it to the person's settings.
	PermissionMode string
	// Effort is one of Efforts; DefaultEffort and "" leave it to the CLI, which has one for each model.
	Effort string
	// AllowBypass lets bypassPermissions be asked for. The CLI refuses to start with it as root.
	AllowBypass bool
}

// Argv is the command line.
func (l Launch) Argv() []string {
	argv := []string{
		l.Path, "-p",
		"--input-format", "stream-json", "--output-format", "stream-json", "--verbose",
		"--include-partial-messages", "--permission-prompt-tool", "stdio", "--replay-user-messages",
	}
	switch {
	case l.Resume != "" && l.SessionID != "":
		argv = append(argv, "--resume", l.Resume, "--fork-session", "--session-id", l.SessionID)
	case l.Resume != "":
		argv = append(argv, "--resume", l.Resume)
	default:
		argv = append(argv, "--session-id", l.SessionID)
	}
	if l.Resume != "" && l.ResumeAt != "" {
		argv = append(argv, "--resume-session-at", l.ResumeAt)
	}
	if l.AllowBypass {
		argv = append(argv, "--allow-dangerously-skip-permissions")
	}
	if l.PermissionMode != "" {
		argv = append(argv, "--permission-mode", l.PermissionMode)
	}
	if l.Model != "" {
		argv = append(argv, "--model", l.Model)
	}
	if l.Effort != "" && l.Effort != DefaultEffort {
		argv = append(argv, "--effort", l.Effort)
	}
	return argv
}

// What the CLI says on stderr when the guess between SessionID and Resume was wrong. It then exits with 1.
const (
	textTaken   = "is already in use"
	textUnknown = "No conversation found"
)

// Taken says whether a CLI that ended found its session id to have a conversation already: resume that.
func Taken(stderr string) bool { return strings.Contains(stderr, textTaken) }

// Unknown says whether a CLI that ended found no conversation to resume: begin one.
func Unknown(stderr string) bool { return strings.Contains(stderr, textUnknown) }

// What the CLI's runtime says on stderr when it could not have a thread. More often it aborts and tells nothing of it.
const textNoThread = "process or thread limit"

// NoThread says whether a CLI that ended could not have the threads that it needs.
func NoThread(stderr string) bool { return strings.Contains(stderr, textNoThread) }

// Threads is how many a CLI needs to come up, with some to spare: with eight it aborts, with ten it is greeted.
const Threads = 16

// BypassMode asks nobody for anything.
const BypassMode = "bypassPermissions"

// Modes are the permission modes there are.
var Modes = []string{"default", "acceptEdits", "plan", "auto", "dontAsk", BypassMode}

// ValidMode says whether a permission mode is one of Modes.
func ValidMode(mode string) bool { return slices.Contains(Modes, mode) }

// DefaultEffort leaves the effort to the CLI.
const DefaultEffort = "default"

// Efforts are the levels of effort there are. A model that lacks one is given the next lower by the CLI.
var Efforts = []string{DefaultEffort, "low", "medium", "high", "xhigh", "max"}

// ValidEffort says whether a level is one of Efforts. The CLI takes any other in silence, and does nothing.
func ValidEffort(level string) bool { return slices.Contains(Efforts, level) }

const maxModelBytes = 128

// ValidModel says whether a name may stand for a model: an alias, a full name, a provider's path. It never begins
// with a dash, which would make a flag of it.
func ValidModel(name string) bool {
	if name == "" || len(name) > maxModelBytes {
		return false
	}
	for i, c := range []byte(name) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case i > 0 && strings.IndexByte("-._:/@[]", c) >= 0:
		default:
			return false
		}
	}
	return true
}

// Environment is what a kept process is started with.
type Environment struct {
	// Base is what every process of the person has. What is named below wins over it.
	Base []string
	Home string
	User string
	// Gateway is the unix socket of the Messages API.
	Gateway string
	// TakeUp makes a CLI that resumes run a turn that was cut short again.
	TakeUp bool
}

// The base URL has to be plain http, or the CLI speaks TLS on the socket; its host is never looked up. The key is a
// placeholder: the gateway has the real one.
const (
	baseURL     = "http://gateway.carrel"
	placeholder = "sk-ant-carrel-placeholder"
	defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
)

// Variables are what a CLI needs to speak to the gateway, whoever starts it.
func Variables(gateway string) []string {
	return []string{
		"ANTHROPIC_UNIX_SOCKET=" + gateway,
		"ANTHROPIC_BASE_URL=" + baseURL,
		"ANTHROPIC_API_KEY=" + placeholder,
		"CLAUDE_CODE_SANDBOXED=1", // asks nobody whether they trust a folder of their own; with -p it never asks
		"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1",
		"DISABLE_AUTOUPDATER=1",
		"DISABLE_TELEMETRY=1",
	}
}

// StateFile is where the CLI keeps what it knows of a person, in their home.
const StateFile = ".claude.json"

// FirstState is what a home's StateFile begins with: somebody who types claude for the first time is asked nothing that
// is settled here, neither how to sign in nor whether the placeholder may be used.
func FirstState() string {
	const named = 20 // the CLI knows a key by so many of its last characters
	return `{"hasCompletedOnboarding":true,"customApiKeyResponses":{"approved":["` + placeholder[len(placeholder)-named:] + `"],"rejected":[]}}` + "\n"
}

// Environ is the environment, each name once.
func (e Environment) Environ() []string {
	env := append([]string{"PATH=" + defaultPath, "LANG=C.UTF-8"}, e.Base...)
	env = append(env, "HOME="+e.Home, "USER="+e.User, "LOGNAME="+e.User)
	env = append(env, Variables(e.Gateway)...)
	env = append(env,
		"CLAUDE_CODE_EMIT_SESSION_STATE_EVENTS=1",     // the CLI's own word for when it is idle
		"CLAUDE_CODE_ENABLE_SDK_FILE_CHECKPOINTING=1", // files can be put back to where a prompt found them
	)
	takeUp := "CLAUDE_CODE_RESUME_INTERRUPTED_TURN="
	if e.TakeUp {
		env = append(env, takeUp+"1")
	} else {
		env = slices.DeleteFunc(env, func(s string) bool { return strings.HasPrefix(s, takeUp) })
	}
	seen := map[string]bool{}
	out := make([]string, 0, len(env))
	for _, v := range slices.Backward(env) {
		name, _, ok := strings.Cut(v, "=")
		if ok && !seen[name] {
			seen[name] = true
			out = append(out, v)
		}
	}
	slices.Reverse(out)
	return out
}
