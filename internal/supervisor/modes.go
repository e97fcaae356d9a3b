package supervisor

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
)

// keptModes are the private modes of a terminal that a program sets once and relies on from then on, in the order in
// which they are set again: keys, cursor, other screen, mouse, focus, pasting.
var keptModes = []int{1, 7, 25, 47, 1047, 1049, 1000, 1002, 1003, 1004, 1005, 1006, 1015, 1016, 2004}

// modes are what output has set, as far as it is not so from the start. A window that begins in the middle of the
// output is told them: without, an editor would be drawn among the shell's lines, and a paste be taken for typing.
type modes map[int]bool

// initially tells whether a mode is on in a new terminal.
func initially(mode int) bool { return mode == 7 || mode == 25 }

// read takes in the sequences that begin in the first n bytes of output. They may end behind these.
func (m modes) read(output []byte, n int) {
	for i := 0; i < n; i++ {
		esc := bytes.IndexByte(output[i:n], 0x1b)
		if esc < 0 {
			return
		}
		i += esc
		rest := output[i+1:]
		switch {
		case len(rest) > 0 && rest[0] == 'c': // a full reset
			clear(m)
		case bytes.HasPrefix(rest, []byte("[?")):
			m.set(rest[2:])
		}
	}
}

// set takes in parameters and their end, h or l. All else is a sequence of another kind.
func (m modes) set(sequence []byte) {
	end := bytes.IndexFunc(sequence[:min(len(sequence), 64)], func(r rune) bool { return r != ';' && (r < '0' || r > '9') })
	if end < 0 || sequence[end] != 'h' && sequence[end] != 'l' {
		return
	}
	for p := range bytes.SplitSeq(sequence[:end], []byte(";")) {
		mode, err := strconv.Atoi(string(p))
		if err != nil || !slices.Contains(keptModes, mode) {
			continue
		}
		if on := sequence[end] == 'h'; on == initially(mode) {
			delete(m, mode)
		} else {
			m[mode] = on
		}
	}
}

// String is the sequences that set them.
func (m modes) String() string {
	var s strings.Builder
	for _, mode := range keptModes {
		if on, ok := m[mode]; ok {
			end := 'l'
			if on {
				end = 'h'
			}
			s.WriteString("\x1b[?" + strconv.Itoa(mode) + string(end))
		}
	}
	return s.String()
}
