package storageaccount

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/aksess/aksess/internal/arm"
	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/storage"
	"github.com/aksess/aksess/internal/store"
)

// listKeys: https://learn.microsoft.com/rest/api/storagerp/storage-accounts/list-keys
func listKeys(w http.ResponseWriter, _ *azapi.Request, account *arm.Resource) error {
	own, err := privateOf(account)
	if err != nil {
		return err
	}
	return writeKeys(w, own)
}

func privateOf(account *arm.Resource) (storage.Private, error) {
	var own storage.Private
	if err := json.Unmarshal(account.Private, &own); err != nil {
		return own, fmt.Errorf("decoding the private state of account %q: %w", account.Name, err)
	}
	return own, nil
}

func writeKeys(w http.ResponseWriter, own storage.Private) error {
	keys := make([]map[string]string, 0, len(own.Keys))
	for _, key := range own.Keys {
		keys = append(keys, map[string]string{
			"keyName": key.Name, "value": key.Value, "permissions": "FULL", "creationTime": key.Created,
		})
	}
	return azapi.WriteJSON(w, http.StatusOK, map[string]any{"keys": keys})
}

// regenerateKey: https://learn.microsoft.com/rest/api/storagerp/storage-accounts/regenerate-key
func (p *provider) regenerateKey(t *arm.Type, w http.ResponseWriter, r *azapi.Request, account *arm.Resource) error {
	var body struct {
		KeyName string `json:"keyName"`
	}
	if err := arm.DecodeBody(r, &body); err != nil {
		return err
	}
	own, err := p.change(t, r, account, func(own *storage.Private) error { return p.renew(own, body.KeyName) })
	if err != nil {
		return err
	}
	return writeKeys(w, own)
}

// revokeDelegation ends all user delegation keys of an account
// (https://learn.microsoft.com/rest/api/storagerp/storage-accounts/revoke-user-delegation-keys).
func (p *provider) revokeDelegation(t *arm.Type, w http.ResponseWriter, r *azapi.Request, account *arm.Resource) error {
	if _, err := p.change(t, r, account, p.renewDelegation); err != nil {
		return err
	}
	w.WriteHeader(http.StatusOK)
	return nil
}

// change writes the private state of an account anew.
func (p *provider) change(t *arm.Type, r *azapi.Request, account *arm.Resource, change func(*storage.Private) error) (storage.Private, error) {
	for {
		found, err := p.resources.Get(r.Context(), account.ID)
		if err != nil {
			return storage.Private{}, err
		}
		own, err := privateOf(found)
		if err != nil {
			return own, err
		}
		if err := change(&own); err != nil {
			return own, err
		}
		if found.Private, err = json.Marshal(own); err != nil {
			return own, err
		}
		found.Changed = r.Now
		err = p.resources.Save(r.Context(), t, found, store.At(found.Version))
		if !errors.Is(err, store.ErrConflict) {
			return own, err
		}
	}
}

func (p *provider) renewDelegation(own *storage.Private) error {
	key, err := p.config.NewKey("delegation")
	own.Delegation = key.Value
	return err
}

func (p *provider) renew(own *storage.Private, name string) error {
	for i := range own.Keys {
		if !strings.EqualFold(own.Keys[i].Name, name) {
			continue
		}
		key, err := p.config.NewKey(own.Keys[i].Name)
		if err != nil {
			return err
		}
		own.Keys[i] = key
		return nil
	}
	return badKey.New(name[:min(len(name), 60)])
}
