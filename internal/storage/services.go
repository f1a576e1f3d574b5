package storage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aksess/aksess/internal/store"
)

// Settings are what one service of an account is set to, both by Resource
// Manager and by the service's own host. They are kept and shown.
type Settings struct {
	CORS            []CORSRule      `json:"cors,omitempty"`
	DeleteRetention DeleteRetention `json:"deleteRetention,omitzero"` // blobs only
	Logging         Logging         `json:"logging,omitzero"`
	HourMetrics     Metrics         `json:"hourMetrics,omitzero"`
	MinuteMetrics   Metrics         `json:"minuteMetrics,omitzero"`
	Website         Website         `json:"website,omitzero"` // blobs only
	DefaultVersion  string          `json:"defaultVersion,omitempty"`
	// Managed are the properties that only Resource Manager shows, as they were sent.
	Managed map[string]json.RawMessage `json:"managed,omitempty"`
	Changed time.Time                  `json:"changed,omitzero"`

	Version int64 `json:"-"` // 0 until something was set
}

// CORSRule is one rule of cross-origin requests.
type CORSRule struct {
	Origins, Methods, Headers, Exposed []string
	MaxAge                             int // seconds
}

// Retention is for how long something is kept.
type Retention struct {
	Enabled bool `json:"enabled,omitempty"`
	Days    int  `json:"days,omitempty"`
}

// DeleteRetention is for how long deleted blobs are kept.
type DeleteRetention struct {
	Retention
	AllowPermanentDelete bool `json:"allowPermanentDelete,omitempty"`
}

// Logging is what a service logs.
type Logging struct {
	Version   string    `json:"version,omitempty"`
	Delete    bool      `json:"delete,omitempty"`
	Read      bool      `json:"read,omitempty"`
	Write     bool      `json:"write,omitempty"`
	Retention Retention `json:"retention,omitzero"`
}

// Metrics is what a service counts.
type Metrics struct {
	Version     string    `json:"version,omitempty"`
	Enabled     bool      `json:"enabled,omitempty"`
	IncludeAPIs *bool     `json:"includeAPIs,omitempty"`
	Retention   Retention `json:"retention,omitzero"`
}

// Website is the static website of an account.
type Website struct {
	Enabled          bool   `json:"enabled,omitempty"`
	IndexDocument    string `json:"index,omitempty"`
	ErrorDocument404 string `json:"error404,omitempty"`
	DefaultIndexPath string `json:"defaultIndex,omitempty"`
}

// ServiceNames are the services of an account.
func ServiceNames() []string { return []string{"blob", "queue", "file", "table"} }

// Services keeps the settings of the services of all accounts.
type Services struct {
	config   Config
	settings store.Collection[Settings]
}

// NewServices returns the settings kept in the store of c.
func NewServices(c Config) *Services {
	return &Services{config: c, settings: store.Collection[Settings]{Store: c.Store, Kind: kindService}}
}

// Get returns the settings of a service: the zero ones until it was set.
func (s *Services) Get(ctx context.Context, account *Account, service string) (Settings, error) {
	item, err := s.settings.Get(ctx, account.UID+"/"+service)
	if errors.Is(err, store.ErrNotFound) {
		return Settings{}, nil
	}
	if err != nil {
		return Settings{}, fmt.Errorf("reading the settings of %s service of %q: %w", service, account.Name, err)
	}
	item.Value.Version = item.Version
	return item.Value, nil
}

// Put writes settings on the condition that what is there has their version;
// otherwise the error has store.ErrConflict in its chain.
func (s *Services) Put(ctx context.Context, account *Account, service string, settings Settings) (Settings, error) {
	condition := store.Absent()
	if settings.Version != 0 {
		condition = store.At(settings.Version)
	}
	settings.Changed = s.config.Now()
	version, err := s.settings.Put(ctx, account.UID+"/"+service, settings, condition)
	if err != nil {
		return settings, fmt.Errorf("writing the settings of %s service of %q: %w", service, account.Name, err)
	}
	settings.Version = version
	return settings, nil
}

// Update changes the settings of a service.
func (s *Services) Update(ctx context.Context, account *Account, service string, change func(*Settings) error) error {
	for {
		settings, err := s.Get(ctx, account, service)
		if err != nil {
			return err
		}
		if err := change(&settings); err != nil {
			return err
		}
		_, err = s.Put(ctx, account, service, settings)
		if !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
}

// DeleteAll forgets the settings of an account.
func (s *Services) DeleteAll(ctx context.Context, account *Account) error {
	for _, service := range ServiceNames() {
		if err := s.settings.Delete(ctx, account.UID+"/"+service, store.Always()); err != nil && !errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("deleting the settings of %s service of %q: %w", service, account.Name, err)
		}
	}
	return nil
}

// Valid reports whether a rule has origins, methods that exist and an age.
func (r CORSRule) Valid() bool {
	known := []string{"DELETE", "GET", "HEAD", "MERGE", "OPTIONS", "PATCH", "POST", "PUT"}
	for _, method := range r.Methods {
		if !slices.Contains(known, strings.ToUpper(method)) {
			return false
		}
	}
	return len(r.Origins) > 0 && len(r.Methods) > 0 && r.MaxAge >= 0
}
