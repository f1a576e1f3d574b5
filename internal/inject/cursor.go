package inject

import (
	"encoding/json"
	"strings"
	"unicode/utf8"
)

// cursor walks over JSON and reads only what it is asked for. encoding/json
// looks at every byte three times and at every value by reflection, which is
// most of what a review would cost.
//
// It knows the plain JSON that API servers write. Whatever is out of the
// ordinary (null where a value is expected, another type, a key twice or in
// another case, deep nesting, a syntax error) makes it odd: it then reads
// nothing any more, and the caller has encoding/json decide. What is not odd it
// reads exactly as encoding/json does; FuzzCursor compares the two.
type cursor struct {
	data  []byte
	at    int
	depth int
	odd   bool
}

// maxDepth is deeper than any pod; beyond it encoding/json decides.
const maxDepth = 64

// peek returns the next byte that is not white space, 0 at the end or when odd.
func (c *cursor) peek() byte {
	for ; c.at < len(c.data) && !c.odd; c.at++ {
		switch b := c.data[c.at]; b {
		case ' ', '\t', '\n', '\r':
		default:
			return b
		}
	}
	return 0
}

// take consumes the byte, after white space.
func (c *cursor) take(b byte) bool {
	if c.peek() != b || c.odd {
		return false
	}
	c.at++
	return true
}

// expect consumes the byte or is odd.
func (c *cursor) expect(b byte) {
	if !c.take(b) {
		c.odd = true
	}
}

// end is odd if anything but white space is left.
func (c *cursor) end() {
	if c.peek() != 0 || c.at < len(c.data) {
		c.odd = true
	}
}

// object calls member at the value of each key. Member reads the value.
func (c *cursor) object(member func(key []byte)) {
	c.enter('{')
	for first := true; !c.odd; first = false {
		if c.take('}') {
			c.depth--
			return
		}
		if !first {
			c.expect(',')
		}
		c.peek()
		key := c.literal()
		c.expect(':')
		if !c.odd {
			member(key)
		}
	}
}

// array calls element at each value.
func (c *cursor) array(element func()) {
	c.enter('[')
	for first := true; !c.odd; first = false {
		if c.take(']') {
			c.depth--
			return
		}
		if !first {
			c.expect(',')
			if c.peek() == ']' {
				c.odd = true
			}
		}
		if !c.odd {
			element()
		}
	}
}

func (c *cursor) enter(bracket byte) {
	c.expect(bracket)
	if c.depth++; c.depth > maxDepth {
		c.odd = true
	}
}

// once is odd if the bit is set already, and sets it: a key that comes twice.
func (c *cursor) once(seen *uint32, bit uint32) {
	if *seen&bit != 0 {
		c.odd = true
	}
	*seen |= bit
}

// other skips the value of a key that is not one of the known, or is odd if
// encoding/json, which ignores case, would think that it is.
func (c *cursor) other(key []byte, known ...string) {
	for _, name := range known {
		if len(key) == len(name) && strings.EqualFold(string(key), name) {
			c.odd = true
		}
	}
	for _, b := range key {
		if b >= utf8.RuneSelf || b == '\\' { // may fold, or stand for, a known one
			c.odd = true
		}
	}
	c.skip()
}

// literal consumes a string and returns what is between its quotes, as it is
// written. The backslashes are looked at by nobody yet.
func (c *cursor) literal() []byte {
	c.expect('"')
	start := c.at
	for !c.odd && c.at < len(c.data) {
		switch b := c.data[c.at]; {
		case b == '"':
			c.at++
			return c.data[start : c.at-1]
		case b < ' ':
			c.odd = true
		case b == '\\':
			c.escape()
		default:
			c.at++
		}
	}
	c.odd = true
	return nil
}

// escape consumes a backslash and what follows it.
func (c *cursor) escape() {
	rest := c.data[c.at+1:]
	switch {
	case len(rest) > 0 && strings.IndexByte(`"\/bfnrt`, rest[0]) >= 0:
		c.at += 2
	case len(rest) > 4 && rest[0] == 'u' && isHex(rest[1]) && isHex(rest[2]) && isHex(rest[3]) && isHex(rest[4]):
		c.at += 6
	default:
		c.odd = true
	}
}

func isHex(b byte) bool {
	return b >= '0' && b <= '9' || b >= 'a' && b <= 'f' || b >= 'A' && b <= 'F'
}

// string reads a string.
func (c *cursor) string() string {
	c.peek()
	start := c.at
	raw := c.literal()
	if c.odd {
		return ""
	}
	for _, b := range raw {
		if b != '\\' && b < utf8.RuneSelf {
			continue
		}
		var s string
		if json.Unmarshal(c.data[start:c.at], &s) != nil {
			c.odd = true
		}
		return s
	}
	return string(raw)
}

// bool reads true or false.
func (c *cursor) bool() bool {
	switch c.peek() {
	case 't':
		c.odd = !c.word("true")
		return !c.odd
	case 'f':
		c.odd = !c.word("false")
	default:
		c.odd = true
	}
	return false
}

// integer reads a number that int64 holds.
func (c *cursor) integer() int64 {
	const digits = 18 // any number of as many fits
	negative := c.take('-')
	start, n := c.at, int64(0)
	for ; c.at < len(c.data) && c.data[c.at] >= '0' && c.data[c.at] <= '9'; c.at++ {
		n = n*10 + int64(c.data[c.at]-'0')
		if c.at-start >= digits {
			c.odd = true
			return 0
		}
	}
	if c.at == start || c.at-start > 1 && c.data[start] == '0' || c.at < len(c.data) && strings.IndexByte(".eE", c.data[c.at]) >= 0 {
		c.odd = true
	}
	if negative {
		return -n
	}
	return n
}

// raw returns a copy of the next value as it is written.
func (c *cursor) raw() json.RawMessage {
	c.peek()
	start := c.at
	c.skip()
	if c.odd {
		return nil
	}
	return append(json.RawMessage(nil), c.data[start:c.at]...)
}

// stringMap reads an object of strings.
func (c *cursor) stringMap() map[string]string {
	values := map[string]string{}
	c.object(func(key []byte) {
		for _, b := range key {
			if b == '\\' || b >= utf8.RuneSelf {
				c.odd = true
			}
		}
		values[string(key)] = c.string()
	})
	return values
}

// rawMap reads an object of anything.
func (c *cursor) rawMap() map[string]json.RawMessage {
	values := map[string]json.RawMessage{}
	c.object(func(key []byte) {
		for _, b := range key {
			if b == '\\' || b >= utf8.RuneSelf {
				c.odd = true
			}
		}
		values[string(key)] = c.raw()
	})
	return values
}

// skip consumes any value.
func (c *cursor) skip() {
	switch b := c.peek(); {
	case b == '{':
		c.object(func([]byte) { c.skip() })
	case b == '[':
		c.array(c.skip)
	case b == '"':
		c.literal()
	case b == 't' && c.word("true"), b == 'f' && c.word("false"), b == 'n' && c.word("null"):
	case b == '-' || b >= '0' && b <= '9':
		c.number()
	default:
		c.odd = true
	}
}

func (c *cursor) word(word string) bool {
	if !strings.HasPrefix(string(c.data[c.at:min(len(c.data), c.at+len(word))]), word) {
		return false
	}
	c.at += len(word)
	return true
}

// number consumes a number (RFC 8259, section 6).
func (c *cursor) number() {
	if c.data[c.at] == '-' {
		c.at++
	}
	leading := c.at
	if n := c.digits(); n == 0 || n > 1 && c.data[leading] == '0' {
		c.odd = true
	}
	if c.at < len(c.data) && c.data[c.at] == '.' {
		if c.at++; c.digits() == 0 {
			c.odd = true
		}
	}
	if c.at < len(c.data) && (c.data[c.at] == 'e' || c.data[c.at] == 'E') {
		if c.at++; c.at < len(c.data) && (c.data[c.at] == '+' || c.data[c.at] == '-') {
			c.at++
		}
		if c.digits() == 0 {
			c.odd = true
		}
	}
}

func (c *cursor) digits() int {
	start := c.at
	for c.at < len(c.data) && c.data[c.at] >= '0' && c.data[c.at] <= '9' {
		c.at++
	}
	return c.at - start
}
