package storage_test

import (
	"testing"

	"github.com/aksess/aksess/internal/storage"
)

// TestPublicAccess: what is not plainly open is closed. There are no network
// security perimeters here whose rules could let anyone in.
func TestPublicAccess(t *testing.T) {
	for properties, closed := range map[string]bool{
		`{}`: false, `{"publicNetworkAccess":"Enabled"}`: false, `{"publicNetworkAccess":"enabled"}`: false,
		`{"publicNetworkAccess":"Disabled"}`: true, `{"publicNetworkAccess":"SecuredByPerimeter"}`: true, `{"publicNetworkAccess":"?"}`: true,
	} {
		a, err := storage.DecodeAccount(storage.Account{Name: "a"}, []byte(properties), []byte(`{"uid":"u"}`))
		if err != nil {
			t.Fatal(err)
		}
		if a.Network.PublicAccessDisabled != closed {
			t.Errorf("%s: got closed %v, want %v", properties, a.Network.PublicAccessDisabled, closed)
		}
	}
}
