package blob

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/aksess/aksess/internal/storageapi"
)

// span is the part of a blob that was asked for.
type span struct {
	given bool
	first int64
	last  int64 // inclusive; -1 is the end
}

// rangeOf reads x-ms-range, which wins, or Range
// (https://learn.microsoft.com/rest/api/storageservices/specifying-the-range-header-for-blob-service-operations).
// A Range that Storage does not know, such as the last n bytes, is ignored as
// HTTP allows; in x-ms-range it is an error.
func rangeOf(h http.Header) (span, error) {
	if text := h.Get("x-ms-range"); text != "" {
		s, ok := parseRange(text)
		if !ok {
			return s, storageapi.BadHeader("x-ms-range", text)
		}
		return s, nil
	}
	if s, ok := parseRange(h.Get("Range")); ok {
		return s, nil
	}
	return span{}, nil
}

// parseRange reads bytes=FIRST-LAST or bytes=FIRST-.
func parseRange(text string) (span, bool) {
	text, ok := strings.CutPrefix(text, "bytes=")
	if !ok {
		return span{}, false
	}
	first, last, ok := strings.Cut(text, "-")
	if !ok {
		return span{}, false
	}
	s := span{given: true, last: -1}
	var err error
	if s.first, err = offset(first); err != nil {
		return span{}, false
	}
	if last == "" {
		return s, true
	}
	if s.last, err = offset(last); err != nil || s.last < s.first {
		return span{}, false
	}
	return s, true
}

// offset reads digits and nothing else: ParseInt alone takes a sign.
func offset(text string) (int64, error) {
	n, err := strconv.ParseUint(text, 10, 63)
	return int64(n), err
}

// within resolves the span for a blob of that size.
func (s span) within(size int64) (offset, length int64, err error) {
	if !s.given {
		return 0, size, nil
	}
	if s.first >= size {
		return 0, 0, invalidRange.New().SetHeader("Content-Range", fmt.Sprintf("bytes */%d", size))
	}
	last := s.last
	if last < 0 || last >= size {
		last = size - 1
	}
	return s.first, last - s.first + 1, nil
}

// reread is content that was read for its checksum.
type reread struct {
	io.Closer
	data []byte
}

func (r reread) reader() io.ReadCloser {
	return struct {
		io.Reader
		io.Closer
	}{bytes.NewReader(r.data), r.Closer}
}
