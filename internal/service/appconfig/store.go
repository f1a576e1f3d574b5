package appconfig

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aksess/aksess/internal/access"
	"github.com/aksess/aksess/internal/arm"
)

// Store is a configuration store as the data plane needs it.
type Store struct {
	ID       string
	Name     string
	Location string
	UID      string // tells a store from an earlier one of the same name
	Network  access.Network

	localAuth   bool          // access keys are taken
	keys        []signingKey  // of the store
	history     time.Duration // how long an earlier state of a setting is kept
	passThrough bool          // Resource Manager asks for the caller's own data actions
	delegated   bool          // Resource Manager reaches the store although the public does not
}

// signingKey is an access key that requests may be signed with.
type signingKey struct {
	id, name string
	secret   []byte
	readOnly bool
}

// key returns the access key with that id.
func (s *Store) key(id string) (signingKey, bool) {
	at := slices.IndexFunc(s.keys, func(k signingKey) bool { return k.id == id })
	if at < 0 {
		return signingKey{}, false
	}
	return s.keys[at], true
}

// properties are the members of a store that are understood; all others are
// kept (https://learn.microsoft.com/rest/api/appconfiguration/configuration-stores).
type properties struct {
	PublicNetworkAccess       string `json:"publicNetworkAccess"`
	CreateMode                string `json:"createMode"` // how a PUT means it; never stored
	SoftDeleteRetentionInDays int    `json:"softDeleteRetentionInDays"`
	EnablePurgeProtection     bool   `json:"enablePurgeProtection"`
	DisableLocalAuth          bool   `json:"disableLocalAuth"`
	DataPlaneProxy            struct {
		AuthenticationMode    string `json:"authenticationMode"`
		PrivateLinkDelegation string `json:"privateLinkDelegation"`
	} `json:"dataPlaneProxy"`
}

// tier is what a store's sku stands for.
type tier struct {
	name       string
	production bool // deleted stores are kept; there is no way back to the others
}

func tierOf(r *arm.Resource) (tier, error) {
	var sku struct {
		Name string `json:"name"`
	}
	if len(r.SKU) == 0 || json.Unmarshal(r.SKU, &sku) != nil {
		return tier{}, badStore.New("The store's sku is required.")
	}
	t := tier{name: strings.ToLower(sku.Name)}
	switch t.name {
	case "free", "developer":
	case "standard", "premium":
		t.production = true
	default:
		return t, badStore.New(fmt.Sprintf("The value '%.64s' of sku.name is not one of free, developer, standard, premium.", sku.Name))
	}
	return t, nil
}

// validate refuses words that are not understood: a misspelt one would leave a
// store open.
func (p properties) validate(t tier) error {
	for _, word := range []struct {
		name, value string
		among       []string
	}{
		{"publicNetworkAccess", p.PublicNetworkAccess, []string{"Enabled", "Disabled"}},
		{"createMode", p.CreateMode, []string{modeDefault, modeRecover}},
		{"dataPlaneProxy.authenticationMode", p.DataPlaneProxy.AuthenticationMode, []string{proxyLocal, proxyPassThrough}},
		{"dataPlaneProxy.privateLinkDelegation", p.DataPlaneProxy.PrivateLinkDelegation, []string{"Enabled", "Disabled"}},
	} {
		known := func(w string) bool { return strings.EqualFold(w, word.value) }
		if word.value != "" && !slices.ContainsFunc(word.among, known) {
			return badStore.New(fmt.Sprintf("The property %s has the invalid value '%.64s'. It must be %s.", word.name, word.value, strings.Join(word.among, " or ")))
		}
	}
	if p.EnablePurgeProtection && !t.production {
		return badStore.New("The property enablePurgeProtection cannot be true: stores of the " + t.name + " tier have no soft delete.")
	}
	return nil
}

// retention is for how many days the store is kept when it is deleted. It
// cannot be changed once it is set, nor purge protection be switched off
// (https://learn.microsoft.com/azure/azure-app-configuration/concept-soft-delete).
func (p properties) retention(t tier, recovers bool, old *arm.Resource) (int, error) {
	days := p.SoftDeleteRetentionInDays
	var before properties
	if old != nil {
		if err := old.Decode(&before); err != nil {
			return 0, err
		}
		was, err := tierOf(old)
		if err != nil {
			return 0, err
		}
		if was.production && !t.production {
			return 0, badStore.New("The store cannot be moved from the " + was.name + " to the " + t.name + " tier.")
		}
		if !was.production {
			before.SoftDeleteRetentionInDays = 0
		}
	}
	switch had := before.SoftDeleteRetentionInDays; {
	case before.EnablePurgeProtection && !p.EnablePurgeProtection:
		return 0, badStore.New("The property enablePurgeProtection cannot be set to false once it is true.")
	case !t.production && days != 0 && old == nil:
		return 0, badStore.New("The property softDeleteRetentionInDays must be 0: stores of the " + t.name + " tier have no soft delete.")
	case !t.production:
		return 0, nil
	case had != 0 && (days == had || recovers):
		return had, nil
	case had != 0:
		return 0, badStore.New("The property softDeleteRetentionInDays cannot be changed once it is set.")
	case days == 0:
		return defaultRetention, nil
	case days < 1 || days > defaultRetention:
		return 0, badStore.New(fmt.Sprintf("The property softDeleteRetentionInDays has the invalid value %d. It must be between 1 and %d.", days, defaultRetention))
	}
	return days, nil
}

// describeType words an error of decoding for a client.
func describeType(err error) string {
	var kind *json.UnmarshalTypeError
	if errors.As(err, &kind) && kind.Field != "" {
		return fmt.Sprintf("the value of '%s' is a %s, which is not expected there", kind.Field, kind.Value)
	}
	return "they are not an object of a store's members"
}

// storeOf is the data plane's view of a store.
func storeOf(r *arm.Resource) (*Store, error) {
	var p properties
	if err := r.Decode(&p); err != nil {
		return nil, err
	}
	var own private
	if err := json.Unmarshal(r.Private, &own); err != nil {
		return nil, err
	}
	t, err := tierOf(r)
	if err != nil {
		return nil, err
	}
	found := &Store{
		ID: r.ID, Name: r.Name, Location: r.Location, UID: own.UID,
		Network:     access.Network{PublicAccessDisabled: strings.EqualFold(p.PublicNetworkAccess, "Disabled")},
		localAuth:   !p.DisableLocalAuth,
		history:     7 * 24 * time.Hour,
		passThrough: strings.EqualFold(p.DataPlaneProxy.AuthenticationMode, proxyPassThrough),
		delegated:   strings.EqualFold(p.DataPlaneProxy.PrivateLinkDelegation, "Enabled"),
	}
	if t.production {
		found.history = 30 * 24 * time.Hour
	}
	for _, key := range own.Keys {
		secret, err := base64.StdEncoding.DecodeString(key.Value)
		if err != nil {
			return nil, fmt.Errorf("decoding access key %q of store %q: %w", key.Name, r.Name, err)
		}
		found.keys = append(found.keys, signingKey{id: key.ID, name: key.Name, secret: secret, readOnly: key.ReadOnly})
	}
	return found, nil
}
