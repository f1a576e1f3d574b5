package memory_test

import (
	"testing"

	"github.com/aksess/aksess/internal/store"
	"github.com/aksess/aksess/internal/store/memory"
	"github.com/aksess/aksess/internal/store/storetest"
)

func TestConformance(t *testing.T) {
	storetest.Run(t, func(*testing.T) store.Store { return memory.New() })
}

func FuzzListing(f *testing.F) {
	f.Add([]byte("\x01a\x00\x00\x02\x01a\x02ab\x02a\xff\x01b"))
	f.Add([]byte("\x02\xff\xff\x00\x00\x01\x01\xff\x02\xff\xff\x03\xff\xff\x00"))
	f.Add([]byte("\x00\x01b\x01d\x02\x01a\x01b\x02b\x00\x01c\x01d\x01e"))
	s := memory.New()
	f.Fuzz(func(t *testing.T, data []byte) { storetest.CheckListing(t, s, data) })
}
