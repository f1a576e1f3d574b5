package appconfig

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/aksess/aksess/internal/arm"
	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/store"
)

// private is a store's own state, which is never sent as it is.
type private struct {
	UID  string      `json:"uid"`
	Keys []accessKey `json:"keys"`
}

// accessKey is one entry of listKeys
// (https://learn.microsoft.com/rest/api/appconfiguration/configuration-stores/list-keys).
type accessKey struct {
	ID               string    `json:"id"`
	Name             string    `json:"name"`
	Value            string    `json:"value"`
	ConnectionString string    `json:"connectionString"`
	LastModified     time.Time `json:"lastModified"`
	ReadOnly         bool      `json:"readOnly"`
}

// putKeys gives a new store its keys. A store that takes none has none: they are
// deleted when local authentication is switched off, and made anew when it comes back
// (https://learn.microsoft.com/azure/azure-app-configuration/howto-disable-access-key-authentication).
func (s *Settings) putKeys(c arm.Change, disabled bool) error {
	own := private{}
	if c.Old == nil {
		own.UID = s.NewID()
	} else if err := json.Unmarshal(c.Old.Private, &own); err != nil {
		return err
	}
	switch {
	case disabled:
		own.Keys = nil
	case len(own.Keys) == 0:
		own.Keys = newKeys(c.New.Name, c.Now)
	}
	encoded, err := json.Marshal(own)
	c.New.Private = encoded
	return err
}

func newKeys(name string, now time.Time) []accessKey {
	var keys []accessKey
	for _, title := range []string{"Primary", "Secondary", "Primary Read Only", "Secondary Read Only"} {
		id := make([]byte, 4)
		rand.Read(id) // never fails: see crypto/rand.Read
		key := accessKey{ID: base64.RawURLEncoding.EncodeToString(id), Name: title, ReadOnly: strings.HasSuffix(title, "Read Only")}
		keys = append(keys, key.renewed(name, now))
	}
	return keys
}

// renewed is the key with another secret.
func (k accessKey) renewed(name string, now time.Time) accessKey {
	secret := make([]byte, 32)
	rand.Read(secret) // never fails: see crypto/rand.Read
	k.Value, k.LastModified = base64.StdEncoding.EncodeToString(secret), now.UTC()
	k.ConnectionString = "Endpoint=https://" + strings.ToLower(name) + hostSuffix + ";Id=" + k.ID + ";Secret=" + k.Value
	return k
}

func listKeys(w http.ResponseWriter, _ *azapi.Request, r *arm.Resource) error {
	var own private
	if err := json.Unmarshal(r.Private, &own); err != nil {
		return err
	}
	if own.Keys == nil {
		own.Keys = []accessKey{}
	}
	return azapi.WriteJSON(w, http.StatusOK, map[string]any{"value": own.Keys})
}

// regenerateKey gives one access key another secret; requests signed with the
// old one are refused from then on
// (https://learn.microsoft.com/rest/api/appconfiguration/configuration-stores/regenerate-key).
func (s *Settings) regenerateKey(t *arm.Type, w http.ResponseWriter, r *azapi.Request, id string) error {
	var body struct {
		ID string `json:"id"`
	}
	if err := arm.DecodeBody(r, &body); err != nil {
		return err
	}
	for {
		found, err := s.Resources.Get(r.Context(), id)
		if errors.Is(err, arm.ErrNotFound) {
			return arm.ResourceNotFound.New(TypeStore+"/"+r.Param("n0"), r.Param("group"))
		}
		if err != nil {
			return err
		}
		var own private
		if err := json.Unmarshal(found.Private, &own); err != nil {
			return err
		}
		at := slices.IndexFunc(own.Keys, func(k accessKey) bool { return k.ID == body.ID })
		if at < 0 {
			return noSuchKey.New(body.ID)
		}
		own.Keys[at] = own.Keys[at].renewed(found.Name, r.Now)
		if found.Private, err = json.Marshal(own); err != nil {
			return err
		}
		err = s.Resources.Save(r.Context(), t, found, store.At(found.Version))
		if errors.Is(err, store.ErrConflict) {
			continue // another writer was first: apply the change to what it wrote
		}
		if err != nil {
			return err
		}
		return azapi.WriteJSON(w, http.StatusOK, own.Keys[at])
	}
}
