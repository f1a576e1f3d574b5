package jose

import (
	"bytes"
	"encoding/json"
	"errors"
)

// value reads any value and returns its bytes.
func (s *scanner) value() ([]byte, error) {
	start := s.pos
	var err error
	switch c := s.peek(); {
	case c == '"':
		_, _, err = s.text()
	case c == '{':
		err = s.object(nil)
	case c == '[':
		err = s.array(nil)
	case c == 't':
		err = s.literal("true")
	case c == 'f':
		err = s.literal("false")
	case c == 'n':
		err = s.literal("null")
	case c == '-' || c >= '0' && c <= '9':
		err = s.number()
	default:
		err = s.syntax("a value")
	}
	return s.data[start:s.pos], err
}

func (s *scanner) literal(word string) error {
	if !bytes.HasPrefix(s.data[s.pos:], []byte(word)) {
		return s.syntax(word)
	}
	s.pos += len(word)
	return nil
}

// number reads RFC 8259's number: no leading zero, no bare point.
func (s *scanner) number() error {
	if s.peek() == '-' {
		s.pos++
	}
	if s.peek() == '0' {
		s.pos++
	} else if !s.digits() {
		return s.syntax("a digit")
	}
	if s.peek() == '.' {
		s.pos++
		if !s.digits() {
			return s.syntax("a digit")
		}
	}
	if c := s.peek(); c == 'e' || c == 'E' {
		s.pos++
		if c := s.peek(); c == '+' || c == '-' {
			s.pos++
		}
		if !s.digits() {
			return s.syntax("a digit")
		}
	}
	return nil
}

func (s *scanner) digits() bool {
	start := s.pos
	for c := s.peek(); c >= '0' && c <= '9'; c = s.peek() {
		s.pos++
	}
	return s.pos > start
}

// text reads a string and returns it with its quotes, and whether it has escapes.
func (s *scanner) text() (raw []byte, escaped bool, err error) {
	start := s.pos
	if s.peek() != '"' {
		return nil, false, s.syntax("a string")
	}
	for s.pos++; s.pos < len(s.data); s.pos++ {
		switch c := s.data[s.pos]; {
		case c == '"':
			s.pos++
			return s.data[start:s.pos], escaped, nil
		case c < 0x20:
			return nil, false, s.syntax("no control character")
		case c == '\\':
			escaped = true
			if err := s.escape(); err != nil {
				return nil, false, err
			}
		}
	}
	return nil, false, s.syntax("the end of a string")
}

// escape reads one escape, or the two of a surrogate pair, and stops on its last byte.
func (s *scanner) escape() error {
	s.pos++
	switch s.peek() {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return nil
	case 'u':
		unit, ok := s.hex4()
		if !ok {
			return s.syntax("four hexadecimal digits")
		}
		if unit < 0xd800 || unit > 0xdfff {
			return nil
		}
		if unit >= 0xdc00 || !bytes.HasPrefix(s.data[s.pos+1:], []byte(`\u`)) {
			return errors.New("JSON has half of a surrogate pair")
		}
		s.pos += 2
		if low, ok := s.hex4(); !ok || low < 0xdc00 || low > 0xdfff {
			return errors.New("JSON has half of a surrogate pair")
		}
		return nil
	}
	return s.syntax("an escape")
}

// hex4 reads the four digits after the 'u' that the scanner stands on, and stops on the last.
func (s *scanner) hex4() (unit rune, ok bool) {
	if s.pos+4 >= len(s.data) {
		return 0, false
	}
	for _, c := range s.data[s.pos+1 : s.pos+5] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		unit = unit<<4 | rune(c)
	}
	s.pos += 4
	return unit, true
}

// unquote decodes a string that the scanner has accepted.
func unquote(raw []byte) (string, error) {
	if len(raw) < 2 || raw[0] != '"' {
		return "", errors.New("not a string")
	}
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw[1 : len(raw)-1]), nil
	}
	var text string
	err := json.Unmarshal(raw, &text)
	return text, err
}

// names are the member names of the objects that are open, the innermost
// object's last: a list for all of them, and a map for one with many.
type names struct {
	list  [][]byte
	start int                 // of the innermost object's in list
	many  map[string]struct{} // the innermost object's once there are more than few
}

// few is the number of names up to which comparing them all is quicker than a map.
const few = 16

// open begins an object and returns the state to give to close at its end.
func (n *names) open() names {
	outer := *n
	n.start, n.many = len(n.list), nil
	return outer
}

func (n *names) close(outer names) {
	outer.list = n.list[:n.start] // the room stays
	*n = outer
}

// add reports whether the innermost object did not have the name yet.
func (n *names) add(name []byte) bool {
	if n.many != nil {
		before := len(n.many)
		n.many[string(name)] = struct{}{}
		return len(n.many) > before
	}
	for _, other := range n.list[n.start:] {
		if bytes.Equal(name, other) {
			return false
		}
	}
	if n.list = append(n.list, name); len(n.list)-n.start > few {
		n.many = make(map[string]struct{}, 4*few)
		for _, name := range n.list[n.start:] {
			n.many[string(name)] = struct{}{}
		}
	}
	return true
}
