package jose

import (
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
	var room [few][]byte
	s := &scanner{data: data, names: names{list: room[:0]}}
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
	names names
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
	outer := s.names.open()
	defer s.names.close(outer)
	for first := true; ; first = false {
		if first && s.peek() == '}' {
			s.leave()
			return nil
		}
		name, value, err := s.member()
		if err != nil {
			return err
		}
		if !s.names.add(name) {
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
