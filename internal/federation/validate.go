package federation

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/aksess/aksess/internal/chain"
)

// Limits of a federated credential
// (https://learn.microsoft.com/graph/api/resources/federatedidentitycredential).
const (
	MinNameLength  = 3
	MaxNameLength  = 120
	MaxValueLength = 600 // characters of issuer, subject and audience each
)

// The rules that a credential can break; match with errors.Is.
var (
	ErrName       = errors.New("name of the federated credential")
	ErrProperties = errors.New("properties of the federated credential")
	ErrAudiences  = errors.New("audiences of the federated credential")
	ErrIssuer     = errors.New("issuer of the federated credential")
	ErrSubject    = errors.New("subject of the federated credential")
	ErrNotUnique  = errors.New("issuer and subject are not unique")
	ErrTooMany    = errors.New("too many federated credentials")
)

// Error is a credential that must not be stored.
type Error struct {
	Rule    error  // one of the rules above
	Message string // Azure's text where it is public, for the client
}

// Error returns the message.
func (e *Error) Error() string { return e.Message }

// Unwrap returns the rule.
func (e *Error) Unwrap() error { return e.Rule }

// Validate applies the rules of Azure to a credential that is to be stored
// beside the existing ones of its identity; one of the same name, whatever its
// case, is the one being replaced. The error is an *Error. Texts are those of
// https://learn.microsoft.com/entra/workload-id/workload-identity-federation-considerations
// where that page has one.
func Validate(c Credential, existing []Credential) error {
	if err := validateName(c.Name); err != nil {
		return err
	}
	if c.Issuer == "" || c.Subject == "" || len(c.Audiences) == 0 {
		return &Error{ErrProperties, "The request format was unexpected. Federated Identity Credential must specify 'issuer', 'subject' and 'audience'."}
	}
	if len(c.Audiences) != 1 {
		return &Error{ErrAudiences, "Federated identity credentials must have exactly 1 audience."}
	}
	if err := validateText(ErrAudiences, "audience", c.Audiences[0]); err != nil {
		return err
	}
	if err := validateText(ErrSubject, "subject", c.Subject); err != nil {
		return err
	}
	if err := validateIssuer(c.Issuer); err != nil {
		return err
	}
	return validateBeside(c, existing)
}

func validateName(name string) error {
	ok := len(name) >= MinNameLength && len(name) <= MaxNameLength
	for i := range len(name) {
		c := name[i]
		alphanumeric := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		ok = ok && (alphanumeric || i > 0 && (c == '-' || c == '_'))
	}
	if !ok {
		return &Error{ErrName, fmt.Sprintf("Federated Identity Credential name '%s' is invalid.", name)}
	}
	return nil
}

func validateText(rule error, part, value string) error {
	switch {
	case value == "":
		return &Error{rule, fmt.Sprintf("The %s of a federated identity credential must not be empty.", part)}
	case !utf8.ValidString(value):
		return &Error{rule, fmt.Sprintf("The %s of a federated identity credential must be UTF-8.", part)}
	case utf8.RuneCountInString(value) > MaxValueLength:
		return &Error{rule, fmt.Sprintf("The %s of a federated identity credential must not be longer than %d characters.", part, MaxValueLength)}
	}
	return nil
}

// validateIssuer wants an https URL that a token could have as its iss and
// whose discovery document could be fetched. A trailing slash is part of it.
func validateIssuer(issuer string) error {
	if err := validateText(ErrIssuer, "issuer", issuer); err != nil {
		return err
	}
	u, err := url.Parse(issuer)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.Opaque != "" ||
		strings.ContainsAny(issuer, "?#\\") || strings.ContainsFunc(issuer, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return &Error{ErrIssuer, fmt.Sprintf("The issuer '%s' of a federated identity credential must be an https URL without user, query and fragment.", issuer)}
	}
	return nil
}

func validateBeside(c Credential, existing []Credential) error {
	others := 0
	for _, other := range existing {
		if strings.EqualFold(other.Name, c.Name) {
			continue
		}
		others++
		if other.Issuer == c.Issuer && other.Subject == c.Subject {
			return &Error{ErrNotUnique, "Issuer and subject combination already exists for this Managed Identity."}
		}
	}
	if others >= chain.MaxFederatedCredentials {
		return &Error{ErrTooMany, fmt.Sprintf("Too many Federated Identity Credentials. An identity can have at most %d.", chain.MaxFederatedCredentials)}
	}
	return nil
}
