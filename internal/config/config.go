// Package config owns the settings: one struct, whose comments are the reference
// that docs/settings.md and the help text are made from. A setting has one name in
// three places: pool.idle_timeout in carrel.yaml, CARREL_POOL_IDLE_TIMEOUT in the
// environment, --pool-idle-timeout on the command line; the last of them wins.
// It reads a file and what it is given, and validates; it applies nothing.
package config

import (
	"net/netip"
	"net/url"
	"time"

	"github.com/carrel-dev/carrel/internal/quota"
)

// Config is every setting. The tag koanf is the name, default the value of who
// sets nothing, accept the only values there are.
type Config struct {
	// Address that the web page and the API are served on, host:port. Port 0 takes a free one.
	Listen string `koanf:"listen" default:"127.0.0.1:8420"`
	// Folder of everything that must survive: the database, people's volumes, secrets. Made when it is missing.
	DataDir string `koanf:"data_dir" default:"./carrel-data" path:"yes"`
	// Folder of sockets and of what runs now; it may be lost with a restart of the machine. Empty: as root
	// /run/carrel-… by a hash of the data folder's path, else run/ in the data folder.
	StateDir string `koanf:"state_dir" path:"yes"`
	// What makes instances: oci isolates each user in a container; bare isolates nobody, and serves loopback addresses only.
	Runtime string `koanf:"runtime" default:"oci" accept:"oci bare"`
	// How browsers reach the server, when that is not the address it listens on: https://carrel.example.org behind a proxy.
	// Decides which origin may ask, and whether cookies are for https only.
	PublicURL *url.URL `koanf:"public_url"`
	// Addresses or networks of proxies that may say for whom they ask (X-Forwarded-For, X-Forwarded-Proto).
	TrustedProxies []netip.Prefix `koanf:"trusted_proxies"`
	// Who may make an account: closed leaves it to administrators, invite asks for an invitation, open asks for nothing.
	Registration string `koanf:"registration" default:"invite" accept:"closed invite open"`
	// What SIGTERM does to the instances: leave them running for the next server to find, or end them with the gateway and
	// the keeper, as Ctrl-C does.
	SIGTERM string `koanf:"sigterm" default:"leave" accept:"leave end"`
	// How long the server gives what runs to end when it is stopped; at most 15s.
	ShutdownTimeout time.Duration `koanf:"shutdown_timeout" default:"15s"`

	Log     Log     `koanf:"log"`
	Server  Server  `koanf:"server"`
	Gateway Gateway `koanf:"gateway"`
	Claude  Claude  `koanf:"claude"`
	Pool    Pool    `koanf:"pool"`
	// Whose instances are started ahead of a time, as when a class begins at nine: a list of {at, users, ahead}, where at is
	// a time as cron writes it, by the server's clock, users are names, and ahead is how long before, 10m when it is left
	// out. In one line: 0 9 * * 1-5 / ana bob / 10m; the next one after a semicolon.
	Warm     []Warm   `koanf:"warm"`
	Session  Session  `koanf:"session"`
	Snapshot Snapshot `koanf:"snapshot"`
	Push     Push     `koanf:"push"`
	History  History  `koanf:"history"`
	Audit    Audit    `koanf:"audit"`
	OCI      OCI      `koanf:"oci"`
	Quota    Quota    `koanf:"quota"`
	Egress   Egress   `koanf:"egress"`
}

// Log is about the log, which goes to standard error.
type Log struct {
	// The least that is logged.
	Level string `koanf:"level" default:"info" accept:"debug info warn error"`
	// Lines for people or for programs.
	Format string `koanf:"format" default:"text" accept:"text json"`
}

// Server is about the process that speaks to browsers.
type Server struct {
	// Numeric user and group that the server becomes when it is started as root. Nothing else on the host may use it.
	UID int `koanf:"uid" default:"1073741822"`
}

// Gateway is about the way to the model, and the process that holds the key.
type Gateway struct {
	// Messages API to use, without /v1. Empty: Anthropic's with gateway.api_key, and the scripted model without.
	BaseURL *url.URL `koanf:"base_url"`
	// The organisation's API key. Better in the file (mode 0600) or the environment than on the command line, which
	// everybody on the host can read.
	APIKey Secret `koanf:"api_key"`
	// Numeric user and group that the gateway becomes when it is started as root. Nothing else on the host may use it.
	UID int `koanf:"uid" default:"1073741823"`
}

// Claude is about the Claude Code CLI.
type Claude struct {
	// The Claude Code CLI to run in instances, a native program. Empty: the one that make run installed beside this
	// program, else the one in PATH.
	Path string `koanf:"path" path:"yes"`
}

// Pool is about instances.
type Pool struct {
	// After how long without a process of its person an instance is hibernated: nothing of it runs, files stay, the next
	// touch wakes it. 0: never.
	IdleTimeout time.Duration `koanf:"idle_timeout" default:"30m"`
	// How often each instance is asked whether it is well.
	HealthInterval time.Duration `koanf:"health_interval" default:"10s"`
	// Most instances at one time, hibernated ones apart. Beyond it the longest unused one is hibernated for a new one; where
	// all are in use, the new one is refused for the moment. 0: no bound.
	MaxInstances int `koanf:"max_instances" default:"0"`
	// Most Claude processes at one time, of all users; beyond it the longest unused are ended, and resumed by their
	// next prompt. Where all are at work, prompts wait in line, fairly by user. One takes about 90 MB. 0: no bound but
	// the memory.
	MaxLiveSessions int `koanf:"max_live_sessions" default:"0"`
	// Most sessions of one user that may wait in line for a Claude process. A prompt in one more is refused. 0: no bound.
	MaxWaiting int `koanf:"max_waiting" default:"50"`
	// How long a Claude process that waits for its person's answer keeps its place while others wait in line. After that it
	// ends, and its turn goes on, with the question asked again, when the person is back. 0: for ever.
	AnswerTimeout time.Duration `koanf:"answer_timeout" default:"10m"`
	// How long a Claude process in which nothing runs but tasks in the background, say a development server, keeps its
	// place while others wait in line. After that it ends, and the tasks with it, which the session is told. 0: for ever.
	BackgroundTimeout time.Duration `koanf:"background_timeout" default:"10m"`
	// The share of the machine's memory (or of the control group's that Carrel runs in) that may be in use before idle
	// Claude processes are given up and no more are started; from 0.1 to 1.
	MemoryShare float64 `koanf:"memory_share" default:"0.85"`
}

// Session is about conversations.
type Session struct {
	// After how long without a turn a session's Claude process is ended. The next prompt resumes it. 0: never.
	IdleTimeout time.Duration `koanf:"idle_timeout" default:"15m"`
}

// Snapshot is about snapshots of people's files.
type Snapshot struct {
	// How often a snapshot is taken of each who worked since the last one, at least 1m. 0: only when somebody asks for one.
	Interval time.Duration `koanf:"interval" default:"0s"`
	// Most snapshots of one person, 2 to 1000; the oldest go. Together they take twice the person's storage limit at most.
	Keep int `koanf:"keep" default:"24"`
}

// Push is about notifications to people's devices (Web Push).
type Push struct {
	// Whether devices may be told. The server then speaks https to the push services that browsers name: of Google, Apple,
	// Mozilla and Microsoft, through HTTPS_PROXY if that is set.
	Enabled bool `koanf:"enabled" default:"true"`
	// How a push service reaches the administrator: an e-mail address or a https URL. Empty: public_url, if that is https.
	Contact string `koanf:"contact"`
	// How long a request waits before it is told, so that nobody is called who sits in front of it.
	Delay time.Duration `koanf:"delay" default:"5s"`
	// How long a turn must have run for its end to be told, where no client follows the session.
	FinishedAfter time.Duration `koanf:"finished_after" default:"30s"`
	// Push services, as host or host:port, that may be in a private network and without https.
	TrustedHosts []string `koanf:"trusted_hosts"`
}

// History is about the figures over time that administrators see.
type History struct {
	// How often the figures are taken, from 1s to 1m. With 15s they go back an hour in steps of 15 seconds, twelve hours in
	// steps of 2 minutes and seven days in steps of 15 minutes; with another step all of these are as much longer or shorter.
	// Figures that were kept with another step are dropped.
	Step time.Duration `koanf:"step" default:"15s"`
}

// Audit is about the record of who did what.
type Audit struct {
	// How long an entry is kept, at least 720h (30 days); what is older goes. 9600h are 400 days. 0: for ever.
	Retention time.Duration `koanf:"retention" default:"9600h"`
}

// OCI is about the runtime oci.
type OCI struct {
	// The OCI runtime: a name in PATH, or a path.
	Command string `koanf:"command" default:"runc" path:"command"`
	// Folder of a root file system that all instances share, read-only. Empty: the host's /usr with a made /etc.
	Root string `koanf:"root" path:"yes"`
	// First uid of the ranges that users get, 65536 each; a multiple of 65536.
	UIDBase int64 `koanf:"uid_base" default:"1073741824"`
}

// Quota is what a new user gets. The fields are quota.Quota's, and convert to it.
type Quota struct {
	// Instances a new user may have: 0 or 1.
	Instances int `koanf:"instances"`
	// Sessions of a new user with a Claude process at one time.
	LiveSessions int `koanf:"live_sessions"`
	// Cores, from 0.1 to 1024.
	CPU float64 `koanf:"cpu"`
	// Memory, in bytes.
	MemoryBytes int64 `koanf:"memory_bytes"`
	// Processes and threads.
	PIDs int64 `koanf:"pids"`
	// Files and journals together, in bytes.
	StorageBytes int64 `koanf:"storage_bytes"`
	// Files and folders.
	Inodes int64 `koanf:"inodes"`
	// Tokens a day, from 00:00 UTC; none is no limit.
	TokensPerDay *int64 `koanf:"tokens_per_day"`
	// Tokens a calendar month; none is no limit.
	TokensPerMonth *int64 `koanf:"tokens_per_month"`
}

// Limits is the quota as accounts store it.
func (q Quota) Limits() quota.Quota { return quota.Quota(q) }

// Egress is about what instances may reach beside the model.
type Egress struct {
	// Hosts that instances may reach: example.org, *.example.org (below it), example.org:8443, or * for all. Addresses of
	// private networks stay closed. They are added to the public forges and to the hosts that this machine's npm, go and
	// apt are set up for.
	Allow []string `koanf:"allow"`
	// Hosts that they may not reach, in the same forms; it wins over egress.allow.
	Deny []string `koanf:"deny"`
}
