package main

import (
	"bytes"
	"encoding/pem"

	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// Where the public authorities are in an image, which is where Go looks first,
// and the module that they come from: Mozilla's list as the Go project keeps it.
const (
	rootsFile   = "etc/ssl/certs/ca-certificates.crt"
	rootsModule = "golang.org/x/crypto/x509roots/fallback"
)

// publicRoots returns the public certificate authorities as PEM. Those that are
// trusted under a condition only are left out: a file cannot say the condition.
func publicRoots() []byte {
	var out bytes.Buffer
	for root := range bundle.Roots() {
		if root.Constraint == nil {
			out.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}))
		}
	}
	return out.Bytes()
}
