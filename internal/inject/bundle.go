package inject

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"slices"
	"time"
)

// maxBundle bounds a merged bundle. Replicas that keep their certificates in
// memory add one authority at every start.
const maxBundle = 16

// MergeBundle returns the bundle to publish: own, then what existing holds
// besides, except for certificates that have expired. Replicas with authorities
// of their own so keep each other's. An authority of a store that replicas
// share is dropped once own, which is from the same store, holds only younger
// ones: a key that was rotated out is trusted no longer. Text in existing that
// is no certificate is dropped.
func MergeBundle(existing, own []byte, now time.Time) ([]byte, error) {
	merged, err := parseCertificates(own)
	if err != nil {
		return nil, fmt.Errorf("reading own CA bundle: %w", err)
	}
	ours := slices.Clone(merged)
	others, err := parseCertificates(existing)
	if err != nil {
		others = nil
	}
	slices.SortStableFunc(others, func(a, b *x509.Certificate) int { return b.NotBefore.Compare(a.NotBefore) })
	for _, c := range others {
		known := slices.ContainsFunc(merged, func(m *x509.Certificate) bool { return bytes.Equal(m.Raw, c.Raw) })
		if !known && now.Before(c.NotAfter) && !succeeded(c, ours) && len(merged) < maxBundle {
			merged = append(merged, c)
		}
	}
	return encodeCertificates(merged...), nil
}

// succeeded reports whether all of ours come after c and from the same store.
// A replica that is behind so drops nothing that it has not heard of yet.
func succeeded(c *x509.Certificate, ours []*x509.Certificate) bool {
	if len(c.Subject.Organization) == 0 {
		return false
	}
	return len(ours) > 0 && !slices.ContainsFunc(ours, func(own *x509.Certificate) bool {
		return !bytes.Equal(own.RawSubject, c.RawSubject) || !c.NotBefore.Before(own.NotBefore)
	})
}

// Covers reports whether an API server that trusts the bundle trusts every
// certificate of own as an authority.
func Covers(bundle, own []byte) bool {
	have, err := parseCertificates(bundle)
	if err != nil {
		return false
	}
	want, err := parseCertificates(own)
	return err == nil && !slices.ContainsFunc(want, func(w *x509.Certificate) bool {
		return !slices.ContainsFunc(have, func(h *x509.Certificate) bool { return bytes.Equal(h.Raw, w.Raw) })
	})
}
