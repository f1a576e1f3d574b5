package managedidentity

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"

	"github.com/aksess/aksess/internal/arm"
	"github.com/aksess/aksess/internal/directory"
	"github.com/aksess/aksess/internal/store"
)

// credentialProperties is a federated credential on the wire
// (https://learn.microsoft.com/rest/api/managedidentity/federated-identity-credentials).
// Issuer, subject and audience come back byte for byte.
type credentialProperties struct {
	Issuer    string   `json:"issuer"`
	Subject   string   `json:"subject"`
	Audiences []string `json:"audiences"`
}

// resource is the credential as Resource Manager shows it. Its version is a
// digest of what it trusts: the directory counts versions of whole identities.
func resource(identity *arm.Resource, c directory.FederatedCredential) (*arm.Resource, error) {
	properties := credentialProperties{Issuer: c.Issuer, Subject: c.Subject, Audiences: c.Audiences}
	r := &arm.Resource{
		ID:   identity.ID + "/federatedIdentityCredentials/" + c.Name,
		Name: c.Name, Type: TypeCredential,
	}
	if err := r.SetProperties(properties); err != nil {
		return nil, err
	}
	digest := fnv.New64a()
	_, _ = digest.Write([]byte(c.ID)) // never fails
	_, _ = digest.Write(r.Properties)
	r.Version = int64(digest.Sum64()>>1) | 1
	return r, nil
}

func (h *handlers) credential(ctx context.Context, identity *arm.Resource, name string) (*arm.Resource, error) {
	principal, err := h.principal(ctx, identity)
	if err != nil {
		return nil, err
	}
	found, err := h.Directory.Credential(ctx, principal.ObjectID, name)
	if isGone(err) {
		return nil, arm.ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	return resource(identity, found)
}

func (h *handlers) credentials(ctx context.Context, identity *arm.Resource) ([]*arm.Resource, error) {
	principal, err := h.principal(ctx, identity)
	if errors.Is(err, arm.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	found, err := h.Directory.Credentials(ctx, principal.ObjectID)
	if err != nil && !isGone(err) {
		return nil, err
	}
	all := make([]*arm.Resource, 0, len(found))
	for _, one := range found {
		r, err := resource(identity, one)
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, nil
}

func (h *handlers) putCredential(ctx context.Context, identity *arm.Resource, c arm.Change) error {
	properties, err := decode(c)
	if err != nil {
		return err
	}
	principal, err := h.principal(ctx, identity)
	if err != nil {
		return err
	}
	condition := store.Absent()
	if c.Old != nil {
		condition = store.Present()
	}
	written, _, err := h.Directory.PutCredential(ctx, principal.ObjectID, directory.FederatedCredential{
		Name: c.New.Name, Issuer: properties.Issuer, Subject: properties.Subject, Audiences: properties.Audiences,
	}, condition)
	if errors.Is(err, directory.ErrCredentialExists) || isGone(err) {
		return fmt.Errorf("%w: %w", store.ErrConflict, err) // another writer was faster: look again
	}
	if err != nil {
		return wire(err)
	}
	stored, err := resource(identity, written)
	if err != nil {
		return err
	}
	*c.New = *stored
	return nil
}

// decode reads the properties; a PUT says all of them, so nothing of the old
// credential stands in for what is missing.
func decode(c arm.Change) (credentialProperties, error) {
	var properties credentialProperties
	sent, _ := c.Sent["properties"].(map[string]any)
	if len(sent) == 0 {
		return properties, badRequest.New("Federated Identity Credential from HTTP body has empty properties.")
	}
	if sent["claimsMatchingExpression"] != nil {
		return properties, flexible.New()
	}
	encoded, err := json.Marshal(sent)
	if err != nil {
		return properties, err
	}
	if err := json.Unmarshal(encoded, &properties); err != nil {
		return properties, arm.InvalidContent.New("'properties' must have issuer and subject as strings and audiences as a list of strings")
	}
	return properties, nil
}

func (h *handlers) deleteCredential(ctx context.Context, identity, credential *arm.Resource) error {
	principal, err := h.principal(ctx, identity)
	if err != nil {
		return err
	}
	err = h.Directory.DeleteCredential(ctx, principal.ObjectID, credential.Name)
	if isGone(err) {
		return arm.ErrNotFound
	}
	return wire(err)
}

func isGone(err error) bool {
	return errors.Is(err, directory.ErrCredentialNotFound) || errors.Is(err, directory.ErrPrincipalNotFound)
}
