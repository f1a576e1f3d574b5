package inject

import (
	"crypto/ecdsa"
	"crypto/tls"
	"fmt"
	"slices"
	"time"
)

// Names of the stored parts, those of a Kubernetes TLS secret where it has them.
const (
	fileAuthority    = "ca.crt"
	fileAuthorityKey = "ca.key"
	fileNext         = "next-ca.crt"
	fileNextKey      = "next-ca.key"
	fileRetired      = "retired-ca.crt"
	fileAnnounced    = "next-ca.announced" // a time
	fileSince        = "ca.since"          // a time

	// FileCertificate, FileCertificateKey and FileBundle are what a replica needs
	// to serve: the pair, and what API servers are told to trust.
	FileCertificate    = "tls.crt"
	FileCertificateKey = "tls.key"
	FileBundle         = "bundle.crt"
)

func (r rotation) encode() (map[string][]byte, error) {
	files := map[string][]byte{FileBundle: r.bundle()}
	put := func(a *authority, certificate, key string) (err error) {
		if a != nil {
			files[certificate] = encodeCertificates(a.certificate)
			files[key], err = encodeKey(a.key)
		}
		return err
	}
	if err := put(r.current, fileAuthority, fileAuthorityKey); err != nil {
		return nil, err
	}
	if err := put(r.next, fileNext, fileNextKey); err != nil {
		return nil, err
	}
	if len(r.retired) > 0 {
		files[fileRetired] = encodeCertificates(r.retired...)
	}
	for name, at := range map[string]time.Time{fileAnnounced: r.announced, fileSince: r.since} {
		if !at.IsZero() {
			files[name] = at.UTC().AppendFormat(nil, time.RFC3339Nano)
		}
	}
	if r.leaf == nil {
		return files, nil
	}
	key, ok := r.leaf.PrivateKey.(*ecdsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("expected an ECDSA key, found %T", r.leaf.PrivateKey)
	}
	return files, put(&authority{certificate: r.leaf.Leaf, key: key}, FileCertificate, FileCertificateKey)
}

// decodeRotation reads what encode wrote. What cannot be read is left out, and
// the error says why; the rest is good to go on with. Authorities whose keys
// are gone are retired, so that what they signed stays trusted for a while.
func decodeRotation(files map[string][]byte) (rotation, error) {
	r, err := decodeAuthorities(files)
	if leaf := files[FileCertificate]; len(leaf) > 0 {
		pair, leafErr := parsePair(leaf, files[FileCertificateKey])
		if leafErr == nil {
			r.leaf = &tls.Certificate{Certificate: [][]byte{pair.certificate.Raw}, PrivateKey: pair.key, Leaf: pair.certificate}
		} else if err == nil {
			err = fmt.Errorf("reading %s: %w", FileCertificate, leafErr)
		}
	}
	if r.current != nil {
		return r, err
	}
	published, bundleErr := parseCertificates(files[FileBundle])
	if bundleErr != nil && err == nil {
		err = fmt.Errorf("reading %s: %w", FileBundle, bundleErr)
	}
	known := r.authorities()
	for _, c := range published {
		if !slices.ContainsFunc(known, c.Equal) {
			r.retired = append(r.retired, c)
		}
	}
	return r, err
}

func decodeAuthorities(files map[string][]byte) (r rotation, err error) {
	read := func(certificate, key string) *authority {
		if len(files[certificate]) == 0 || err != nil {
			return nil
		}
		a, parseErr := parsePair(files[certificate], files[key])
		if parseErr != nil {
			err = fmt.Errorf("reading %s: %w", certificate, parseErr)
		}
		return a
	}
	at := func(name string) (t time.Time) {
		// A time that cannot be read is one that has not come.
		t, _ = time.Parse(time.RFC3339Nano, string(files[name]))
		return t
	}
	r = rotation{current: read(fileAuthority, fileAuthorityKey), next: read(fileNext, fileNextKey), announced: at(fileAnnounced), since: at(fileSince)}
	var retiredErr error
	if r.retired, retiredErr = parseCertificates(files[fileRetired]); retiredErr != nil && err == nil {
		err = fmt.Errorf("reading %s: %w", fileRetired, retiredErr)
	}
	if err != nil {
		return rotation{}, err
	}
	return r, nil
}
