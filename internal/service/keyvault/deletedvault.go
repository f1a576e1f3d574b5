package keyvault

import (
	"net/http"
	"strings"
	"time"

	"github.com/aksess/aksess/internal/arm"
	"github.com/aksess/aksess/internal/azapi"
)

const provider = "/subscriptions/{subscription}/providers/Microsoft.KeyVault"

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
	deleted := arm.DeletedCollection{
		Resources: s.Resources, Type: t, Name: "deletedVaults", View: deletedVaultOf,
		Missing:   func(name string) error { return noDeletedVault.New(name) },
		Protected: func(string) error { return vaultProtected.New() },
	}
	return append(deleted.Operations(), azapi.Operation{
		Name: "CheckVaultName", Method: http.MethodPost, Pattern: provider + "/checkNameAvailability",
		Action: azapi.Control("Microsoft.KeyVault/checkNameAvailability/read"), Scope: arm.SubscriptionScope, Handle: s.checkName,
	})
}

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

func deletedVaultOf(id string, d *arm.Deleted) any {
	r := d.Resource
	tags := r.Tags
	if tags == nil {
		tags = map[string]string{}
	}
	return deletedVault{
		ID: id, Name: r.Name, Type: "Microsoft.KeyVault/deletedVaults",
		Properties: deletedVaultProperties{
			VaultID: r.ID, Location: r.Location, Tags: tags, PurgeProtectionEnabled: d.Protected,
			DeletionDate: d.At.UTC().Format(time.RFC3339), ScheduledPurgeDate: d.Until.UTC().Format(time.RFC3339),
		},
	}
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
	taken, err := s.Resources.NameTaken(r.Context(), TypeVault, *body.Name)
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
