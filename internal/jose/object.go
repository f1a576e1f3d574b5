package jose

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"
)

// maxDepth bounds the nesting of objects and arrays; a service account's token has 3.
const maxDepth = 32

// visitObject reads data as exactly one JSON object (RFC 8259) and calls visit
// for each of its members with the decoded name and the raw value. It is
// stricter than encoding/json: valid UTF-8 only, no lone surrogates, no
// duplicate names at any depth, names with their case, at most maxDepth deep,
// nothing after the object but white space. visit may be nil. The slices given
// to visit share data's memory.
func visitObject(data []byte, visit func(name, value []byte) error) error {
	return scanAll(data, '{', func(s *scanner) error { return s.object(visit) })
}

// visitArray is visitObject for an array of any values.
func visitArray(data []byte, visit func(value []byte) error) error {
	return scanAll(data, '[', func(s *scanner) error { return s.array(visit) })
}

func scanAll(data []byte, first byte, scan func(*scanner) error) error {
	if !utf8.Valid(data) {
		return errors.New("not valid UTF-8")
	}
	s := &scanner{data: data}
	s.space()
	if s.peek() != first {
		return fmt.Errorf("JSON does not begin with %q", first)
	}
	if err := scan(s); err != nil {
		return err
	}
	if s.space(); s.pos != len(data) {
		return fmt.Errorf("JSON goes on after its end at byte %d", s.pos)
	}
	return nil
}

// scanner walks over JSON without building values.
type scanner struct {
	data  []byte
	pos   int
	depth int
}

func (s *scanner) peek() byte {
	if s.pos < len(s.data) {
		return s.data[s.pos]
	}
	return 0 // never valid JSON outside a string, so it needs no flag of its own
}

func (s *scanner) space() {
	for s.pos < len(s.data) {
		switch s.data[s.pos] {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return
		}
	}
}

func (s *scanner) syntax(want string) error {
	if s.pos >= len(s.data) {
		return fmt.Errorf("JSON ends where %s is expected", want)
	}
	return fmt.Errorf("JSON has %q at byte %d where %s is expected", s.data[s.pos], s.pos, want)
}

func (s *scanner) enter() error {
	if s.depth++; s.depth > maxDepth {
		return fmt.Errorf("JSON is nested deeper than %d", maxDepth)
	}
	s.pos++
	s.space()
	return nil
}

func (s *scanner) leave() {
	s.depth--
	s.pos++
}

// object reads an object; the scanner stands on its brace.
func (s *scanner) object(visit func(name, value []byte) error) error {
	if err := s.enter(); err != nil {
		return err
	}
	var room [16][]byte
	seen := names{list: room[:0]}
	for first := true; ; first = false {
		if first && s.peek() == '}' {
			s.leave()
			return nil
		}
		name, value, err := s.member()
		if err != nil {
			return err
		}
		if !seen.add(name) {
			return fmt.Errorf("JSON has the member %s twice", quote(string(name)))
		}
		if visit != nil {
			if err := visit(name, value); err != nil {
				return err
			}
		}
		switch s.space(); s.peek() {
		case ',':
			s.pos++
			s.space()
		case '}':
			s.leave()
			return nil
		default:
			return s.syntax(`',' or '}'`)
		}
	}
}

func (s *scanner) member() (name, value []byte, err error) {
	raw, escaped, err := s.text()
	if err != nil {
		return nil, nil, err
	}
	name = raw[1 : len(raw)-1]
	if escaped {
		decoded, err := unquote(raw)
		if err != nil {
			return nil, nil, err
		}
		name = []byte(decoded)
	}
	if s.space(); s.peek() != ':' {
		return nil, nil, s.syntax("':'")
	}
	s.pos++
	s.space()
	value, err = s.value()
	return name, value, err
}

func (s *scanner) array(visit func(value []byte) error) error {
	if err := s.enter(); err != nil {
		return err
	}
	for first := true; ; first = false {
		if first && s.peek() == ']' {
			s.leave()
			return nil
		}
		value, err := s.value()
		if err != nil {
			return err
		}
		if visit != nil {
			if err := visit(value); err != nil {
				return err
			}
		}
		switch s.space(); s.peek() {
		case ',':
			s.pos++
			s.space()
		case ']':
			s.leave()
			return nil
		default:
			return s.syntax(`',' or ']'`)
		}
	}
}

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

// names is a set of member names: a list while it is small, a map beyond.
type names struct {
	list [][]byte
	more map[string]struct{}
}

// add reports whether the name was new.
func (n *names) add(name []byte) bool {
	if n.more != nil {
		before := len(n.more)
		n.more[string(name)] = struct{}{}
		return len(n.more) > before
	}
	for _, other := range n.list {
		if bytes.Equal(name, other) {
			return false
		}
	}
	if n.list = append(n.list, name); len(n.list) == cap(n.list) {
		n.more = make(map[string]struct{}, 2*len(n.list))
		for _, name := range n.list {
			n.more[string(name)] = struct{}{}
		}
	}
	return true
}
