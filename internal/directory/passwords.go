package directory

import (
	"context"
	"crypto/pbkdf2"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"unicode"
	"unicode/utf8"
)

// DefaultPasswordWork is how many iterations of PBKDF2 with SHA-256 a password
// costs (https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html#pbkdf2).
const DefaultPasswordWork = 600_000

// Passwords that Entra ID takes
// (https://learn.microsoft.com/entra/identity/authentication/concept-sspr-policy#password-policies-that-only-apply-to-cloud-user-accounts).
const (
	minPassword = 8   // characters
	maxPassword = 256 // characters
	minClasses  = 3   // of lower case, upper case, digits and others
)

// generatedWork suffices for passwords that NewPassword made: they are random
// and long, so that guessing is hopeless at any price.
const generatedWork = 1

// SetPassword gives a user a password. Errors: ErrUserNotFound, ErrPasswordWeak.
func (d *Directory) SetPassword(ctx context.Context, objectID, password string) error {
	var made User
	if err := d.setPassword(ctx, &made, password); err != nil {
		return err
	}
	return d.keepPassword(ctx, objectID, &made)
}

// NewPassword gives a user a random password and returns it; it cannot be read
// again. Errors: ErrUserNotFound.
func (d *Directory) NewPassword(ctx context.Context, objectID string) (password string, err error) {
	password, err = newSecret(d.options.Random)
	if err != nil {
		return "", fmt.Errorf("making a password: %w", err)
	}
	var made User
	if err := d.digestPassword(ctx, &made, password, generatedWork); err != nil {
		return "", err
	}
	return password, d.keepPassword(ctx, objectID, &made)
}

func (d *Directory) keepPassword(ctx context.Context, objectID string, made *User) error {
	_, err := d.UpdateUser(ctx, objectID, func(u *User) error {
		u.Salt, u.Digest, u.Iterations = made.Salt, made.Digest, made.Iterations
		return nil
	})
	return err
}

// CheckPassword returns the user of that name, compared without case, if the
// password is right. The time it takes does not tell whether there is such a
// user. The user is shared and must not be modified.
// Errors: ErrUserNotFound, ErrPasswordWrong, and ErrUserDisabled for the right
// password of a user who may not sign in.
func (d *Directory) CheckPassword(ctx context.Context, tenantID, name, password string) (*User, error) {
	u, err := d.UserByName(ctx, tenantID, name)
	unknown := errors.Is(err, ErrUserNotFound)
	if err != nil && !unknown {
		return nil, err
	}
	against := u
	if unknown || len(u.Digest) == 0 {
		against = &User{Salt: make([]byte, sha256.Size), Digest: make([]byte, sha256.Size), Iterations: d.options.PasswordWork}
	}
	right, err := d.passwordIs(ctx, against, password)
	switch {
	case err != nil:
		return nil, err
	case unknown:
		return nil, fmt.Errorf("%w: %.128q", ErrUserNotFound, name)
	case !right || len(u.Digest) == 0:
		return nil, ErrPasswordWrong
	case u.Disabled:
		return nil, ErrUserDisabled
	default:
		return u, nil
	}
}

// passwordIs does the same work for every user.
func (d *Directory) passwordIs(ctx context.Context, u *User, password string) (bool, error) {
	if len(password) > maxPassword*utf8.UTFMax {
		password = "" // no user has it; work that grows with what a stranger sends is not done
	}
	digest, err := d.derive(ctx, password, u.Salt, u.Iterations)
	if err != nil {
		return false, err
	}
	if rest := d.options.PasswordWork - u.Iterations; rest > 0 {
		if _, err := d.derive(ctx, password, u.Salt, rest); err != nil {
			return false, err
		}
	}
	return subtle.ConstantTimeCompare(digest, u.Digest) == 1, nil
}

// setPassword puts salt and digest of a password that a person chose into u.
func (d *Directory) setPassword(ctx context.Context, u *User, password string) error {
	if err := ValidPassword(password); err != nil {
		return err
	}
	return d.digestPassword(ctx, u, password, d.options.PasswordWork)
}

func (d *Directory) digestPassword(ctx context.Context, u *User, password string, iterations int) (err error) {
	u.Salt, u.Iterations = make([]byte, 16), iterations
	if _, err := io.ReadFull(d.options.Random, u.Salt); err != nil {
		return fmt.Errorf("making a salt: %w", err)
	}
	u.Digest, err = d.derive(ctx, password, u.Salt, iterations)
	return err
}

// derive is PBKDF2, one at a time: who guesses passwords holds up others who
// sign in with one, and nobody else.
func (d *Directory) derive(ctx context.Context, password string, salt []byte, iterations int) ([]byte, error) {
	select {
	case d.hashing <- struct{}{}:
		defer func() { <-d.hashing }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return pbkdf2.Key(sha256.New, password, salt, iterations, sha256.Size)
}

// ValidPassword refuses a password that Entra ID would not take: ErrPasswordWeak.
func ValidPassword(password string) error {
	var lower, upper, digit, other int
	for _, r := range password {
		switch {
		case unicode.IsLower(r):
			lower = 1
		case unicode.IsUpper(r):
			upper = 1
		case unicode.IsDigit(r):
			digit = 1
		default:
			other = 1
		}
	}
	length := utf8.RuneCountInString(password)
	if length < minPassword || length > maxPassword || lower+upper+digit+other < minClasses {
		return fmt.Errorf("%w: %d to %d characters, three of lower case, upper case, digits and others", ErrPasswordWeak, minPassword, maxPassword)
	}
	return nil
}
