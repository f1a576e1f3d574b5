package appconfig

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/aksess/aksess/internal/arm"
	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/store"
)

// TypeStore is the resource type of a configuration store.
const TypeStore = "Microsoft.AppConfiguration/configurationStores"

const (
	defaultRetention = 7 // days, the most that a deleted store is kept, too

	modeDefault = "Default" // values of createMode
	modeRecover = "Recover"

	proxyLocal       = "Local" // values of dataPlaneProxy.authenticationMode
	proxyPassThrough = "Pass-through"
)

var storeName = regexp.MustCompile(`^[a-zA-Z0-9](-{0,2}[a-zA-Z0-9])*$`)

func validStoreName(name string) error {
	if len(name) < 5 || len(name) > 50 || !storeName.MatchString(name) {
		return badStoreName.New(name)
	}
	return nil
}

// Type is the resource type Microsoft.AppConfiguration/configurationStores.
func (s *Settings) Type() *arm.Type {
	t := &arm.Type{
		Name:       TypeStore,
		Global:     true,
		ValidName:  validStoreName,
		NameTaken:  func(string) error { return nameUnavailable.New() },
		Put:        s.putStore,
		Written:    s.settleIdentity,
		Delete:     s.endIdentity,
		SoftDelete: s.softDelete(),
	}
	t.Actions = []arm.PostAction{
		{Name: "listKeys", Handle: listKeys},
		{Name: "regenerateKey", Handle: func(w http.ResponseWriter, r *azapi.Request, found *arm.Resource) error {
			return s.regenerateKey(t, w, r, found.ID)
		}},
	}
	t.Operations = slices.Concat(s.deletedOperations(t), s.keyValueOperations(), []azapi.Operation{{
		Name:    "ListReplicas",
		Method:  http.MethodGet,
		Pattern: storePath + "/replicas",
		Action:  azapi.Control(TypeStore + "/replicas/read"),
		Handle:  s.listReplicas,
	}})
	return t
}

// storePath is the pattern of a store's id.
const storePath = "/subscriptions/{subscription}/resourceGroups/{group}/providers/" + TypeStore + "/{name}"

// listReplicas answers that a store has none.
func (s *Settings) listReplicas(w http.ResponseWriter, r *azapi.Request) error {
	if _, err := s.find(r, 1); err != nil {
		return err
	}
	return azapi.WriteJSON(w, http.StatusOK, map[string]any{"value": []any{}})
}

// find reads the store that the path names, without its last drop segments.
func (s *Settings) find(r *azapi.Request, drop int) (*arm.Resource, error) {
	found, err := s.Resources.Get(r.Context(), arm.ScopeOf(r, drop))
	if errors.Is(err, arm.ErrNotFound) {
		return nil, arm.ResourceNotFound.New(TypeStore+"/"+r.Param("name"), r.Param("group"))
	}
	return found, err
}

// putStore validates a store and fills what Azure computes.
func (s *Settings) putStore(ctx context.Context, c arm.Change) error {
	tier, err := tierOf(c.New)
	if err != nil {
		return err
	}
	var p properties
	if err := c.New.Decode(&p); err != nil {
		return badStore.New("The store's properties are not valid: " + describeType(err) + ".")
	}
	recovers := strings.EqualFold(p.CreateMode, modeRecover)
	if recovers && c.Old == nil {
		return noDeletedStore.New(c.New.Name)
	}
	if err := p.validate(tier); err != nil {
		return err
	}
	days, err := p.retention(tier, recovers, c.Old)
	if err != nil {
		return err
	}
	if _, sent := c.Sent["tags"]; recovers && !sent {
		c.New.Tags = c.Old.Tags // a recovered store is as it was where the request says nothing
	}
	if err := s.putKeys(c, p.DisableLocalAuth); err != nil {
		return err
	}
	if err := s.putIdentity(ctx, c); err != nil {
		return err
	}
	return fill(c, days)
}

// fill completes the properties as Azure answers them.
func fill(c arm.Change, days int) error {
	merged := map[string]any{}
	if err := c.New.Decode(&merged); err != nil {
		return badStore.New("The store's properties must be an object.")
	}
	created := c.Now
	if c.Old != nil {
		created = c.New.Created
	}
	setDefault(merged, "enablePurgeProtection", false)
	setDefault(merged, "disableLocalAuth", false)
	setDefault(merged, "encryption", map[string]any{})
	setDefault(merged, "dataPlaneProxy", map[string]any{})
	if encryption, ok := merged["encryption"].(map[string]any); ok {
		if key, ok := encryption["keyVaultProperties"].(map[string]any); ok && len(key) == 0 {
			delete(encryption, "keyVaultProperties") // azurerm sends {} for none and reads it as one
		}
	}
	if proxy, ok := merged["dataPlaneProxy"].(map[string]any); ok {
		setDefault(proxy, "authenticationMode", proxyLocal)
		setDefault(proxy, "privateLinkDelegation", "Disabled")
	}
	delete(merged, "createMode")
	merged["softDeleteRetentionInDays"] = days
	merged["endpoint"] = "https://" + strings.ToLower(c.New.Name) + hostSuffix
	merged["provisioningState"] = "Succeeded"
	merged["creationDate"] = created.UTC().Format(time.RFC3339)
	return c.New.SetProperties(merged)
}

func setDefault(m map[string]any, name string, value any) {
	if m[name] == nil {
		m[name] = value
	}
}

// eraseStore removes what a store held, at the end of its retention.
func (s *Settings) eraseStore(ctx context.Context, r *arm.Resource) error {
	of, err := storeOf(r)
	if err != nil {
		return err
	}
	for _, kind := range []string{kindSetting, kindRevision, kindSnapshot, kindKept} {
		if err := s.erase(ctx, kind, of.UID+"/"); err != nil {
			return fmt.Errorf("deleting %s of store %q: %w", kind, r.Name, err)
		}
	}
	return nil
}

func (s *Settings) erase(ctx context.Context, kind, prefix string) error {
	for q, more := (store.Query{Prefix: prefix}), true; more; {
		page, err := s.Store.List(ctx, kind, q)
		if err != nil {
			return err
		}
		ops := make([]store.Op, len(page.Docs))
		for i, doc := range page.Docs {
			ops[i] = store.Op{Kind: kind, Key: doc.Key, Delete: true}
			q.After = doc.Key
		}
		if len(ops) == 0 {
			return nil
		}
		if _, err := s.Store.Apply(ctx, ops...); err != nil {
			return err
		}
		more = page.More
	}
	return nil
}
