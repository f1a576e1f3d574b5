package directory

import (
	"bytes"
	"context"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
)

// AddCertificate lets an application sign in with assertions of that
// certificate's key and returns its record. The certificate is DER; one that
// the application has already is not added twice. Whether it is in time is
// looked at when an assertion comes.
// Errors: ErrPrincipalNotFound, ErrInvalid, ErrTooManyKeys.
func (d *Directory) AddCertificate(ctx context.Context, objectID string, der []byte) (Certificate, error) {
	if _, err := x509.ParseCertificate(der); err != nil {
		return Certificate{}, fmt.Errorf("%w: certificate: %w", ErrInvalid, err)
	}
	certificate := Certificate{ID: d.options.NewID(), DER: bytes.Clone(der)}
	_, err := d.Update(ctx, objectID, func(p *Principal) error {
		if p.Type != TypeApplication {
			return fmt.Errorf("%w: a managed identity has no certificates of its own", ErrInvalid)
		}
		if at := slices.IndexFunc(p.Certificates, func(c Certificate) bool { return bytes.Equal(c.DER, der) }); at >= 0 {
			certificate = p.Certificates[at]
			return nil
		}
		if len(p.Certificates) >= MaxCertificates {
			return fmt.Errorf("%w: %d certificates", ErrTooManyKeys, len(p.Certificates))
		}
		p.Certificates = append(p.Certificates, certificate)
		return nil
	})
	return certificate, err
}

// RemoveCertificate takes a certificate away. Errors: ErrPrincipalNotFound, ErrKeyNotFound.
func (d *Directory) RemoveCertificate(ctx context.Context, objectID, keyID string) error {
	_, err := d.Update(ctx, objectID, func(p *Principal) error {
		at := slices.IndexFunc(p.Certificates, func(c Certificate) bool { return strings.EqualFold(c.ID, keyID) })
		if at < 0 {
			return fmt.Errorf("%w: %.64q", ErrKeyNotFound, keyID)
		}
		p.Certificates = slices.Delete(p.Certificates, at, at+1)
		return nil
	})
	return err
}
