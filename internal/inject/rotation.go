package inject

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"slices"
	"time"
)

// rotation is everything about the certificates at one moment.
type rotation struct {
	current *authority          // signs the leaf
	next    *authority          // published already, signs later; nil most of the time
	retired []*x509.Certificate // signed once, trusted until they expire
	leaf    *tls.Certificate
}

// Names of the stored parts, those of a Kubernetes TLS secret where it has them.
const (
	fileAuthority      = "ca.crt"
	fileAuthorityKey   = "ca.key"
	fileNext           = "next-ca.crt"
	fileNextKey        = "next-ca.key"
	fileRetired        = "retired-ca.crt"
	fileCertificate    = "tls.crt"
	fileCertificateKey = "tls.key"
)

// step does what is due: it makes what is missing, announces a new authority
// before it signs, keeps an old one until it has expired. It reports whether
// anything changed. The receiver stays as it was.
func (r rotation) step(names []string, now time.Time) (rotation, bool, error) {
	changed := false
	kept := slices.DeleteFunc(slices.Clone(r.retired), func(c *x509.Certificate) bool { return !now.Before(c.NotAfter) })
	if len(kept) != len(r.retired) {
		r.retired, changed = kept, true
	}
	stepped, err := r.stepAuthority(names, now)
	if err != nil {
		return r, false, err
	}
	changed = changed || stepped.current != r.current || stepped.next != r.next
	if stepped.leafDue(names, now) {
		if stepped.leaf, err = stepped.current.leaf(names, now); err != nil {
			return r, false, err
		}
		changed = true
	}
	return stepped, changed, nil
}

func (r rotation) stepAuthority(names []string, now time.Time) (rotation, error) {
	var err error
	switch {
	case r.current == nil, !now.Before(r.current.certificate.NotAfter), now.Before(r.current.certificate.NotBefore), !r.current.permits(names):
		// Nothing to hand over from: the bundle changes at once, the API server follows.
		if r.current != nil && now.Before(r.current.certificate.NotAfter) {
			r.retired = append(slices.Clone(r.retired), r.current.certificate)
		}
		r.next = nil
		r.current, err = newAuthority(names, now)
	case r.next != nil && !r.next.permits(names):
		r.next, err = newAuthority(names, now)
	case r.next == nil && !now.Before(due(r.current.certificate)):
		r.next, err = newAuthority(names, now)
	case r.next != nil && !now.Before(r.next.certificate.NotBefore.Add(clockSkew+authorityOverlap)):
		r.retired = append(slices.Clone(r.retired), r.current.certificate)
		r.current, r.next = r.next, nil
	}
	return r, err
}

// leafDue reports whether the leaf is missing, old, for other names or from
// another authority.
func (r rotation) leafDue(names []string, now time.Time) bool {
	if r.leaf == nil || !now.Before(due(r.leaf.Leaf)) || now.Before(r.leaf.Leaf.NotBefore) {
		return true
	}
	have := slices.Clone(r.leaf.Leaf.DNSNames)
	for _, ip := range r.leaf.Leaf.IPAddresses {
		have = append(have, ip.String())
	}
	want := slices.Clone(names)
	slices.Sort(have)
	slices.Sort(want)
	return !slices.Equal(have, want) || r.leaf.Leaf.CheckSignatureFrom(r.current.certificate) != nil
}

// wake is when the next step is due.
func (r rotation) wake() time.Time {
	at := due(r.leaf.Leaf)
	authority := due(r.current.certificate)
	if r.next != nil {
		authority = r.next.certificate.NotBefore.Add(clockSkew + authorityOverlap)
	}
	if authority.Before(at) {
		at = authority
	}
	for _, c := range r.retired {
		if c.NotAfter.Before(at) {
			at = c.NotAfter
		}
	}
	return at
}

// bundle is what an API server must trust.
func (r rotation) bundle() []byte {
	certificates := []*x509.Certificate{r.current.certificate}
	if r.next != nil {
		certificates = append(certificates, r.next.certificate)
	}
	return encodeCertificates(append(certificates, r.retired...)...)
}

func (r rotation) encode() (map[string][]byte, error) {
	files := map[string][]byte{
		fileAuthority:   encodeCertificates(r.current.certificate),
		fileCertificate: encodeCertificates(r.leaf.Leaf),
		fileRetired:     encodeCertificates(r.retired...),
	}
	var err error
	if files[fileAuthorityKey], err = encodeKey(r.current.key); err != nil {
		return nil, err
	}
	leafKey, ok := r.leaf.PrivateKey.(*ecdsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("expected an ECDSA key, found %T", r.leaf.PrivateKey)
	}
	if files[fileCertificateKey], err = encodeKey(leafKey); err != nil {
		return nil, err
	}
	if r.next != nil {
		files[fileNext] = encodeCertificates(r.next.certificate)
		files[fileNextKey], err = encodeKey(r.next.key)
	}
	return files, err
}

// decodeRotation reads what encode wrote.
func decodeRotation(files map[string][]byte) (rotation, error) {
	var r rotation
	var err error
	if r.current, err = parsePair(files[fileAuthority], files[fileAuthorityKey]); err != nil {
		return rotation{}, fmt.Errorf("reading %s: %w", fileAuthority, err)
	}
	if len(files[fileNext]) > 0 {
		if r.next, err = parsePair(files[fileNext], files[fileNextKey]); err != nil {
			return rotation{}, fmt.Errorf("reading %s: %w", fileNext, err)
		}
	}
	if r.retired, err = parseCertificates(files[fileRetired]); err != nil {
		return rotation{}, fmt.Errorf("reading %s: %w", fileRetired, err)
	}
	leaf, err := parsePair(files[fileCertificate], files[fileCertificateKey])
	if err != nil {
		return rotation{}, fmt.Errorf("reading %s: %w", fileCertificate, err)
	}
	r.leaf = &tls.Certificate{Certificate: [][]byte{leaf.certificate.Raw}, PrivateKey: leaf.key, Leaf: leaf.certificate}
	return r, nil
}

// maxBundle bounds a merged bundle. Replicas that keep their certificates in
// memory add one authority at every start.
const maxBundle = 16

// MergeBundle returns the bundle to publish: own, then what existing holds
// besides, except for certificates that have expired. Replicas with
// authorities of their own so keep each other's. Text in existing that is no
// certificate is dropped.
func MergeBundle(existing, own []byte, now time.Time) ([]byte, error) {
	merged, err := parseCertificates(own)
	if err != nil {
		return nil, fmt.Errorf("reading own CA bundle: %w", err)
	}
	others, err := parseCertificates(existing)
	if err != nil {
		others = nil
	}
	slices.SortStableFunc(others, func(a, b *x509.Certificate) int { return b.NotBefore.Compare(a.NotBefore) })
	for _, c := range others {
		known := slices.ContainsFunc(merged, func(m *x509.Certificate) bool { return bytes.Equal(m.Raw, c.Raw) })
		if !known && now.Before(c.NotAfter) && len(merged) < maxBundle {
			merged = append(merged, c)
		}
	}
	return encodeCertificates(merged...), nil
}
