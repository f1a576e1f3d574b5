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
	for {
		found, err := p.resources.Get(r.Context(), account.ID)
		if err != nil {
			return err
		}
		own, err := privateOf(found)
		if err != nil {
			return err
		}
		if err := p.renew(&own, body.KeyName); err != nil {
			return err
		}
		if found.Private, err = json.Marshal(own); err != nil {
			return err
		}
		found.Changed = r.Now
		err = p.resources.Save(r.Context(), t, found, store.At(found.Version))
		if errors.Is(err, store.ErrConflict) {
			continue
		}
		if err != nil {
			return err
		}
		return writeKeys(w, own)
	}
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
