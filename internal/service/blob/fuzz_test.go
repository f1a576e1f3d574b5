package blob

import (
	"bytes"
	"encoding/xml"
	"net/http"
	"testing"

	"github.com/aksess/aksess/internal/storage"
)

// FuzzRange: a range that is accepted lies within the blob, whatever was sent.
func FuzzRange(f *testing.F) {
	for _, seed := range []string{"bytes=0-", "bytes=5-9", "bytes=-5", "bytes=9-5", "bytes=0-18446744073709551615", "bytes=0-0,2-3", "bytes=+1-2", ""} {
		f.Add(seed, int64(10))
	}
	f.Fuzz(func(t *testing.T, text string, size int64) {
		if size < 0 {
			return
		}
		s, err := rangeOf(http.Header{"X-Ms-Range": {text}})
		if err != nil {
			return
		}
		offset, length, err := s.within(size)
		if err != nil {
			return
		}
		if offset < 0 || length < 0 || offset > size || length > size-offset || (s.given && length == 0) {
			t.Errorf("%q of %d bytes: got offset %d and length %d", text, size, offset, length)
		}
	})
}

// FuzzBlockList: a list that is accepted reads the same when it is written again.
func FuzzBlockList(f *testing.F) {
	for _, seed := range []string{
		"<BlockList/>", "<BlockList><Latest>QUJD</Latest><Committed>QQ==</Committed></BlockList>",
		"<!DOCTYPE x [<!ENTITY e 'v'>]><BlockList><Latest>&e;</Latest></BlockList>", "<BlockList><Latest><b/></Latest></BlockList>",
		"<BlockList><Uncommitted>A</Uncommitted>", "<BlockList></BlockList><x/>",
	} {
		f.Add([]byte(seed))
	}
	names := map[storage.Choice]string{storage.Latest: "Latest", storage.Uncommitted: "Uncommitted", storage.Committed: "Committed"}
	f.Fuzz(func(t *testing.T, data []byte) {
		list, err := parseBlockList(bytes.NewReader(data))
		if err != nil {
			return
		}
		var again bytes.Buffer
		again.WriteString("<BlockList>")
		for _, entry := range list {
			again.WriteString("<" + names[entry.From] + ">")
			if err := xml.EscapeText(&again, []byte(entry.ID)); err != nil {
				t.Fatal(err)
			}
			again.WriteString("</" + names[entry.From] + ">")
		}
		again.WriteString("</BlockList>")
		second, err := parseBlockList(&again)
		if err != nil || len(second) != len(list) {
			t.Fatalf("%q: got %d entries and then %d, %v", data, len(list), len(second), err)
		}
		for i := range list {
			if list[i] != second[i] {
				t.Errorf("%q: entry %d: got %v and then %v", data, i, list[i], second[i])
			}
		}
	})
}
