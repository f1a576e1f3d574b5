package directory

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// Limits of an application's own credentials. Azure's are higher; each secret
// costs a hash at every sign-in.
const (
	MaxSecrets      = 50
	MaxCertificates = 50

	// DefaultSecretLifetime is how long a secret is valid when nothing is said (Graph, addPassword).
	DefaultSecretLifetime = 2 * 365 * 24 * time.Hour

	minSecretLength = 8 // characters, of a value that the caller chose
	secretLength    = 40
	secretAlphabet  = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
)

// AddSecret gives an application a new client secret and returns its value,
// which cannot be read again. A zero expires means DefaultSecretLifetime from
// now. Errors: ErrPrincipalNotFound, ErrInvalid, ErrTooManyKeys.
func (d *Directory) AddSecret(ctx context.Context, objectID, name string, expires time.Time) (value string, err error) {
	_, value, err = d.NewSecret(ctx, objectID, Secret{Name: name, Expires: expires})
	return value, err
}

// NewSecret is AddSecret with all that can be said of a secret: its name, when
// it is valid and what it is set on. It returns the record too.
func (d *Directory) NewSecret(ctx context.Context, objectID string, s Secret) (made Secret, value string, err error) {
	value, err = newSecret(d.options.Random)
	if err != nil {
		return Secret{}, "", fmt.Errorf("making a client secret: %w", err)
	}
	made, err = d.importSecret(ctx, objectID, value, s)
	if err != nil {
		return Secret{}, "", err
	}
	return made, value, nil
}

// ImportSecret gives an application a client secret of a known value, such as
// one that a configuration names, and returns its record. A secret of the same
// value is not added twice: its name and expiry are set.
// Errors: ErrPrincipalNotFound, ErrInvalid, ErrTooManyKeys.
func (d *Directory) ImportSecret(ctx context.Context, objectID, name, value string, expires time.Time) (Secret, error) {
	return d.importSecret(ctx, objectID, value, Secret{Name: name, Expires: expires})
}

func (d *Directory) importSecret(ctx context.Context, objectID, value string, secret Secret) (Secret, error) {
	if len(value) < minSecretLength {
		return Secret{}, fmt.Errorf("%w: a client secret of %d characters, at least %d", ErrInvalid, len(value), minSecretLength)
	}
	if secret.Expires.IsZero() {
		secret.Expires = d.now().Add(DefaultSecretLifetime)
	}
	secret.Starts, secret.Expires = secret.Starts.UTC().Round(0), secret.Expires.UTC().Round(0)
	if !secret.Starts.IsZero() && !secret.Starts.Before(secret.Expires) {
		return Secret{}, fmt.Errorf("%w: a client secret that expires before it is valid", ErrInvalid)
	}
	secret.ID, secret.Hint, secret.Salt = d.options.NewID(), value[:3], make([]byte, 16)
	if _, err := io.ReadFull(d.options.Random, secret.Salt); err != nil {
		return Secret{}, fmt.Errorf("making a salt: %w", err)
	}
	secret.Digest = secret.digest(value)
	_, err := d.Update(ctx, objectID, func(p *Principal) error {
		if p.Type != TypeApplication {
			return fmt.Errorf("%w: a managed identity has no client secrets", ErrInvalid)
		}
		if at := slices.IndexFunc(p.Secrets, func(s Secret) bool { return s.is(value) }); at >= 0 {
			p.Secrets[at].Name, p.Secrets[at].Expires = secret.Name, secret.Expires
			secret = p.Secrets[at]
			return nil
		}
		if len(p.Secrets) >= MaxSecrets {
			return fmt.Errorf("%w: %d secrets", ErrTooManyKeys, len(p.Secrets))
		}
		p.Secrets = append(p.Secrets, secret)
		return nil
	})
	return secret, err
}

// RemoveSecret takes a client secret away. Errors: ErrPrincipalNotFound, ErrKeyNotFound.
func (d *Directory) RemoveSecret(ctx context.Context, objectID, keyID string) error {
	_, err := d.Update(ctx, objectID, func(p *Principal) error {
		at := slices.IndexFunc(p.Secrets, func(s Secret) bool { return strings.EqualFold(s.ID, keyID) })
		if at < 0 {
			return fmt.Errorf("%w: %.64q", ErrKeyNotFound, keyID)
		}
		p.Secrets = slices.Delete(p.Secrets, at, at+1)
		return nil
	})
	return err
}

// CheckSecret reports whether the value is one of the principal's client
// secrets that is valid now: nil, ErrSecretExpired for the right value too
// late, ErrSecretWrong for anything else. The time it takes does not depend on
// the value.
func CheckSecret(p *Principal, value string, now time.Time) error {
	valid, expired := 0, 0
	for i := range p.Secrets {
		s := &p.Secrets[i]
		match := subtle.ConstantTimeCompare(s.digest(value), s.Digest)
		switch {
		case now.Before(s.Starts): // wrong until then
		case now.Before(s.Expires):
			valid |= match
		default:
			expired |= match
		}
	}
	switch {
	case valid == 1:
		return nil
	case expired == 1:
		return ErrSecretExpired
	default:
		return ErrSecretWrong
	}
}

func (s *Secret) digest(value string) []byte {
	h := sha256.New()
	h.Write(s.Salt)
	h.Write([]byte(value))
	return h.Sum(nil)
}

func (s *Secret) is(value string) bool {
	return subtle.ConstantTimeCompare(s.digest(value), s.Digest) == 1
}

// newSecret makes a value in the shape of Entra ID's: 40 characters, the fourth
// to sixth "8Q~", by which secret scanners know them. The others are random.
func newSecret(random io.Reader) (string, error) {
	value := make([]byte, 0, secretLength)
	var buffer [64]byte
	for {
		if _, err := io.ReadFull(random, buffer[:]); err != nil {
			return "", err
		}
		for _, b := range buffer {
			// Only whole multiples of the alphabet, so that no letter is likelier.
			if int(b) >= 256-256%len(secretAlphabet) {
				continue
			}
			if len(value) == 3 {
				value = append(value, "8Q~"...)
			}
			value = append(value, secretAlphabet[int(b)%len(secretAlphabet)])
			if len(value) == secretLength {
				return string(value), nil
			}
		}
	}
}
