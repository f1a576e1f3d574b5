package monitor

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/aksess/aksess/internal/arm"
	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/store"
)

// sharedKeys are a workspace's keys on the wire and, as its Private, on disk
// (https://learn.microsoft.com/rest/api/loganalytics/shared-keys/get-shared-keys).
type sharedKeys struct {
	Primary   string `json:"primarySharedKey"`
	Secondary string `json:"secondarySharedKey"`
}

func newKeys() (json.RawMessage, error) {
	random := make([]byte, 128)
	rand.Read(random) // never fails: see crypto/rand.Read
	return json.Marshal(sharedKeys{
		Primary: base64.StdEncoding.EncodeToString(random[:64]), Secondary: base64.StdEncoding.EncodeToString(random[64:]),
	})
}

func (s *Workspaces) sharedKeys(w http.ResponseWriter, _ *azapi.Request, workspace *arm.Resource) error {
	var keys sharedKeys
	if err := json.Unmarshal(workspace.Private, &keys); err != nil {
		return err
	}
	return azapi.WriteJSON(w, http.StatusOK, keys)
}

// maxAttempts bounds how often a write starts again because another one was faster.
const maxAttempts = 20

// regenerate replaces both keys.
func (s *Workspaces) regenerate(t *arm.Type) func(http.ResponseWriter, *azapi.Request, *arm.Resource) error {
	return func(w http.ResponseWriter, r *azapi.Request, workspace *arm.Resource) error {
		for range maxAttempts {
			found, err := s.Resources.Get(r.Context(), workspace.ID)
			if errors.Is(err, arm.ErrNotFound) {
				return arm.ResourceNotFound.New(typeWorkspace+"/"+workspace.Name, r.Param("group"))
			}
			if err != nil {
				return err
			}
			if found.Private, err = newKeys(); err != nil {
				return err
			}
			err = s.Resources.Save(r.Context(), t, found, store.At(found.Version))
			if errors.Is(err, store.ErrConflict) {
				continue
			}
			if err != nil {
				return err
			}
			return s.sharedKeys(w, r, found)
		}
		return arm.Busy.New(workspace.ID).SetHeader("Retry-After", "1")
	}
}
