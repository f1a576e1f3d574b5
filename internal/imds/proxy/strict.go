package proxy

import (
	"bytes"
	"errors"
	"net"
	"strings"
	"sync/atomic"
)

// errHead ends a connection whose head breaks the rules; net/http answers 400.
var errHead = errors.New("the head of a request breaks RFC 9112")

// strictListener wraps connections in strictConns.
type strictListener struct{ net.Listener }

func (l strictListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &strictConn{Conn: conn}, nil
}

// strictConn lets pass what is the head of a request to the letter: lines that
// end in CR LF, no other control characters, no folded lines, no space around a
// field's name, one length. net/http reads a little more than that, and others
// differ in how much more, which is what request smuggling lives on.
//
// A head that announces a body is the last one of its connection ([strictConn.last]):
// bytes after it are not looked at, and nothing after the answer is read.
type strictConn struct {
	net.Conn
	line    []byte // what has arrived of it
	lines   int    // of the head, complete
	old     bool   // HTTP/1.0, which has no Transfer-Encoding
	lengths int    // header fields that give the body a length
	body    bool
	ended   atomic.Bool
	err     error
}

// Bounds of a head, beside net/http's own of its size.
const (
	maxLine  = 12 << 10
	maxLines = 100
)

// last reports whether the connection ends with the answer to this request.
func (c *strictConn) last() bool { return c.ended.Load() }

// Read implements net.Conn. What comes after a breach is not handed on.
func (c *strictConn) Read(p []byte) (int, error) {
	if c.err != nil {
		return 0, c.err
	}
	n, err := c.Conn.Read(p)
	for i := 0; i < n && !c.body; i++ {
		if c.err = c.take(p[i]); c.err != nil {
			return i, c.err
		}
	}
	return n, err
}

// take looks at one byte.
func (c *strictConn) take(b byte) error {
	previous := byte(0)
	if len(c.line) > 0 {
		previous = c.line[len(c.line)-1]
	}
	switch {
	case b == '\n':
		if previous != '\r' {
			return errHead
		}
		line := c.line[:len(c.line)-1]
		c.line = c.line[:0]
		return c.end(line)
	case previous == '\r', b < ' ' && b != '\t' && b != '\r', b == 0x7f, len(c.line) >= maxLine:
		return errHead
	}
	c.line = append(c.line, b)
	return nil
}

// end looks at a whole line, without its end.
func (c *strictConn) end(line []byte) error {
	switch {
	case len(line) == 0 && c.lines == 0:
		return errHead // net/http skips empty lines before a request
	case len(line) == 0:
		c.body = c.lengths > 0
		c.ended.Store(c.body)
		c.lines, c.lengths = 0, 0
		return nil
	case c.lines > maxLines:
		return errHead
	}
	c.lines++
	if c.lines == 1 {
		return c.request(line)
	}
	return c.field(line)
}

// request takes METHOD SP TARGET SP VERSION, with nothing but visible ASCII.
func (c *strictConn) request(line []byte) error {
	for _, b := range line {
		if b < ' ' || b > '~' {
			return errHead
		}
	}
	method, rest, _ := bytes.Cut(line, []byte(" "))
	target, version, _ := bytes.Cut(rest, []byte(" "))
	c.old = string(version) == "HTTP/1.0"
	if len(method) == 0 || len(target) == 0 || !c.old && string(version) != "HTTP/1.1" {
		return errHead
	}
	return nil
}

// field takes NAME ":" VALUE, where the name is a token.
func (c *strictConn) field(line []byte) error {
	name, value, ok := bytes.Cut(line, []byte(":"))
	if !ok || len(name) == 0 || bytes.ContainsFunc(name, notToken) {
		return errHead
	}
	switch {
	case bytes.EqualFold(name, []byte("Transfer-Encoding")):
		if c.old { // https://www.rfc-editor.org/rfc/rfc9112#section-6.1
			return errHead
		}
		c.lengths++
	case bytes.EqualFold(name, []byte("Content-Length")):
		if string(bytes.Trim(value, " \t")) != "0" {
			c.lengths++
		}
	}
	if c.lengths > 1 {
		return errHead
	}
	return nil
}

// notToken is the complement of https://www.rfc-editor.org/rfc/rfc9110#section-5.6.2.
func notToken(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("!#$%&'*+-.^_`|~", r)
}
