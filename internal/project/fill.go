package project

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"strings"
	"unicode"

	"github.com/carrel-dev/carrel/internal/fault"
	"github.com/carrel-dev/carrel/internal/pool"
	"github.com/carrel-dev/carrel/internal/supervisor/client"
	"github.com/carrel-dev/carrel/internal/supervisor/protocol"
	"github.com/carrel-dev/carrel/internal/workspace"
)

//go:embed sample
var sample embed.FS

// templates are the files of each, in the folder of its name below this package.
var templates = map[string][]string{
	"":       nil,
	"empty":  nil,
	"sample": {"README.md", "hello.py"},
}

// fill writes a template's files.
func fill(ctx context.Context, c *client.Client, name string, files []string) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	for _, f := range files {
		content, err := sample.Open(path.Join("sample", f))
		if err != nil {
			return fmt.Errorf("open template: %w", err)
		}
		q := url.Values{"path": {path.Join(workspace.Projects, name, f)}}
		res, err := c.HTTP(ctx, http.MethodPut, "/content", q, nil, content)
		_ = content.Close() // embedded
		if err != nil {
			return err
		}
		if err := client.Problem(res); err != nil {
			return err
		}
		_ = res.Body.Close() // nothing of it is needed
	}
	return nil
}

// maxURL is more than any repository's address has.
const maxURL = 2048

// checkGitURL takes https addresses only: what else git can fetch from
// (ssh, local paths, ext::) needs keys or runs programs. A password has no
// place in it, since git would write it into the project's settings.
func checkGitURL(s string) error {
	bad := func(format string, args ...any) error { return fault.InvalidField("body.git_url", format, args...) }
	if len(s) > maxURL || strings.ContainsFunc(s, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }) {
		return bad("The address must be at most %d characters without spaces.", maxURL)
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || strings.HasPrefix(u.Hostname(), "-") {
		return bad("The address must begin with https:// and name a host, as in https://github.com/owner/name.git.")
	}
	if u.User != nil {
		return bad("The address must not hold a user name or a password. Make an empty project and clone a private repository in its terminal.")
	}
	return nil
}

// clone runs git in the project's new folder, as the person.
func (s *Service) clone(ctx context.Context, inst *pool.Instance, n New) error {
	s.log.Info("cloning into a project", "user", inst.UserID(), "instance", inst.ID(), "host", hostOf(n.GitURL))
	res, err := inst.Client().Command(ctx, &protocol.CommandRequest{
		// No protocol but https, also where the server sends git elsewhere.
		Argv:     []string{"git", "-c", "protocol.allow=never", "-c", "protocol.https.allow=always", "clone", "--quiet", "--", n.GitURL, "."},
		Project:  n.Name,
		Env:      map[string]string{"GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "", "SSH_ASKPASS": "", "LC_ALL": "C"},
		TimeoutS: cloneTimeout.Seconds(),
	})
	if err != nil {
		var f *fault.Error
		if errors.As(err, &f) || ctx.Err() != nil {
			return err
		}
		return fault.Wrap(err, fault.InstanceUnavailable, "Your instance did not answer while the repository was cloned. Try again.")
	}
	return cloneFault(res)
}

// cloneFault says why a clone failed, in git's own last words.
func cloneFault(res *protocol.CommandResponse) error {
	why := fault.Quote(lastWords(res.Stderr))
	switch {
	case res.TimedOut:
		return fault.New(fault.UpstreamUnavailable, "The repository was not cloned within %s. Clone it in a terminal, where there is no limit.", cloneTimeout)
	case res.ExitCode == 0:
		return nil
	case res.ExitCode == 127:
		return fault.New(fault.RuntimeUnavailable, "There is no git in the instance. Tell an administrator.")
	case strings.Contains(res.Stderr, "No space left on device"), strings.Contains(res.Stderr, "Disk quota exceeded"):
		return fault.New(fault.QuotaExceeded, "The repository does not fit into your storage. Delete files you do not need, or ask an administrator for more space.")
	}
	if why.String() == "" {
		why = fault.Say("git ended with code %d", res.ExitCode)
	}
	return fault.InvalidField("body.git_url", "The repository could not be cloned: %s", why)
}

// lastWords is the end of what a program complained about, fit to be shown.
func lastWords(s string) string {
	const most = 400
	s = strings.Map(func(r rune) rune {
		if r == '\n' || r == '\r' || r == '\t' {
			return ' '
		}
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > most {
		s = "…" + string(r[len(r)-most:])
	}
	return s
}

func hostOf(s string) string {
	u, err := url.Parse(s)
	if err != nil {
		return ""
	}
	return u.Hostname()
}
