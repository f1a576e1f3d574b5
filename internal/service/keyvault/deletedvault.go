package keyvault

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/aksess/aksess/internal/arm"
	"github.com/aksess/aksess/internal/azapi"
)

const (
	typeDeletedVault = "Microsoft.KeyVault/deletedVaults"
	provider         = "/subscriptions/{subscription}/providers/Microsoft.KeyVault"
	deletedPath      = provider + "/locations/{location}/deletedVaults/{name}"
)

// softDelete keeps deleted vaults with their secrets
// (https://learn.microsoft.com/azure/key-vault/general/soft-delete-overview).
func (s *Secrets) softDelete() *arm.SoftDelete {
	return &arm.SoftDelete{
		Terms: func(r *arm.Resource) (int, bool, error) {
			vault, err := vaultOf(r)
			if err != nil {
				return 0, false, err
			}
			return vault.Retention, !vault.Purgeable, nil
		},
		Recovers: func(c arm.Change) bool {
			sent, _ := c.Sent["properties"].(map[string]any)
			mode, _ := sent["createMode"].(string)
			return strings.EqualFold(mode, modeRecover)
		},
		Taken: func(*arm.Deleted) error { return vaultDeleted.New() },
		Purge: s.eraseVault,
	}
}

// deletedOperations are those on deleted vaults and on names, all decided about
// at the subscription.
func (s *Secrets) deletedOperations(t *arm.Type) []azapi.Operation {
	op := func(name, method, pattern, action string, handle azapi.Handler) azapi.Operation {
		return azapi.Operation{Name: name, Method: method, Pattern: pattern, Action: azapi.Control(action), Scope: subscriptionOf, Handle: handle}
	}
	return []azapi.Operation{
		op("ListDeletedVaults", http.MethodGet, provider+"/deletedVaults", typeDeletedVault+"/read", s.listDeletedVaults),
		op("GetDeletedVault", http.MethodGet, deletedPath, "Microsoft.KeyVault/locations/deletedVaults/read", s.getDeletedVault),
		op("PurgeDeletedVault", http.MethodPost, deletedPath+"/purge", "Microsoft.KeyVault/locations/deletedVaults/purge/action",
			func(w http.ResponseWriter, r *azapi.Request) error { return s.purgeVault(t, w, r) }),
		op("CheckVaultName", http.MethodPost, provider+"/checkNameAvailability", "Microsoft.KeyVault/checkNameAvailability/read", s.checkName),
	}
}

func subscriptionOf(r *azapi.Request) string { return "/subscriptions/" + r.Param("subscription") }

// deletedVault is a deleted vault on the wire
// (https://learn.microsoft.com/rest/api/keyvault/keyvault/vaults/get-deleted).
type deletedVault struct {
	ID         string                 `json:"id"`
	Name       string                 `json:"name"`
	Type       string                 `json:"type"`
	Properties deletedVaultProperties `json:"properties"`
}

type deletedVaultProperties struct {
	VaultID                string            `json:"vaultId"`
	Location               string            `json:"location"`
	DeletionDate           string            `json:"deletionDate"`
	ScheduledPurgeDate     string            `json:"scheduledPurgeDate"`
	Tags                   map[string]string `json:"tags"`
	PurgeProtectionEnabled bool              `json:"purgeProtectionEnabled,omitempty"`
}

func deletedVaultOf(subscription string, d *arm.Deleted) deletedVault {
	r := d.Resource
	tags := r.Tags
	if tags == nil {
		tags = map[string]string{}
	}
	return deletedVault{
		ID:   "/subscriptions/" + subscription + "/providers/Microsoft.KeyVault/locations/" + r.Location + "/deletedVaults/" + r.Name,
		Name: r.Name, Type: typeDeletedVault,
		Properties: deletedVaultProperties{
			VaultID: r.ID, Location: r.Location, Tags: tags, PurgeProtectionEnabled: d.Protected,
			DeletionDate: d.At.UTC().Format(time.RFC3339), ScheduledPurgeDate: d.Until.UTC().Format(time.RFC3339),
		},
	}
}

// findDeletedVault reads the deleted vault that the path names. One of another
// subscription or location is not there.
func (s *Secrets) findDeletedVault(r *azapi.Request) (*arm.Deleted, error) {
	if _, err := s.Resources.Subscription(r.Context(), r.Param("subscription")); err != nil {
		return nil, err
	}
	name := r.Param("name")
	found, err := s.Resources.Deleted(r.Context(), TypeVault, name)
	if errors.Is(err, arm.ErrNotFound) {
		return nil, noDeletedVault.New(name)
	}
	if err != nil {
		return nil, err
	}
	within := strings.HasPrefix(strings.ToLower(found.Resource.ID), strings.ToLower(subscriptionOf(r))+"/")
	if !within || found.Resource.Location != arm.NormalLocation(r.Param("location")) {
		return nil, noDeletedVault.New(name)
	}
	return found, nil
}

func (s *Secrets) getDeletedVault(w http.ResponseWriter, r *azapi.Request) error {
	found, err := s.findDeletedVault(r)
	if err != nil {
		return err
	}
	return azapi.WriteJSON(w, http.StatusOK, deletedVaultOf(r.Param("subscription"), found))
}

func (s *Secrets) listDeletedVaults(w http.ResponseWriter, r *azapi.Request) error {
	subscription := r.Param("subscription")
	if _, err := s.Resources.Subscription(r.Context(), subscription); err != nil {
		return err
	}
	found, err := s.Resources.ListDeleted(r.Context(), subscription, TypeVault)
	if err != nil {
		return err
	}
	entries := make([]arm.Entry, 0, len(found))
	for _, d := range found {
		one := deletedVaultOf(subscription, d)
		entries = append(entries, arm.Entry{ID: one.ID, Value: one})
	}
	return arm.WriteList(w, r, entries)
}

// purgeVault ends a deleted vault. It is done when it is answered, but clients
// take nothing but a long-running operation for an answer.
func (s *Secrets) purgeVault(t *arm.Type, w http.ResponseWriter, r *azapi.Request) error {
	found, err := s.findDeletedVault(r)
	if err != nil {
		return err
	}
	err = s.Resources.Purge(r.Context(), t, found.Resource.Name)
	switch {
	case errors.Is(err, arm.ErrProtected):
		return vaultProtected.New()
	case errors.Is(err, arm.ErrNotFound):
		return noDeletedVault.New(found.Resource.Name) // recovered or purged by somebody else
	case err != nil:
		return err
	}
	return s.Resources.Accept(w, r, arm.Accepted{Namespace: "Microsoft.KeyVault", Location: found.Resource.Location})
}

// nameAnswer is the answer to a check of a name.
type nameAnswer struct {
	Available bool   `json:"nameAvailable"`
	Reason    string `json:"reason,omitempty"`
	Message   string `json:"message,omitempty"`
}

// checkName says whether a vault could have a name
// (https://learn.microsoft.com/rest/api/keyvault/keyvault/vaults/check-name-availability).
func (s *Secrets) checkName(w http.ResponseWriter, r *azapi.Request) error {
	var body struct {
		Name *string `json:"name"`
		Type string  `json:"type"`
	}
	if err := arm.DecodeBody(r, &body); err != nil {
		return err
	}
	switch {
	case body.Name == nil:
		return badVault.New("The parameter name is required.")
	case !strings.EqualFold(body.Type, TypeVault):
		return badVault.New("The parameter type has an invalid value. It must be " + TypeVault + ".")
	}
	var answer nameAnswer
	taken, err := s.taken(r, *body.Name)
	invalid := validVaultName(*body.Name)
	switch {
	case err != nil:
		return err
	case invalid != nil:
		answer.Reason, answer.Message = "AccountNameInvalid", azapi.Coded(invalid).Message
	case taken:
		answer.Reason, answer.Message = "AlreadyExists", vaultExists.New(*body.Name).Message
	default:
		answer.Available = true
	}
	return azapi.WriteJSON(w, http.StatusOK, answer)
}

// taken reports whether a vault, or a deleted one, has the name.
func (s *Secrets) taken(r *azapi.Request, name string) (bool, error) {
	_, err := s.Resources.ByName(r.Context(), TypeVault, name)
	if errors.Is(err, arm.ErrNotFound) {
		_, err = s.Resources.Deleted(r.Context(), TypeVault, name)
	}
	if errors.Is(err, arm.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}
