package storageapi_test

import (
	"encoding/base64"

	"github.com/aksess/aksess/internal/app/apptest"
)

func decoded(w *apptest.World, secret string) []byte {
	w.T.Helper()
	value, err := base64.StdEncoding.DecodeString(secret)
	if err != nil {
		w.T.Fatal(err)
	}
	return value
}
