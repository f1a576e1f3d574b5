package gateway

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"software.sslmate.com/src/go-pkcs12"
)

// TrustStorePassword is the password of the files that WriteTrustStore makes.
// It is the JDK's own for trust stores; they hold nothing secret, but some JDKs
// ignore the certificates of a store that is opened without one.
const TrustStorePassword = pkcs12.DefaultPassword

// ErrNoSystemRoots is returned by SystemRoots where the operating system keeps
// its roots in no file, as Windows does.
var ErrNoSystemRoots = errors.New("no file with the system's root certificates")

// WriteBundle writes the authority's certificate and any more to path, in PEM
// with mode 0644, replacing the file in one step. It is what SSL_CERT_FILE,
// NODE_EXTRA_CA_CERTS, REQUESTS_CA_BUNDLE and CURL_CA_BUNDLE point at. All but
// Node's replace the system's roots by it: pass those as more when clients shall
// also reach hosts that are passed through.
func (ca *CA) WriteBundle(path string, more ...*x509.Certificate) error {
	text := ca.PEM()
	for _, cert := range more {
		text = append(text, certPEM(cert)...)
	}
	return writeFile(path, text, 0o644)
}

// WriteTrustStore writes the same certificates as a PKCS #12 file for Java
// (-Djavax.net.ssl.trustStore), readable by JDK 8u301, 11.0.12 and newer. It
// derives keys from TrustStorePassword, which takes some milliseconds: call it
// only when a Java program may be started.
func (ca *CA) WriteTrustStore(path string, more ...*x509.Certificate) error {
	return WriteTrustStore(path, append([]*x509.Certificate{ca.cert}, more...)...)
}

// WriteTrustStore is the method's work for certificates that were read from a
// bundle, by a program that does not hold the authority's key.
func WriteTrustStore(path string, certs ...*x509.Certificate) error {
	entries := make([]pkcs12.TrustStoreEntry, 0, len(certs))
	for i, cert := range certs {
		entries = append(entries, pkcs12.TrustStoreEntry{Cert: cert, FriendlyName: fmt.Sprintf("aksess-%d", i)})
	}
	pfx, err := pkcs12.Modern2023.EncodeTrustStoreEntries(entries, TrustStorePassword)
	if err != nil {
		return fmt.Errorf("encoding the trust store %q: %w", path, err)
	}
	return writeFile(path, pfx, 0o644)
}

// SystemRoots reads the certificates of file, or of the system's own bundle when
// file is "". It returns ErrNoSystemRoots where there is none.
func SystemRoots(file string) ([]*x509.Certificate, error) {
	if file != "" {
		return readCerts(file)
	}
	for _, file := range systemBundles() {
		certs, err := readCerts(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		return certs, err
	}
	return nil, ErrNoSystemRoots
}

// systemBundles are the places where Linux distributions, the BSDs and macOS
// keep all roots in one file; crypto/x509 looks at the same ones.
func systemBundles() []string {
	return []string{
		"/etc/ssl/certs/ca-certificates.crt",                // Debian, Ubuntu, Arch, Alpine with ca-certificates
		"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", // Fedora, RHEL
		"/etc/pki/tls/certs/ca-bundle.crt",                  // older RHEL
		"/etc/ssl/ca-bundle.pem",                            // openSUSE
		"/etc/ssl/cert.pem",                                 // macOS, OpenBSD, Alpine
		"/usr/local/etc/ssl/cert.pem",                       // FreeBSD
	}
}

// readCerts skips what crypto/x509 cannot read: bundles of real systems hold
// a few roots that it refuses, and no connection could use them.
func readCerts(file string) ([]*x509.Certificate, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading root certificates: %w", err)
	}
	var certs []*x509.Certificate
	for block, rest := pem.Decode(bytes.TrimSpace(text)); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		if cert, err := x509.ParseCertificate(block.Bytes); err == nil {
			certs = append(certs, cert)
		}
	}
	if len(certs) == 0 {
		return nil, fmt.Errorf("reading root certificates from %q: found none", file)
	}
	return certs, nil
}
