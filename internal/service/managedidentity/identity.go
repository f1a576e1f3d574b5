package managedidentity

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"

	"github.com/aksess/aksess/internal/arm"
	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/directory"
)

// The types that are served, in Azure's spelling.
const (
	TypeIdentity   = "Microsoft.ManagedIdentity/userAssignedIdentities"
	TypeCredential = TypeIdentity + "/federatedIdentityCredentials"
)

// Options is what the types need.
type Options struct {
	Directory *directory.Directory
	Resources *arm.Resources
	TenantID  string // the tenant in which principals are made
}

// Types returns the resource types of Microsoft.ManagedIdentity.
func Types(o Options) []*arm.Type {
	h := &handlers{Options: o}
	identity := &arm.Type{
		Name: TypeIdentity, Stateless: true,
		ValidName: checkIdentityName, Put: h.putIdentity, Delete: h.deleteIdentity,
		Actions: []arm.PostAction{{Name: "listAssociatedResources", Handle: h.listAssociated}},
		Operations: []azapi.Operation{{
			Name: "GetSystemAssignedIdentity", Method: http.MethodGet,
			Pattern: "/{scope...}/providers/Microsoft.ManagedIdentity/identities/default",
			Action:  azapi.Control("Microsoft.ManagedIdentity/identities/read"),
			Handle:  h.systemIdentity,
		}},
	}
	credential := &arm.Type{
		Name: TypeCredential, Proxy: true, NoPatch: true,
		Storage: &arm.Storage{Get: h.credential, List: h.credentials, Put: h.putCredential, Delete: h.deleteCredential},
	}
	return []*arm.Type{identity, credential}
}

type handlers struct{ Options }

// identityName has no length: a pattern that counts is compiled to as many copies.
var identityName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]*$`)

func checkIdentityName(name string) error {
	if len(name) < 3 || len(name) > 128 || !identityName.MatchString(name) {
		return badIdentityName.New(name)
	}
	return nil
}

// identityProperties are the computed members
// (https://learn.microsoft.com/rest/api/managedidentity/user-assigned-identities/get).
type identityProperties struct {
	IsolationScope string `json:"isolationScope,omitempty"`
	TenantID       string `json:"tenantId"`
	PrincipalID    string `json:"principalId"`
	ClientID       string `json:"clientId"`
}

// putIdentity makes the principal, or finds the one that the identity has: its
// ids stay as long as the identity lives. Sent ids are ignored.
func (h *handlers) putIdentity(ctx context.Context, c arm.Change) error {
	var sent map[string]json.RawMessage
	if err := c.New.Decode(&sent); err != nil {
		return fmt.Errorf("decoding the properties of %q: %w", c.New.ID, err)
	}
	properties := identityProperties{IsolationScope: "None"}
	if raw, ok := sent["isolationScope"]; ok {
		if err := json.Unmarshal(raw, &properties.IsolationScope); err != nil || (properties.IsolationScope != "None" && properties.IsolationScope != "Regional") {
			return arm.InvalidContent.New("the value of 'properties.isolationScope' must be None or Regional")
		}
	}
	principal, err := h.Directory.CreateManagedIdentity(ctx, h.TenantID, c.New.ID, c.New.Name)
	if err != nil {
		return fmt.Errorf("creating the principal of %q: %w", c.New.ID, err)
	}
	properties.TenantID, properties.PrincipalID, properties.ClientID = principal.TenantID, principal.ObjectID, principal.AppID
	return c.New.SetProperties(properties)
}

// deleteIdentity removes the principal with its federated credentials: tokens
// for it are refused from now on. Role assignments that name it stay, as in Azure.
func (h *handlers) deleteIdentity(ctx context.Context, r *arm.Resource) error {
	principal, err := h.principal(ctx, r)
	if errors.Is(err, arm.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	err = h.Directory.DeletePrincipal(ctx, principal.ObjectID)
	if errors.Is(err, directory.ErrPrincipalNotFound) {
		return nil
	}
	return err
}

// principal is the identity's principal, or arm.ErrNotFound.
func (h *handlers) principal(ctx context.Context, identity *arm.Resource) (*directory.Principal, error) {
	principal, err := h.Directory.ByResourceID(ctx, identity.ID)
	if errors.Is(err, directory.ErrPrincipalNotFound) {
		return nil, fmt.Errorf("%w: principal of %q", arm.ErrNotFound, identity.ID)
	}
	return principal, err
}

type systemIdentity struct {
	ID         string             `json:"id"`
	Name       string             `json:"name"`
	Type       string             `json:"type"`
	Location   string             `json:"location"`
	Properties identityProperties `json:"properties"`
}

// systemIdentity shows the identity that a resource has of its own
// (https://learn.microsoft.com/rest/api/managedidentity/system-assigned-identities/get-by-scope).
func (h *handlers) systemIdentity(w http.ResponseWriter, r *azapi.Request) error {
	id, err := arm.IDOf(r, 4)
	if err != nil {
		return err
	}
	if strings.EqualFold(id.Type(), TypeIdentity) {
		return noSystemIdentity.New(id.String()) // it is an identity and has none
	}
	principal, err := h.Directory.ByResourceID(r.Context(), id.String())
	if errors.Is(err, directory.ErrPrincipalNotFound) || (err == nil && principal.Type != directory.TypeManagedIdentity) {
		return noSystemIdentity.New(id.String())
	}
	if err != nil {
		return err
	}
	location := ""
	if owner, err := h.Resources.Get(r.Context(), id.String()); err == nil {
		location = owner.Location
	}
	return azapi.WriteJSON(w, http.StatusOK, systemIdentity{
		ID: id.String() + "/providers/Microsoft.ManagedIdentity/identities/default", Name: "default",
		Type: "Microsoft.ManagedIdentity/identities", Location: location,
		Properties: identityProperties{TenantID: principal.TenantID, PrincipalID: principal.ObjectID, ClientID: principal.AppID},
	})
}
