package appconfig

import (
	"net/http"
	"strings"
	"time"

	"github.com/aksess/aksess/internal/arm"
	"github.com/aksess/aksess/internal/azapi"
)

const namespace = "Microsoft.AppConfiguration"

// softDelete keeps deleted stores with their settings, those of the tiers that
// have it (https://learn.microsoft.com/azure/azure-app-configuration/concept-soft-delete).
func (s *Settings) softDelete() *arm.SoftDelete {
	return &arm.SoftDelete{
		Terms: func(r *arm.Resource) (int, bool, error) {
			var p properties
			if err := r.Decode(&p); err != nil {
				return 0, false, err
			}
			t, err := tierOf(r)
			if err != nil || !t.production {
				return 0, false, err
			}
			return p.SoftDeleteRetentionInDays, p.EnablePurgeProtection, nil
		},
		Recovers: func(c arm.Change) bool {
			sent, _ := c.Sent["properties"].(map[string]any)
			mode, _ := sent["createMode"].(string)
			return strings.EqualFold(mode, modeRecover)
		},
		Taken: func(*arm.Deleted) error { return nameUnavailable.New() },
		Purge: s.eraseStore,
	}
}

// deletedOperations are those on deleted stores and on names, all decided about
// at the subscription.
func (s *Settings) deletedOperations(t *arm.Type) []azapi.Operation {
	deleted := arm.DeletedCollection{
		Resources: s.Resources, Type: t, Name: "deletedConfigurationStores", View: deletedStoreOf,
		Missing:   func(name string) error { return noDeletedStore.New(name) },
		Protected: func(name string) error { return storeProtected.New(name) },
	}
	return append(deleted.Operations(), azapi.Operation{
		Name: "CheckStoreName", Method: http.MethodPost, Pattern: "/subscriptions/{subscription}/providers/" + namespace + "/checkNameAvailability",
		Action: azapi.Control(namespace + "/checkNameAvailability/read"), Scope: arm.SubscriptionScope, Handle: s.checkName,
	})
}

// deletedStore is a deleted store on the wire
// (https://learn.microsoft.com/rest/api/appconfiguration/configuration-stores/get-deleted).
type deletedStore struct {
	ID         string                 `json:"id"`
	Name       string                 `json:"name"`
	Type       string                 `json:"type"`
	Properties deletedStoreProperties `json:"properties"`
}

type deletedStoreProperties struct {
	StoreID                string            `json:"configurationStoreId"`
	Location               string            `json:"location"`
	DeletionDate           string            `json:"deletionDate"`
	ScheduledPurgeDate     string            `json:"scheduledPurgeDate"`
	Tags                   map[string]string `json:"tags"`
	PurgeProtectionEnabled bool              `json:"purgeProtectionEnabled"`
}

func deletedStoreOf(id string, d *arm.Deleted) any {
	r := d.Resource
	tags := r.Tags
	if tags == nil {
		tags = map[string]string{}
	}
	return deletedStore{
		ID: id, Name: r.Name, Type: namespace + "/locations/deletedConfigurationStores",
		Properties: deletedStoreProperties{
			StoreID: r.ID, Location: r.Location, Tags: tags, PurgeProtectionEnabled: d.Protected,
			DeletionDate: d.At.UTC().Format(time.RFC3339), ScheduledPurgeDate: d.Until.UTC().Format(time.RFC3339),
		},
	}
}

// checkName says whether a store could have a name
// (https://learn.microsoft.com/rest/api/appconfiguration/operations/check-name-availability).
func (s *Settings) checkName(w http.ResponseWriter, r *azapi.Request) error {
	var body struct {
		Name *string `json:"name"`
		Type string  `json:"type"`
	}
	if err := arm.DecodeBody(r, &body); err != nil {
		return err
	}
	switch {
	case body.Name == nil:
		return badStore.New("The property name is required.")
	case !strings.EqualFold(body.Type, TypeStore):
		return badStore.New("The property type must be " + TypeStore + ".")
	}
	var answer struct {
		Available bool   `json:"nameAvailable"`
		Message   string `json:"message"`
		Reason    string `json:"reason,omitempty"`
	}
	taken, err := s.Resources.NameTaken(r.Context(), TypeStore, *body.Name)
	invalid := validStoreName(*body.Name)
	switch {
	case err != nil:
		return err
	case invalid != nil:
		answer.Reason, answer.Message = "Invalid", azapi.Coded(invalid).Message
	case taken:
		answer.Reason, answer.Message = "AlreadyExists", nameUnavailable.New().Message
	default:
		answer.Available, answer.Message = true, "The specified name is available."
	}
	return azapi.WriteJSON(w, http.StatusOK, answer)
}
