package proxy

import (
	"errors"
	"io"
	"net"
	"strings"
	"testing"
)

// reader is a connection that gives a text in pieces.
type reader struct {
	net.Conn
	text string
	step int
}

func (r *reader) Read(p []byte) (int, error) {
	if r.text == "" {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), r.step)], r.text)
	r.text = r.text[n:]
	return n, nil
}

// pass reads a text through a strictConn.
func pass(text string, step int) (*strictConn, string, error) {
	c := &strictConn{Conn: &reader{text: text, step: step}}
	out, err := io.ReadAll(c)
	return c, string(out), err
}

func TestStrict(t *testing.T) {
	const head = "GET /p?q=1 HTTP/1.1\r\nHost: h\r\n"
	for name, test := range map[string]struct {
		text   string
		passes string // "*" for all of it
		last   bool
	}{
		"plain":          {head + "\r\n", "*", false},
		"two":            {head + "\r\n" + head + "\r\n", "*", false},
		"tab_in_value":   {head + "A:\tb\r\n\r\n", "*", false},
		"latin1":         {head + "A: \xe9\r\n\r\n", "*", false},
		"zero_length":    {head + "Content-Length: 0\r\n\r\n" + head + "\r\n", "*", false},
		"body":           {head + "Content-Length: 3\r\n\r\na\nb", "*", true},
		"chunked":        {head + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "*", true},
		"second_body":    {head + "\r\n" + head + "Content-Length: 3\r\n\r\na\nb", "*", true},
		"bare_lf":        {"GET / HTTP/1.1\nHost: h", "GET / HTTP/1.1", false},
		"bare_cr":        {"GET / HTTP/1.1\rHost: h", "GET / HTTP/1.1\r", false},
		"nul":            {head + "A: \x00\r\n\r\n", head + "A: ", false},
		"fold":           {head + " b\r\n\r\n", head + " b\r", false},
		"space_name":     {head + "A : b\r\n\r\n", head + "A : b\r", false},
		"no_name":        {head + ": b\r\n\r\n", head + ": b\r", false},
		"no_colon":       {head + "A\r\n\r\n", head + "A\r", false},
		"two_lengths":    {head + "Content-Length: 1\r\nContent-Length: 1\r\n\r\n", head + "Content-Length: 1\r\nContent-Length: 1\r", false},
		"length_and_te":  {head + "Content-Length: 1\r\ntransfer-encoding: chunked\r\n\r\n", head + "Content-Length: 1\r\ntransfer-encoding: chunked\r", false},
		"old_chunked":    {"GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", "GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r", false},
		"empty_first":    {"\r\n" + head + "\r\n", "\r", false},
		"request_line":   {"GET / x HTTP/1.1\r\n", "GET / x HTTP/1.1\r", false},
		"no_version":     {"GET /\r\n", "GET /\r", false},
		"other_version":  {"GET / HTTP/2.0\r\n", "GET / HTTP/2.0\r", false},
		"utf8_in_target": {"GET /\u212a HTTP/1.1\r\n", "GET /\u212a HTTP/1.1\r", false},
		"long_line":      {head + strings.Repeat("a", maxLine+1), head + strings.Repeat("a", maxLine), false},
		"many_lines":     {head + strings.Repeat("A: b\r\n", maxLines+1), head + strings.Repeat("A: b\r\n", maxLines-1) + "A: b\r", false},
	} {
		t.Run(name, func(t *testing.T) {
			for _, step := range []int{1, 7, len(test.text)} {
				c, got, err := pass(test.text, step)
				switch {
				case test.passes == "*" && (got != test.text || err != nil):
					t.Errorf("in pieces of %d: got %q %v, want all of it", step, got, err)
				case test.passes != "*" && (got != test.passes || !errors.Is(err, errHead)):
					t.Errorf("in pieces of %d: got %q %v, want %q", step, got, err, test.passes)
				}
				if c.last() != test.last {
					t.Errorf("in pieces of %d: got last %v, want %v", step, c.last(), test.last)
				}
			}
		})
	}
}

// FuzzStrict: what passes does not depend on the pieces it comes in, is a prefix
// of what came, and has no line that is read in two ways.
func FuzzStrict(f *testing.F) {
	for _, raw := range readCorpus(f, "testdata/hostile.txt") {
		f.Add(raw, uint8(3))
	}
	f.Fuzz(func(t *testing.T, text string, step uint8) {
		_, whole, err := pass(text, len(text)+1)
		_, pieces, other := pass(text, int(step)+1)
		if whole != pieces || errors.Is(err, errHead) != errors.Is(other, errHead) {
			t.Errorf("got %q %v and %q %v", whole, err, pieces, other)
		}
		if !strings.HasPrefix(text, whole) {
			t.Errorf("got %q of %q", whole, text)
		}
		head, _, ended := strings.Cut(whole, "\r\n\r\n")
		if !ended {
			return
		}
		for line := range strings.SplitSeq(head, "\r\n") {
			if line == "" || strings.ContainsAny(line, "\r\n\x00\v\f") || line[0] == ' ' || line[0] == '\t' {
				t.Errorf("the line %q passed", line)
			}
		}
	})
}
