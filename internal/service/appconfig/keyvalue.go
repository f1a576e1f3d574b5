package appconfig

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/aksess/aksess/internal/arm"
	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/store"
)

const (
	typeKeyValue  = TypeStore + "/keyValues"
	keyValuePath  = storePath + "/keyValues/{setting}"
	actionKeys    = TypeStore + "/listKeys/action"
	maxNameLength = 4000 // bytes of a setting's name in an id, escapes and all
)

// keyValueOperations are settings as child resources of their store, for
// deployments of ARM templates and Bicep
// (https://learn.microsoft.com/azure/templates/microsoft.appconfiguration/configurationstores/keyvalues).
//
// Beside the action of the operation a caller needs what Azure reaches the data
// with: the store's keys in local mode, the data action itself in pass-through
// mode. A Reader, who may read every resource, reads no setting by this door.
func (s *Settings) keyValueOperations() []azapi.Operation {
	op := func(name, method, action string, handle func(http.ResponseWriter, *azapi.Request, keyValue) error) azapi.Operation {
		return azapi.Operation{
			Name: name, Method: method, Pattern: keyValuePath, Action: azapi.Control(action), MaxBody: maxBody,
			Handle: func(w http.ResponseWriter, r *azapi.Request) error {
				at, err := s.reach(r, action)
				if err != nil {
					return err
				}
				return handle(w, r, at)
			},
		}
	}
	return []azapi.Operation{
		op("GetKeyValueResource", http.MethodGet, actionRead, s.getKeyValue),
		op("PutKeyValueResource", http.MethodPut, actionWrite, s.putKeyValue),
		op("DeleteKeyValueResource", http.MethodDelete, actionDelete, s.deleteKeyValue),
	}
}

// keyValue is the place of a setting that is asked for by Resource Manager.
type keyValue struct {
	store            *Store
	id, name         string // of the child resource
	key, label       string
	group, storeName string // as requested
}

// reach admits a caller of Resource Manager to a store's data.
func (s *Settings) reach(r *azapi.Request, action string) (keyValue, error) {
	found, err := s.find(r, 2)
	if err != nil {
		return keyValue{}, err
	}
	of, err := storeOf(found)
	if err != nil {
		return keyValue{}, err
	}
	needs := azapi.Control(actionKeys)
	switch {
	case of.Network.PublicAccessDisabled && !of.delegated:
		return keyValue{}, proxyRefused.New("public network access to the store is disabled and private link delegation is not enabled")
	case of.passThrough:
		needs = azapi.Data(action)
	case !of.localAuth:
		return keyValue{}, proxyRefused.New("local authentication is disabled; set dataPlaneProxy.authenticationMode to Pass-through")
	}
	verdict, err := r.Allowed(r.Context(), needs, of.ID)
	if err != nil {
		return keyValue{}, err
	}
	if !verdict.Allowed {
		return keyValue{}, arm.Forbidden(r, needs, of.ID)
	}
	name := r.Param("setting")
	key, label, err := parseKeyValueName(name)
	return keyValue{
		store: of, id: of.ID + "/keyValues/" + name, name: name, key: key, label: label, group: r.Param("group"), storeName: r.Param("name"),
	}, err
}

// parseKeyValueName reads "key$label" or "key", in which ~XX stands for what an
// id cannot hold, as %XX does in a URL.
func parseKeyValueName(name string) (key, label string, err error) {
	if len(name) > maxNameLength {
		return "", "", badKeyValueName.New(name)
	}
	rawKey, rawLabel, _ := strings.Cut(name, "$")
	decode := func(text string) string {
		var decoded string
		if err == nil {
			decoded, err = url.PathUnescape(strings.ReplaceAll(strings.ReplaceAll(text, "%", "%25"), "~", "%"))
		}
		return decoded
	}
	key, label = decode(rawKey), decode(rawLabel)
	if err != nil || checkAddress(key, label) != nil || key == "" {
		return "", "", badKeyValueName.New(name)
	}
	return key, label, nil
}

// keyValueProperties are the members of a setting as a resource.
type keyValueProperties struct {
	Key          string            `json:"key"`
	Label        *string           `json:"label"`
	Value        *string           `json:"value"`
	ContentType  *string           `json:"contentType"`
	ETag         string            `json:"eTag"`
	LastModified string            `json:"lastModified"`
	Locked       bool              `json:"locked"`
	Tags         map[string]string `json:"tags"`
}

func (at keyValue) write(w http.ResponseWriter, status int, v setting, version int64) error {
	shown := v.wire(etagOf(version))
	return azapi.WriteJSON(w, status, map[string]any{
		"id": at.id, "name": at.name, "type": typeKeyValue,
		"properties": keyValueProperties{
			Key: shown.Key, Label: shown.Label, Value: shown.Value, ContentType: shown.ContentType,
			ETag: shown.ETag, LastModified: shown.LastModified, Locked: shown.Locked, Tags: shown.Tags,
		},
	})
}

func (at keyValue) missing() error {
	return arm.ResourceNotFound.New(TypeStore+"/"+at.storeName+"/keyValues/"+at.name, at.group)
}

func (s *Settings) getKeyValue(w http.ResponseWriter, r *azapi.Request, at keyValue) error {
	item, err := s.settings.Get(r.Context(), at.store.place(at.key, at.label))
	if errors.Is(err, store.ErrNotFound) {
		return at.missing()
	}
	if err != nil {
		return err
	}
	return at.write(w, http.StatusOK, item.Value, item.Version)
}

func (s *Settings) putKeyValue(w http.ResponseWriter, r *azapi.Request, at keyValue) error {
	var body struct {
		Properties struct {
			Value       *string           `json:"value"`
			ContentType *string           `json:"contentType"`
			Tags        map[string]string `json:"tags"`
		} `json:"properties"`
	}
	if err := arm.DecodeBody(r, &body); err != nil {
		return err
	}
	sent := body.Properties
	next := setting{Key: at.key, Label: at.label, Value: sent.Value, ContentType: sent.ContentType, Tags: sent.Tags, LastModified: r.Now}
	if next.size() > maxSetting {
		return badStore.New(fmt.Sprintf("The setting is larger than %d bytes.", maxSetting))
	}
	for {
		old, err := s.present(r, at)
		if err != nil {
			return err
		}
		if old.Value.Locked {
			return lockedResource.New(at.key)
		}
		version, err := s.write(r.Context(), at.store, old, &next, r.Now)
		if errors.Is(err, store.ErrConflict) {
			continue
		}
		if err != nil {
			return err
		}
		return at.write(w, http.StatusOK, next, version)
	}
}

// present is the setting as it is, of version 0 when there is none.
func (s *Settings) present(r *azapi.Request, at keyValue) (store.Item[setting], error) {
	place := at.store.place(at.key, at.label)
	item, err := s.settings.Get(r.Context(), place)
	if errors.Is(err, store.ErrNotFound) {
		return store.Item[setting]{Key: place}, nil
	}
	return item, err
}

func (s *Settings) deleteKeyValue(w http.ResponseWriter, r *azapi.Request, at keyValue) error {
	for {
		old, err := s.present(r, at)
		switch {
		case err != nil:
			return err
		case old.Version == 0:
			w.WriteHeader(http.StatusNoContent)
			return nil
		case old.Value.Locked:
			return lockedResource.New(at.key)
		}
		_, err = s.write(r.Context(), at.store, old, nil, r.Now)
		if errors.Is(err, store.ErrConflict) {
			continue
		}
		if err != nil {
			return err
		}
		w.WriteHeader(http.StatusOK)
		return nil
	}
}
