package api

import (
	"github.com/danielgtaylor/huma/v2"

	"github.com/carrel-dev/carrel/internal/account"
	"github.com/carrel-dev/carrel/internal/claude"
	"github.com/carrel-dev/carrel/internal/pool"
	"github.com/carrel-dev/carrel/internal/runtime"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
)

// doc describes a field of a type that belongs to another package, which
// should not have to carry the contract's words in its tags.
type doc struct {
	text    string
	enum    []any
	example any
}

// sameAs are schemas that embed another one's fields.
var sameAs = map[string]string{"Account": "User", "NewTokenSecret": "Token", "NewInvitationSecret": "Invitation"}

var (
	roles   = []any{account.RoleAdmin, account.RoleModerator, account.RoleUser}
	efforts = enumOf(claude.Efforts)
	kinds   = []any{protocol.KindClaude, protocol.KindTerminal, protocol.KindCommand}
)

func enumOf(names []string) []any {
	all := make([]any, len(names))
	for i, name := range names {
		all[i] = name
	}
	return all
}

// docs describes fields by schema and name. A test holds it against the schemas.
var docs = map[string]map[string]doc{
	"User": {
		"id":           {text: "The user's id; user-<id> is the workspace.", example: 7},
		"username":     {text: "Login name.", example: "ana"},
		"email":        {text: "E-mail address, if there is one.", example: "ana@example.org"},
		"role":         {text: "What the user may do.", enum: roles, example: account.RoleUser},
		"language":     {text: "Language of the page.", example: "en"},
		"active":       {text: "Whether the user may come in."},
		"created_at":   {text: "When the account was made."},
		"last_seen_at": {text: "When the user was last here, signed in or by a token, to the minute; null: unknown."},
		"quota":        {text: "The user's limits."},
	},
	"Quota": {
		"instances":        {text: "Instances: 0 or 1.", example: 1},
		"live_sessions":    {text: "Sessions with a Claude process at one time.", example: 3},
		"cpu":              {text: "Cores.", example: 2},
		"memory_bytes":     {text: "Memory of the instance.", example: 2147483648},
		"pids":             {text: "Processes and threads.", example: 512},
		"storage_bytes":    {text: "Files and journals together.", example: 5368709120},
		"inodes":           {text: "Files and folders.", example: 500000},
		"tokens_per_day":   {text: "Tokens a day, from 00:00 UTC; null: no limit."},
		"tokens_per_month": {text: "Tokens a month, from its first day, 00:00 UTC; null: no limit."},
	},
	"Token": {
		"id":           {text: "The token's id.", example: "tok_2f6yq4"},
		"name":         {text: "What it is for.", example: "nightly build"},
		"created_at":   {text: "When it was made."},
		"last_used_at": {text: "When it was last used, to the minute; null: never."},
		"expires_at":   {text: "When it stops to count; null: never."},
	},
	"Invitation": {
		"id":         {text: "The invitation's id.", example: "inv_7h2k"},
		"role":       {text: "Role of the account it makes.", enum: roles, example: account.RoleUser},
		"created_by": {text: "Id of the user who invites; 0: the command line.", example: 1},
		"created_at": {text: "When it was made."},
		"expires_at": {text: "When it stops to count."},
		"used_at":    {text: "When it was used; null: not yet."},
		"used_by":    {text: "Id of the user who was made with it."},

		"created_by_name": {text: "Their login name; in the list.", example: "ana"},
		"used_by_name":    {text: "Their login name; in the list.", example: "bob"},
	},
	"AuditEntry": {
		"id":       {text: "Number of the entry."},
		"at":       {text: "When it was done."},
		"actor_id": {text: "Id of the user who did it; 0: nobody who is signed in.", example: 1},
		"action":   {text: "What was done.", example: "user.create"},
		"target":   {text: "What it was done to.", example: "user-7"},
		"address":  {text: "Where from.", example: "192.0.2.7"},
		"detail":   {text: "What else is of use."},
	},
	"Instance": {
		"id":               {text: "The instance's id.", example: "i-4k2m9x0q7abc"},
		"user_id":          {text: "Whose it is.", example: 7},
		"status":           {text: "How it stands.", enum: []any{pool.StatusStarting, pool.StatusActive, pool.StatusIdle, pool.StatusHibernated, pool.StatusUnhealthy, pool.StatusStopping}},
		"runtime":          {text: "What made it.", example: "oci"},
		"workspace":        {text: "The workspace on the host."},
		"created_at":       {text: "When it was made."},
		"last_activity_at": {text: "When it was last used."},
		"active_processes": {text: "Number of processes."},
		"processes":        {text: "What runs in it for the user."},
		"health":           {text: "What the periodic check found."},
		"usage":            {text: "What it uses now."},
		"quota":            {text: "Its limits."},
	},
	"InstanceHealth": {
		"status":               {text: "Whether it answers; degraded: it does, and lacks something that detail names.", enum: []any{"healthy", "degraded", "unhealthy"}},
		"consecutive_failures": {text: "Checks in a row that failed.", example: 0},
		"last_check_at":        {text: "When it was last checked."},
		"detail":               {text: "What was wrong; empty when nothing was."},
		"replacements":         {text: "The last times that the instance was lost and made anew, the last one first."},
	},
	"Replacement": {
		"at":     {text: "When it was found to be lost, or of another version."},
		"reason": {text: "Why, in words."},
	},
	"InstanceUsage": {
		"cpu_seconds":        {text: "Processor time since it was made.", example: 12.5},
		"memory_bytes":       {text: "Memory now.", example: 183500800},
		"pids":               {text: "Processes and threads now.", example: 24},
		"storage_bytes":      {text: "Files and journals now.", example: 41943040},
		"inodes":             {text: "Files and folders now.", example: 1200},
		"storage_most_bytes": {text: "What storage_bytes can become: the limit, less what the file system and the journals keep for themselves. 0: the limit.", example: 5073430118},
		"inodes_most":        {text: "What inodes can become. 0: the limit.", example: 500000},
		"oom_kills":          {text: "Processes that were killed for want of memory, since it was made.", example: 0},
	},
	"Process": {
		"pid":          {text: "Its number inside the instance.", example: 42},
		"kind":         {text: "What it is.", enum: kinds},
		"session_id":   {text: "The session that a claude process is of."},
		"command":      {text: "Its command line.", example: "claude"},
		"started_at":   {text: "When it began."},
		"cpu_seconds":  {text: "Processor time."},
		"memory_bytes": {text: "Resident memory."},
	},
	"Project": {
		"name":        {text: "Its name, unique for the user.", example: "thesis"},
		"path":        {text: "Relative to the workspace.", example: "projects/thesis"},
		"created_at":  {text: "When it was made."},
		"modified_at": {text: "When its folder was changed."},
	},
	"Session": {
		"id":      {text: "The CLI's own UUID.", example: "4b8e3b2e-6f0f-4a38-9d0f-0b5a5c1d2e3f"},
		"project": {text: "The project it is in.", example: "thesis"},
		"title":   {text: "Its title; empty until it has one.", example: "Mend the build"},
		"state": {text: "How it stands; waiting: for the user's answer.", enum: []any{protocol.StateDormant, protocol.StateQueued,
			protocol.StateStarting, protocol.StateReady, protocol.StateRunning, protocol.StateWaiting}},
		"model":            {text: "The model; empty: the CLI's choice.", example: "sonnet"},
		"permission_mode":  {text: "When Claude asks before it acts.", example: "default"},
		"effort":           {text: "How hard the model works; default: as hard as the CLI has it work.", enum: efforts, example: "high"},
		"created_at":       {text: "When it was begun."},
		"last_activity_at": {text: "When something was last said in it, by either side."},
		"seen_at":          {text: "The last activity that the person has seen, on any of their devices. What is later is news to them."},
		"last_seq":         {text: "Number of its last event.", example: 117},
		"usage":            {text: "Tokens by model, as the CLI counts them; {} before the first result."},
		"cost_usd":         {text: "Cost, as the CLI counts it.", example: 0.42},
	},
	"CommandResult": {
		"exit_code":  {text: "128+n when signal n ended it, 124 when the time was up.", example: 0},
		"stdout":     {text: "What it wrote."},
		"stderr":     {text: "What it wrote to its error output."},
		"truncated":  {text: "It wrote more than is here."},
		"timed_out":  {text: "The time was up."},
		"duration_s": {text: "How long it ran.", example: 0.31},
	},
	"Terminal": {
		"id":         {text: "The terminal's id.", example: "t-9f2c"},
		"project":    {text: "The project it began in."},
		"title":      {text: "The name that its person gave it; empty: none.", example: "watch"},
		"command":    {text: "What it was opened with.", example: "bash -l"},
		"foreground": {text: "What has the window at the moment; empty: the command itself, say a shell that waits.", example: "vim"},
		"created_at": {text: "When it was opened."},
		"exited":     {text: "Its program has ended."},
		"exit_code":  {text: "How it ended."},
	},
	"Snapshot": {
		"id":         {text: "The snapshot's id.", example: "s-20261124T090000Z-1f2e3d4c"},
		"kind":       {text: "Why it was taken: somebody asked, time had come, or another was restored.", enum: []any{runtime.SnapshotAsked, runtime.SnapshotTimed, runtime.SnapshotBefore}, example: runtime.SnapshotAsked},
		"created_at": {text: "When it was taken."},
		"bytes":      {text: "What it takes, compressed.", example: 1048576},
	},
	"ProblemField": {
		"location": {text: "Where in the request.", example: "body.username"},
		"message":  {text: "What is wrong with it.", example: "must not be empty"},
	},
	"ServerNotice": {
		"kind":     {text: "What changed.", enum: []any{"session", "session_deleted", "instance", "quota", "queue"}},
		"session":  {text: "The session as it is now."},
		"instance": {text: "The instance as it is now; left out when it is gone."},
	},
}

// describeSchemas writes docs into the schemas.
func describeSchemas(schemas map[string]*huma.Schema) {
	for name, schema := range schemas {
		of := name
		if base, ok := sameAs[name]; ok {
			of = base
		}
		for field, d := range docs[of] {
			p, ok := schema.Properties[field]
			if !ok || p.Description != "" {
				continue
			}
			p.Description, p.Enum = d.text, d.enum
			if d.example != nil {
				p.Examples = []any{d.example}
			}
		}
	}
}
