package appconfig

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/aksess/aksess/internal/access"
	"github.com/aksess/aksess/internal/arm"
	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/store"
)

// TypeStore is the resource type of a configuration store.
const TypeStore = "Microsoft.AppConfiguration/configurationStores"

var storeName = regexp.MustCompile(`^[a-zA-Z0-9](-{0,2}[a-zA-Z0-9])*$`)

// Store is a configuration store as the data plane needs it.
type Store struct {
	ID       string
	Name     string
	Location string
	UID      string // tells a store from an earlier one of the same name
	Network  access.Network
}

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

// properties are the members of a store that are understood; all others are
// kept (https://learn.microsoft.com/rest/api/appconfiguration/configuration-stores).
type properties struct {
	PublicNetworkAccess string `json:"publicNetworkAccess"`
}

// valid refuses a misspelt word, which would leave the store open.
func (p properties) valid() bool {
	return p.PublicNetworkAccess == "" || strings.EqualFold(p.PublicNetworkAccess, "Enabled") || strings.EqualFold(p.PublicNetworkAccess, "Disabled")
}

func storeOf(r *arm.Resource) (*Store, error) {
	var p properties
	if err := r.Decode(&p); err != nil {
		return nil, err
	}
	var own private
	if err := json.Unmarshal(r.Private, &own); err != nil {
		return nil, err
	}
	return &Store{
		ID: r.ID, Name: r.Name, Location: r.Location, UID: own.UID,
		Network: access.Network{PublicAccessDisabled: strings.EqualFold(p.PublicNetworkAccess, "Disabled")},
	}, nil
}

// Type is the resource type Microsoft.AppConfiguration/configurationStores.
func (s *Settings) Type() *arm.Type {
	return &arm.Type{
		Name:   TypeStore,
		Global: true,
		ValidName: func(name string) error {
			if len(name) < 5 || len(name) > 50 || !storeName.MatchString(name) {
				return badStoreName.New(name)
			}
			return nil
		},
		Put:     s.putStore,
		Delete:  s.deleteStore,
		Actions: []arm.PostAction{{Name: "listKeys", Handle: listKeys}},
		Operations: []azapi.Operation{{
			Name:    "ListReplicas",
			Method:  http.MethodGet,
			Pattern: "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.AppConfiguration/configurationStores/{name}/replicas",
			Action:  azapi.Control(TypeStore + "/replicas/read"),
			Handle: func(w http.ResponseWriter, _ *azapi.Request) error {
				return azapi.WriteJSON(w, http.StatusOK, map[string]any{"value": []any{}})
			},
		}},
	}
}

func (s *Settings) putStore(_ context.Context, c arm.Change) error {
	var sku struct {
		Name string `json:"name"`
	}
	if len(c.New.SKU) == 0 || json.Unmarshal(c.New.SKU, &sku) != nil {
		return badStore.New("The store's sku is required.")
	}
	switch strings.ToLower(sku.Name) {
	case "free", "developer", "standard", "premium":
	default:
		return badStore.New(fmt.Sprintf("The value '%.64s' of sku.name is not one of free, developer, standard, premium.", sku.Name))
	}
	var p properties
	if err := c.New.Decode(&p); err != nil || !p.valid() {
		return badStore.New("The property publicNetworkAccess must be Enabled or Disabled.")
	}
	merged := map[string]any{}
	if err := c.New.Decode(&merged); err != nil {
		return badStore.New("The store's properties must be an object.")
	}
	setDefault(merged, "softDeleteRetentionInDays", 7)
	setDefault(merged, "enablePurgeProtection", false)
	setDefault(merged, "disableLocalAuth", false)
	setDefault(merged, "encryption", map[string]any{})
	delete(merged, "createMode")
	merged["endpoint"] = "https://" + strings.ToLower(c.New.Name) + hostSuffix
	merged["provisioningState"] = "Succeeded"
	merged["creationDate"] = c.New.Created.UTC().Format(time.RFC3339)
	if c.Old == nil {
		merged["creationDate"] = c.Now.UTC().Format(time.RFC3339)
		own, err := json.Marshal(s.newPrivate(c.New.Name, c.Now))
		if err != nil {
			return err
		}
		c.New.Private = own
	}
	return c.New.SetProperties(merged)
}

func setDefault(m map[string]any, name string, value any) {
	if m[name] == nil {
		m[name] = value
	}
}

func (s *Settings) newPrivate(name string, now time.Time) private {
	own := private{UID: s.NewID()}
	for _, title := range []string{"Primary", "Secondary", "Primary Read Only", "Secondary Read Only"} {
		random := make([]byte, 36)
		rand.Read(random) // never fails: see crypto/rand.Read
		key := accessKey{
			ID: base64.RawURLEncoding.EncodeToString(random[:4]), Name: title, Value: base64.StdEncoding.EncodeToString(random[4:]),
			LastModified: now.UTC(), ReadOnly: strings.HasSuffix(title, "Read Only"),
		}
		key.ConnectionString = "Endpoint=https://" + strings.ToLower(name) + hostSuffix + ";Id=" + key.ID + ";Secret=" + key.Value
		own.Keys = append(own.Keys, key)
	}
	return own
}

func listKeys(w http.ResponseWriter, _ *azapi.Request, r *arm.Resource) error {
	var own private
	if err := json.Unmarshal(r.Private, &own); err != nil {
		return err
	}
	return azapi.WriteJSON(w, http.StatusOK, map[string]any{"value": own.Keys})
}

// deleteStore removes the settings with their store.
func (s *Settings) deleteStore(ctx context.Context, r *arm.Resource) error {
	of, err := storeOf(r)
	if err != nil {
		return err
	}
	for q, more := (store.Query{Prefix: of.UID + "/"}), true; more; {
		page, err := s.Store.List(ctx, kindSetting, q)
		if err != nil {
			return fmt.Errorf("listing the settings of store %q: %w", r.Name, err)
		}
		ops := make([]store.Op, len(page.Docs))
		for i, doc := range page.Docs {
			ops[i] = store.Op{Kind: kindSetting, Key: doc.Key, Delete: true}
			q.After = doc.Key
		}
		if len(ops) == 0 {
			return nil
		}
		if _, err := s.Store.Apply(ctx, ops...); err != nil {
			return fmt.Errorf("deleting the settings of store %q: %w", r.Name, err)
		}
		more = page.More
	}
	return nil
}
