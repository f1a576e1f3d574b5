package storageaccount

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/aksess/aksess/internal/arm"
	"github.com/aksess/aksess/internal/storage"
	"github.com/aksess/aksess/internal/store"
)

// serviceType is the type of one of the services of an account. There is only
// "default", which exists with the account. Its settings are storage's, where
// the service's own host sets and shows the same ones.
func (p *provider) serviceType(service string) *arm.Type {
	return &arm.Type{
		Name:    storage.TypeAccount + "/" + service + "Services",
		Proxy:   true,
		NoPatch: true,
		ValidName: func(name string) error {
			if !strings.EqualFold(name, "default") {
				return badProperties.New(name[:min(len(name), 60)], "name")
			}
			return nil
		},
		Storage: &arm.Storage{
			Get: func(ctx context.Context, account *arm.Resource, name string) (*arm.Resource, error) {
				if !strings.EqualFold(name, "default") {
					return nil, arm.ErrNotFound
				}
				return p.getService(ctx, account, service)
			},
			List: func(ctx context.Context, account *arm.Resource) ([]*arm.Resource, error) {
				one, err := p.getService(ctx, account, service)
				return []*arm.Resource{one}, err
			},
			Put: func(ctx context.Context, account *arm.Resource, c arm.Change) error {
				return p.putService(ctx, account, service, c)
			},
			Delete: func(context.Context, *arm.Resource, *arm.Resource) error {
				return serviceStays.New(service + "Services")
			},
		},
	}
}

// lifecycleType is the lifecycle policy that no account has: clients that ask
// for it are told so, and none is taken that would not be carried out.
func lifecycleType() *arm.Type {
	return &arm.Type{
		Name: storage.TypeAccount + "/managementPolicies", Proxy: true, NoPatch: true,
		Storage: &arm.Storage{
			Get:  func(context.Context, *arm.Resource, string) (*arm.Resource, error) { return nil, arm.ErrNotFound },
			List: func(context.Context, *arm.Resource) ([]*arm.Resource, error) { return nil, nil },
			Put: func(_ context.Context, account *arm.Resource, _ arm.Change) error {
				return notServed.New("managementPolicies", account.ID)
			},
			Delete: func(context.Context, *arm.Resource, *arm.Resource) error { return arm.ErrNotFound },
		},
	}
}

// getService: https://learn.microsoft.com/rest/api/storagerp/blob-services/get-service-properties
func (p *provider) getService(ctx context.Context, resource *arm.Resource, service string) (*arm.Resource, error) {
	account, err := accountOf(resource)
	if err != nil {
		return nil, err
	}
	settings, err := p.services.Get(ctx, account, service)
	if err != nil {
		return nil, err
	}
	return serviceOf(resource, service, settings)
}

// serviceOf makes a service from its account and settings.
func serviceOf(account *arm.Resource, service string, settings storage.Settings) (*arm.Resource, error) {
	shown := &arm.Resource{Name: "default", SKU: account.SKU, Created: account.Created, Changed: account.Created, Version: settings.Version}
	if settings.Version != 0 {
		shown.Changed = settings.Changed
	}
	members := assumed(service)
	for name, value := range settings.Managed {
		members[name] = value
	}
	members["cors"] = corsOf(settings.CORS)
	if service == "blob" {
		members["deleteRetentionPolicy"] = retentionPolicy{
			Enabled: settings.DeleteRetention.Enabled, Days: settings.DeleteRetention.Days, AllowPermanentDelete: &settings.DeleteRetention.AllowPermanentDelete,
		}
		if settings.DefaultVersion != "" {
			members["defaultServiceVersion"] = settings.DefaultVersion
		}
	}
	return shown, shown.SetProperties(members)
}

// assumed are the properties of a service that nobody set. Terraform's provider
// reads those of files with every account.
func assumed(service string) map[string]any {
	if service != "file" {
		return map[string]any{}
	}
	return map[string]any{
		"protocolSettings":           map[string]any{"smb": map[string]any{}},
		"shareDeleteRetentionPolicy": map[string]any{"enabled": true, "days": 7},
	}
}

// retentionPolicy is for how long deleted blobs, containers or shares are kept.
type retentionPolicy struct {
	Enabled              bool  `json:"enabled"`
	Days                 int   `json:"days,omitempty"`
	AllowPermanentDelete *bool `json:"allowPermanentDelete,omitempty"`
}

func (r *retentionPolicy) check(name string) error {
	if r != nil && r.Enabled && (r.Days < 1 || r.Days > 365) {
		return badProperties.New(jsonText(r.Days), name+".days")
	}
	return nil
}

type corsRules struct {
	Rules []corsRule `json:"corsRules"`
}

type corsRule struct {
	Origins []string `json:"allowedOrigins"`
	Methods []string `json:"allowedMethods"`
	Headers []string `json:"allowedHeaders"`
	Exposed []string `json:"exposedHeaders"`
	MaxAge  int      `json:"maxAgeInSeconds"`
}

func corsOf(rules []storage.CORSRule) corsRules {
	shown := corsRules{Rules: []corsRule{}}
	for _, r := range rules {
		shown.Rules = append(shown.Rules, corsRule{list(r.Origins), list(r.Methods), list(r.Headers), list(r.Exposed), r.MaxAge})
	}
	return shown
}

// list is never null in JSON.
func list(all []string) []string { return append([]string{}, all...) }

// putService keeps the settings of a service
// (https://learn.microsoft.com/rest/api/storagerp/blob-services/set-service-properties).
func (p *provider) putService(ctx context.Context, resource *arm.Resource, service string, c arm.Change) error {
	account, err := accountOf(resource)
	if err != nil {
		return err
	}
	settings, err := p.services.Get(ctx, account, service)
	if err != nil {
		return err
	}
	if settings.Version != c.New.Version {
		return store.ErrConflict
	}
	if err := applySettings(&settings, service, c.New); err != nil {
		return err
	}
	written, err := p.services.Put(ctx, account, service, settings)
	if err != nil {
		return err
	}
	shown, err := serviceOf(resource, service, written)
	if err != nil {
		return err
	}
	c.New.Properties, c.New.Version, c.New.Changed, c.New.SKU = shown.Properties, shown.Version, shown.Changed, shown.SKU
	return nil
}

// applySettings takes the properties of r, which are those that were there with
// those that were sent.
func applySettings(s *storage.Settings, service string, r *arm.Resource) error {
	var known struct {
		CORS                *corsRules       `json:"cors"`
		DeleteRetention     *retentionPolicy `json:"deleteRetentionPolicy"`
		ContainerRetention  *retentionPolicy `json:"containerDeleteRetentionPolicy"`
		ShareRetention      *retentionPolicy `json:"shareDeleteRetentionPolicy"`
		RestorePolicy       *retentionPolicy `json:"restorePolicy"`
		DefaultVersion      string           `json:"defaultServiceVersion"`
		IsVersioningEnabled bool             `json:"isVersioningEnabled"`
		ChangeFeed          *struct {
			Enabled bool `json:"enabled"`
		} `json:"changeFeed"`
	}
	if err := decodeProperties(r, &known); err != nil {
		return err
	}
	for name, policy := range map[string]*retentionPolicy{
		"deleteRetentionPolicy": known.DeleteRetention, "containerDeleteRetentionPolicy": known.ContainerRetention,
		"shareDeleteRetentionPolicy": known.ShareRetention, "restorePolicy": known.RestorePolicy,
	} {
		if err := policy.check(name); err != nil {
			return err
		}
	}
	managed := map[string]json.RawMessage{}
	if err := decodeProperties(r, &managed); err != nil {
		return err
	}
	delete(managed, "cors")
	if service == "blob" {
		s.DeleteRetention, s.DefaultVersion = storage.DeleteRetention{}, known.DefaultVersion
		if kept := known.DeleteRetention; kept != nil {
			s.DeleteRetention.AllowPermanentDelete = kept.AllowPermanentDelete != nil && *kept.AllowPermanentDelete
			if kept.Enabled {
				s.DeleteRetention.Retention = storage.Retention{Enabled: true, Days: kept.Days}
			}
		}
		delete(managed, "deleteRetentionPolicy")
		delete(managed, "defaultServiceVersion")
	}
	maps.DeleteFunc(managed, func(_ string, value json.RawMessage) bool { return string(value) == "null" })
	s.Managed = managed
	return applyCORS(s, known.CORS)
}

func applyCORS(s *storage.Settings, sent *corsRules) error {
	s.CORS = nil
	if sent == nil {
		return nil
	}
	if len(sent.Rules) > 5 {
		return badProperties.New(jsonText(len(sent.Rules))+" rules", "cors.corsRules")
	}
	for _, r := range sent.Rules {
		rule := storage.CORSRule{Origins: r.Origins, Methods: r.Methods, Headers: r.Headers, Exposed: r.Exposed, MaxAge: r.MaxAge}
		if !rule.Valid() {
			return badProperties.New(strings.Join(slices.Concat(r.Origins, r.Methods), ","), "cors.corsRules")
		}
		s.CORS = append(s.CORS, rule)
	}
	return nil
}

// decodeProperties refuses properties of another JSON type than into has.
func decodeProperties(r *arm.Resource, into any) error {
	err := r.Decode(into)
	var kind *json.UnmarshalTypeError
	if errors.As(err, &kind) {
		return badProperties.New(kind.Value, "properties."+kind.Field)
	}
	if err != nil {
		return badProperties.New("", "properties")
	}
	return nil
}

func jsonText(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return string(text)
}
