package workspace

import (
	"path"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/carrel-dev/carrel/internal/fault"
)

// maxPathBytes is the limit of Linux for a whole path.
const maxPathBytes = 4095

// MaxNameBytes is the limit of Linux for one name.
const MaxNameBytes = 255

// Resolve turns a path that somebody asked for into one relative to the workspace, clean, with "." for the
// workspace itself. Relative paths are taken from the workspace; absolute ones must lie under home, which is
// where the person sees the workspace, because "/etc" as a name for a folder of the workspace would surprise.
// "" and "/" are the workspace: they are what a client has when it has not yet chosen. "a/.." is reckoned by the letters.
// The answer never begins with ".." or "/". It may still lead over a link, so it is opened through an os.Root.
func Resolve(home, p string) (string, error) {
	if strings.ContainsRune(p, 0) {
		return "", invalidPath("A path cannot hold a zero byte.")
	}
	if len(p) > maxPathBytes {
		return "", invalidPath("The path is longer than %d bytes.", maxPathBytes)
	}
	if p == "" || p == "/" {
		return ".", nil
	}
	rel := p
	if path.IsAbs(p) {
		clean, base := path.Clean(p), path.Clean(home)
		if clean == base {
			return ".", nil
		}
		var ok bool
		if rel, ok = strings.CutPrefix(clean, base+"/"); !ok || !path.IsAbs(base) {
			return "", invalidPath("The path is not in your workspace. Give it relative to the workspace, or below %s.", home)
		}
	}
	rel = path.Clean(rel)
	if rel == ".." || strings.HasPrefix(rel, "../") {
		return "", invalidPath("The path leads out of your workspace.")
	}
	for name := range strings.SplitSeq(rel, "/") {
		if len(name) > MaxNameBytes {
			return "", invalidPath("A name in the path is longer than %d bytes.", MaxNameBytes)
		}
	}
	return rel, nil
}

// CheckNew says whether a resolved path may be made. Names that programs left in the tree may hold anything and can
// still be read and removed; new ones are kept to what every client can show.
func CheckNew(rel string) error {
	if !utf8.ValidString(rel) {
		return invalidPath("The name is not valid UTF-8.")
	}
	for _, r := range rel {
		if unicode.IsControl(r) {
			return invalidPath("A name cannot hold control characters, such as a line break.")
		}
	}
	return nil
}

func invalidPath(format string, args ...any) error {
	return fault.InvalidField("query.path", format, args...)
}

// maxProjectRunes bounds a project's name.
const maxProjectRunes = 64

// CheckProject says whether a name may be a project's: 1 to 64 letters of any script, digits, spaces, ".", "_" and
// "-"; it begins with a letter, a digit or "_", so that it is neither hidden nor taken for an option, and does not
// end with a space. A project is one folder, so its name is never a path.
func CheckProject(name string) error {
	refuse := func(why fault.Text) error {
		return fault.InvalidField("body.name", "A project's name %s. Use 1 to %d letters, digits, spaces, or . _ -, and begin with a letter or a digit.", why, maxProjectRunes)
	}
	if name == "" {
		return refuse(fault.Say("cannot be empty"))
	}
	if !utf8.ValidString(name) {
		return refuse(fault.Say("must be valid UTF-8"))
	}
	if utf8.RuneCountInString(name) > maxProjectRunes || len(name) > MaxNameBytes {
		return refuse(fault.Say("is too long"))
	}
	for i, r := range name {
		switch {
		case unicode.IsLetter(r), unicode.IsDigit(r), r == '_':
		case i > 0 && (r == '.' || r == '-' || r == ' ' || unicode.IsMark(r)):
		case i == 0:
			return refuse(fault.Say("cannot begin with %c", r))
		default:
			return refuse(fault.Say("cannot hold that character"))
		}
	}
	if strings.HasSuffix(name, " ") {
		return refuse(fault.Say("cannot end with a space"))
	}
	return nil
}
