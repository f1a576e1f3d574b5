package appconfig

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/aksess/aksess/internal/arm"
	"github.com/aksess/aksess/internal/azapi"
)

const (
	namespace   = "Microsoft.AppConfiguration"
	provider    = "/subscriptions/{subscription}/providers/" + namespace
	deletedPath = provider + "/locations/{location}/deletedConfigurationStores/{name}"
	typeDeleted = namespace + "/locations/deletedConfigurationStores"
)

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
	op := func(name, method, pattern, action string, handle azapi.Handler) azapi.Operation {
		return azapi.Operation{Name: name, Method: method, Pattern: pattern, Action: azapi.Control(action), Scope: subscriptionOf, Handle: handle}
	}
	return []azapi.Operation{
		op("ListDeletedStores", http.MethodGet, provider+"/deletedConfigurationStores", namespace+"/deletedConfigurationStores/read", s.listDeleted),
		op("GetDeletedStore", http.MethodGet, deletedPath, typeDeleted+"/read", s.getDeleted),
		op("PurgeDeletedStore", http.MethodPost, deletedPath+"/purge", typeDeleted+"/purge/action",
			func(w http.ResponseWriter, r *azapi.Request) error { return s.purge(t, w, r) }),
		op("CheckStoreName", http.MethodPost, provider+"/checkNameAvailability", namespace+"/checkNameAvailability/read", s.checkName),
	}
}

func subscriptionOf(r *azapi.Request) string { return "/subscriptions/" + r.Param("subscription") }

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

func deletedStoreOf(subscription string, d *arm.Deleted) deletedStore {
	r := d.Resource
	tags := r.Tags
	if tags == nil {
		tags = map[string]string{}
	}
	return deletedStore{
		ID:   "/subscriptions/" + subscription + "/providers/" + namespace + "/locations/" + r.Location + "/deletedConfigurationStores/" + r.Name,
		Name: r.Name, Type: typeDeleted,
		Properties: deletedStoreProperties{
			StoreID: r.ID, Location: r.Location, Tags: tags, PurgeProtectionEnabled: d.Protected,
			DeletionDate: d.At.UTC().Format(time.RFC3339), ScheduledPurgeDate: d.Until.UTC().Format(time.RFC3339),
		},
	}
}

// findDeleted reads the deleted store that the path names. One of another
// subscription or location is not there.
func (s *Settings) findDeleted(r *azapi.Request) (*arm.Deleted, error) {
	if _, err := s.Resources.Subscription(r.Context(), r.Param("subscription")); err != nil {
		return nil, err
	}
	name := r.Param("name")
	found, err := s.Resources.Deleted(r.Context(), TypeStore, name)
	if errors.Is(err, arm.ErrNotFound) {
		return nil, noDeletedStore.New(name)
	}
	if err != nil {
		return nil, err
	}
	within := strings.HasPrefix(strings.ToLower(found.Resource.ID), strings.ToLower(subscriptionOf(r))+"/")
	if !within || found.Resource.Location != arm.NormalLocation(r.Param("location")) {
		return nil, noDeletedStore.New(name)
	}
	return found, nil
}

func (s *Settings) getDeleted(w http.ResponseWriter, r *azapi.Request) error {
	found, err := s.findDeleted(r)
	if err != nil {
		return err
	}
	return azapi.WriteJSON(w, http.StatusOK, deletedStoreOf(r.Param("subscription"), found))
}

func (s *Settings) listDeleted(w http.ResponseWriter, r *azapi.Request) error {
	subscription := r.Param("subscription")
	if _, err := s.Resources.Subscription(r.Context(), subscription); err != nil {
		return err
	}
	found, err := s.Resources.ListDeleted(r.Context(), subscription, TypeStore)
	if err != nil {
		return err
	}
	entries := make([]arm.Entry, 0, len(found))
	for _, d := range found {
		one := deletedStoreOf(subscription, d)
		entries = append(entries, arm.Entry{ID: one.ID, Value: one})
	}
	return arm.WriteList(w, r, entries)
}

// purge ends a deleted store. It is done when it is answered; azurerm knows no
// end but that of a long-running operation.
func (s *Settings) purge(t *arm.Type, w http.ResponseWriter, r *azapi.Request) error {
	found, err := s.findDeleted(r)
	if err != nil {
		return err
	}
	err = s.Resources.Purge(r.Context(), t, found.Resource.Name)
	switch {
	case errors.Is(err, arm.ErrProtected):
		return storeProtected.New(found.Resource.Name)
	case errors.Is(err, arm.ErrNotFound):
		return noDeletedStore.New(found.Resource.Name) // recovered or purged by somebody else
	case err != nil:
		return err
	}
	return s.Resources.Accept(w, r, arm.Accepted{Namespace: namespace, Location: found.Resource.Location})
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
	taken, err := s.taken(r, *body.Name)
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

// taken reports whether a store, or a deleted one, has the name.
func (s *Settings) taken(r *azapi.Request, name string) (bool, error) {
	_, err := s.Resources.ByName(r.Context(), TypeStore, name)
	if errors.Is(err, arm.ErrNotFound) {
		_, err = s.Resources.Deleted(r.Context(), TypeStore, name)
	}
	if errors.Is(err, arm.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}
