package gateway

// scan picks values of the top level out of a JSON object that passes byte by
// byte, of any size and in bounded memory. It does not validate: what is not
// JSON gives nothing or nonsense that json.Unmarshal then refuses.
type scan struct {
	want  []string
	found func(key string, raw []byte)

	depth             int
	inString, escaped bool
	object            bool // the top level is an object
	keyNext           bool // at the top level, the next string is a key
	key               []byte
	capture           bool
	value             []byte
}

const (
	maxScanKey   = 64
	maxScanValue = 16 << 10
)

func (s *scan) write(p []byte) {
	for _, b := range p {
		s.step(b)
	}
}

func (s *scan) step(b byte) {
	if s.inString {
		s.keep(b)
		switch {
		case s.escaped:
			s.escaped = false
		case b == '\\':
			s.escaped = true
		case b == '"':
			s.inString = false
			return
		}
		if s.keyNext && s.depth == 1 && len(s.key) < maxScanKey {
			s.key = append(s.key, b)
		}
		return
	}
	switch b {
	case '"':
		s.inString = true
		s.keep(b)
		if s.keyNext && s.depth == 1 {
			s.key = s.key[:0]
		}
	case ':':
		if s.depth == 1 && s.keyNext {
			s.keyNext = false
			for _, w := range s.want {
				if string(s.key) == w {
					s.capture, s.value = true, s.value[:0]
				}
			}
			return
		}
		s.keep(b)
	case ',':
		if s.depth == 1 {
			s.end()
			s.keyNext = s.object
			return
		}
		s.keep(b)
	case '{', '[':
		s.keep(b)
		s.depth++
		if s.depth == 1 {
			s.object = b == '{'
			s.keyNext = s.object
		}
	case '}', ']':
		if s.depth == 1 {
			s.end()
		}
		s.depth = max(s.depth-1, 0)
		s.keep(b)
	default:
		s.keep(b)
	}
}

func (s *scan) keep(b byte) {
	if !s.capture {
		return
	}
	if len(s.value) == maxScanValue {
		s.capture = false
		return
	}
	s.value = append(s.value, b)
}

func (s *scan) end() {
	if s.capture {
		s.capture = false
		s.found(string(s.key), s.value)
	}
}
