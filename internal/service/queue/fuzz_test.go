package queue

import (
	"bytes"
	"encoding/xml"
	"testing"
	"unicode/utf8"

	"github.com/aksess/aksess/internal/storage"
)

// FuzzMessage: a text that is accepted is valid, within the limit, and comes
// back the same from a message list.
func FuzzMessage(f *testing.F) {
	for _, seed := range []string{
		"<QueueMessage><MessageText>hello</MessageText></QueueMessage>", "<QueueMessage/>", "\xef\xbb\xbf<QueueMessage><MessageText/></QueueMessage>",
		"<?xml version='1.0' encoding='utf-8'?>\n<QueueMessage><MessageText>&lt;&#13;&#x10FFFF;</MessageText></QueueMessage>",
		"<QueueMessage><MessageText>a</MessageText><MessageText>b</MessageText></QueueMessage>",
		"<!DOCTYPE x [<!ENTITY e 'v'>]><QueueMessage><MessageText>&e;</MessageText></QueueMessage>",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		text, err := parseMessage(data)
		if err != nil || text == nil {
			return
		}
		if len(*text) > storage.MaxMessage || !utf8.ValidString(*text) {
			t.Fatalf("%q: got %d bytes, valid %v", data, len(*text), utf8.ValidString(*text))
		}
		written, err := xml.Marshal(messageList{Messages: []messageItem{received(storage.Message{Text: *text})}})
		if err != nil {
			t.Fatalf("%q: %v", data, err)
		}
		var read struct {
			Messages []struct{ MessageText string } `xml:"QueueMessage"`
		}
		if err := xml.NewDecoder(bytes.NewReader(written)).Decode(&read); err != nil || read.Messages[0].MessageText != *text {
			t.Errorf("%q: got %q back from %s, %v", data, *text, written, err)
		}
	})
}
