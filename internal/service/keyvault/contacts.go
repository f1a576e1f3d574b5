package keyvault

import (
	"errors"
	"net/http"
	"strings"

	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/store"
)

const (
	contactsPath = "/certificates/contacts"
	maxContacts  = 100
)

// contacts are whom Azure tells when certificates of the vault expire. They are
// kept, since azurerm reads them with every vault; nobody is told anything
// (https://learn.microsoft.com/rest/api/keyvault/certificates/get-certificate-contacts).
type contacts struct {
	ID       string    `json:"id,omitempty"` // not stored: the vault's own path
	Contacts []contact `json:"contacts"`
}

type contact struct {
	Email string `json:"email"`
	Name  string `json:"name,omitempty"`
	Phone string `json:"phone,omitempty"`
}

func (v *Vault) contactsKey() string { return v.UID + "/contacts" }

func (v *Vault) shown(c contacts) contacts {
	c.ID = v.baseURL() + contactsPath
	return c
}

func (s *Secrets) getContacts(w http.ResponseWriter, r *azapi.Request) error {
	vault := vaultFrom(r)
	item, err := s.contacts.Get(r.Context(), vault.contactsKey())
	if errors.Is(err, store.ErrNotFound) {
		return noContacts.New()
	}
	if err != nil {
		return err
	}
	return azapi.WriteJSON(w, http.StatusOK, vault.shown(item.Value))
}

func (s *Secrets) setContacts(w http.ResponseWriter, r *azapi.Request) error {
	var body contacts
	if err := r.DecodeJSON(&body); err != nil {
		return badParameter.New(err.Error())
	}
	switch {
	case len(body.Contacts) == 0:
		return badParameter.New("The property \"contacts\" is required and has at least one contact.")
	case len(body.Contacts) > maxContacts:
		return badParameter.New("The property \"contacts\" has too many contacts.")
	}
	for _, one := range body.Contacts {
		if !strings.Contains(one.Email, "@") {
			return badParameter.New("The property \"email\" of a contact is not an email address.")
		}
	}
	body.ID = ""
	vault := vaultFrom(r)
	if _, err := s.contacts.Put(r.Context(), vault.contactsKey(), body, store.Always()); err != nil {
		return err
	}
	return azapi.WriteJSON(w, http.StatusOK, vault.shown(body))
}

// deleteContacts answers the contacts that were there.
func (s *Secrets) deleteContacts(w http.ResponseWriter, r *azapi.Request) error {
	vault := vaultFrom(r)
	item, err := s.contacts.Get(r.Context(), vault.contactsKey())
	if err == nil {
		err = s.contacts.Delete(r.Context(), item.Key, store.Present())
	}
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrConflict) {
		return noContacts.New()
	}
	if err != nil {
		return err
	}
	return azapi.WriteJSON(w, http.StatusOK, vault.shown(item.Value))
}
