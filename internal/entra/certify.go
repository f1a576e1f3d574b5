package entra

import (
	"crypto/x509"
	"time"

	"github.com/aksess/aksess/internal/jose"
)

// certificateName is the subject of the certificates of Entra's signing keys.
const certificateName = "accounts.accesscontrol.windows.net"

// certify makes the self-signed certificate of a new signing key. Entra names
// its keys by the certificate's thumbprint: kid and x5t are equal.
func certify(key *jose.SigningKey, now time.Time) (kid string, certificate *x509.Certificate, err error) {
	notBefore := now.UTC().Truncate(time.Second)
	certificate, err = key.SelfSigned(certificateName, notBefore, notBefore.AddDate(5, 0, 0))
	if err != nil {
		return "", nil, err
	}
	return jose.Thumbprint(certificate), certificate, nil
}
