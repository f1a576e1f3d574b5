package managedidentity

import (
	"errors"
	"net/http"

	"github.com/aksess/aksess/internal/chain"
	"github.com/aksess/aksess/internal/federation"

	"github.com/aksess/aksess/internal/fault"
)

var (
	badRequest = &fault.Kind{
		Code: "BadRequest", Status: http.StatusBadRequest, Link: chain.LinkFederatedCredential,
		Format: "%s",
		Why:    "the federated credential breaks one of Azure's rules for its name, issuer, subject or audience",
		Fix:    "correct what the message names; issuer, subject and audience are compared byte for byte later",
	}
	conflict = &fault.Kind{
		Code: "Conflict", Status: http.StatusConflict, Link: chain.LinkFederatedCredential,
		Format: "%s",
		Why:    "an identity has at most 20 federated credentials and each pair of issuer and subject once",
		Fix:    "reuse the credential that is there, delete one, or use a second identity",
	}
	flexible = &fault.Kind{
		Code: "BadRequest", Name: "flexible", Status: http.StatusBadRequest, Link: chain.LinkFederatedCredential,
		Format: "The property 'claimsMatchingExpression' is not supported here: a federated credential matches one issuer, one subject and one audience.",
		Why:    "flexible federated credentials are not served",
		Fix:    "write one credential for each subject",
	}
	badIdentityName = &fault.Kind{
		Code: "InvalidIdentityName", Status: http.StatusBadRequest, Link: chain.LinkManagedIdentity,
		Format: "The resource name '%.130s' is invalid. It has 3 to 128 letters, digits, '-' and '_' and begins with a letter or digit.",
		Why:    "the name of an identity is not of Azure's form",
		Fix:    "rename the identity",
	}
	noSystemIdentity = &fault.Kind{
		Code: "ResourceIdentityNotFound", Status: http.StatusNotFound, Link: chain.LinkManagedIdentity,
		Format: "The resource '%s' has no system-assigned identity.",
		Why:    "the resource was created without a system-assigned identity",
		Fix:    "set identity.type of the resource to SystemAssigned",
	}
)

// wire words a refusal of the directory as the provider does.
func wire(err error) error {
	var rule *federation.Error
	switch {
	case !errors.As(err, &rule):
		return err
	case errors.Is(err, federation.ErrNotUnique), errors.Is(err, federation.ErrTooMany):
		return conflict.New(rule.Message).With(err)
	default:
		return badRequest.New(rule.Message).With(err)
	}
}
