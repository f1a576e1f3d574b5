package appconfig

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/aksess/aksess/internal/arm"
	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/directory"
	"github.com/aksess/aksess/internal/fault"
	"github.com/aksess/aksess/internal/store"
)

const (
	hostSuffix = ".azconfig.io"

	kindSetting  = "appconfig.setting"  // UID/key NUL label → setting
	kindRevision = "appconfig.revision" // UID/place → revision, newest first
	kindSnapshot = "appconfig.snapshot" // UID/name → snapshot
	kindKept     = "appconfig.kept"     // UID/snapshot's UID/key NUL label → kept

	actionRead   = TypeStore + "/keyValues/read"
	actionWrite  = TypeStore + "/keyValues/write"
	actionDelete = TypeStore + "/keyValues/delete"

	actionReadSnapshot    = TypeStore + "/snapshots/read"
	actionWriteSnapshot   = TypeStore + "/snapshots/write"
	actionArchiveSnapshot = TypeStore + "/snapshots/archive/action"

	typeSetting  = "application/vnd.microsoft.appconfig.kv+json; charset=utf-8"
	typeSettings = "application/vnd.microsoft.appconfig.kvset+json; charset=utf-8"
	typeKeys     = "application/vnd.microsoft.appconfig.keyset+json; charset=utf-8"
	typeLabels   = "application/vnd.microsoft.appconfig.labelset+json; charset=utf-8"

	typeSnapshot  = "application/vnd.microsoft.appconfig.snapshot+json; charset=utf-8"
	typeSnapshots = "application/vnd.microsoft.appconfig.snapshotset+json; charset=utf-8"

	// Clients send back the part before the semicolon. Reads here are always
	// consistent, so one constant says all there is to say.
	syncToken = "jtqGc1I4=MDoyOA==;sn=28"
)

// Settings keeps the settings of all stores.
type Settings struct {
	Store     store.Store
	Resources *arm.Resources
	Directory *directory.Directory
	TenantID  string // of the stores' own identities
	Now       func() time.Time
	NewID     func() string // GUIDs

	stores    *arm.View[*Store]
	settings  store.Collection[setting]
	revisions store.Collection[revision]
	snapshots store.Collection[snapshot]
	kept      store.Collection[kept]
}

// New returns the service. All exported fields of s are required.
func New(s Settings) *Settings {
	s.stores = arm.NewView(s.Resources, TypeStore, storeOf)
	s.settings = store.Collection[setting]{Store: s.Store, Kind: kindSetting}
	s.revisions = store.Collection[revision]{Store: s.Store, Kind: kindRevision}
	s.snapshots = store.Collection[snapshot]{Store: s.Store, Kind: kindSnapshot}
	s.kept = store.Collection[kept]{Store: s.Store, Kind: kindKept}
	return &s
}

// Service is the data plane under *.azconfig.io
// (https://learn.microsoft.com/azure/azure-app-configuration/rest-api-key-value).
func (s *Settings) Service() *azapi.Service {
	op := func(name, method, pattern, action string, handle azapi.Handler) azapi.Operation {
		return azapi.Operation{Name: name, Method: method, Pattern: pattern, Action: azapi.Data(action), MaxBody: maxBody, Handle: handle}
	}
	return &azapi.Service{
		Name:      "appconfig",
		Hosts:     []string{"*" + hostSuffix},
		Dialect:   azapi.DialectProblem,
		Version:   azapi.VersionQuery,
		Audiences: []string{"https://azconfig.io", "https://appconfig.azure.com", "{host}"},
		Operations: []azapi.Operation{
			op("GetKeyValues", http.MethodGet, "/kv", actionRead, s.list),
			op("CheckKeyValues", http.MethodHead, "/kv", actionRead, s.list),
			op("GetKeyValue", http.MethodGet, "/kv/{key...}", actionRead, s.get),
			op("CheckKeyValue", http.MethodHead, "/kv/{key...}", actionRead, s.get),
			op("PutKeyValue", http.MethodPut, "/kv/{key...}", actionWrite, s.put),
			op("DeleteKeyValue", http.MethodDelete, "/kv/{key...}", actionDelete, s.delete),
			op("PutLock", http.MethodPut, "/locks/{key...}", actionWrite, s.lock),
			op("DeleteLock", http.MethodDelete, "/locks/{key...}", actionWrite, s.unlock),
			op("GetKeys", http.MethodGet, "/keys", actionRead, s.listKeys),
			op("CheckKeys", http.MethodHead, "/keys", actionRead, s.listKeys),
			op("GetRevisions", http.MethodGet, "/revisions", actionRead, s.listRevisions),
			op("CheckRevisions", http.MethodHead, "/revisions", actionRead, s.listRevisions),
			op("GetSnapshots", http.MethodGet, "/snapshots", actionReadSnapshot, s.listSnapshots),
			op("CheckSnapshots", http.MethodHead, "/snapshots", actionReadSnapshot, s.listSnapshots),
			op("GetSnapshot", http.MethodGet, "/snapshots/{name}", actionReadSnapshot, s.getSnapshot),
			op("CheckSnapshot", http.MethodHead, "/snapshots/{name}", actionReadSnapshot, s.getSnapshot),
			op("CreateSnapshot", http.MethodPut, "/snapshots/{name}", actionWriteSnapshot, s.createSnapshot),
			op("UpdateSnapshot", http.MethodPatch, "/snapshots/{name}", actionArchiveSnapshot, s.changeSnapshot),
			op("GetOperation", http.MethodGet, "/operations", actionReadSnapshot, s.snapshotOperation),
			op("GetLabels", http.MethodGet, "/labels", actionRead, s.listLabels),
			op("CheckLabels", http.MethodHead, "/labels", actionRead, s.listLabels),
		},
		Target:  s.target,
		Refuse:  refuse,
		Schemes: map[string]azapi.Scheme{scheme: verify},
		Headers: func(h http.Header, _ *azapi.Request) { h.Set("Sync-Token", syncToken) },
	}
}

func (s *Settings) target(ctx context.Context, r *azapi.Request) (azapi.Target, error) {
	found, err := s.stores.Get(ctx, strings.TrimSuffix(r.Host, hostSuffix))
	if errors.Is(err, arm.ErrNotFound) {
		err := storeNotFound.New(r.ResourceName())
		return azapi.Target{}, problem(err, "Not Found", "", err.Message)
	}
	if err != nil {
		return azapi.Target{}, err
	}
	return azapi.Target{ID: found.ID, Name: found.Name, Location: found.Location, Network: found.Network, Resource: found}, nil
}

func storeFrom(r *azapi.Request) *Store { return r.Target.Resource.(*Store) }

// refuse words the pipeline's refusals as the store does.
func refuse(r *azapi.Request, refusal azapi.Refusal) error {
	p := r.Caller
	switch refusal.Stage {
	case azapi.StageNoToken:
		err := missingToken.New().SetHeader("WWW-Authenticate", "HMAC-SHA256, Bearer")
		return problem(err, "Unauthorized", "", err.Message)
	case azapi.StageBadToken:
		if coded := new(fault.Error); errors.As(refusal.Err, &coded) {
			return coded // of a signature
		}
		err := badToken.New(refusal.Err)
		err.SetHeader("WWW-Authenticate", `HMAC-SHA256, Bearer error="invalid_token", error_description="`+quoteSafe(err.Message)+`"`)
		return problem(err, "Unauthorized", "", err.Message)
	case azapi.StageAudience:
		err := badAudience.New(p.Audience)
		err.SetHeader("WWW-Authenticate", `HMAC-SHA256, Bearer error="invalid_token", error_description="`+quoteSafe(err.Message)+`"`)
		return problem(err, "Unauthorized", "", err.Message)
	case azapi.StageFirewall:
		err := byNetwork.New(r.Origin.Address)
		return problem(err, "Forbidden", "", err.Message)
	case azapi.StageAccess:
		err := forbidden.New(p.Name(), p.ObjectID, r.Operation.Action.Access().Name, r.Scope())
		return problem(err, "Forbidden", "", err.Message)
	case azapi.StageVersion:
		return invalid("api-version", "The api-version %.64q is missing or not well formed.", r.Version)
	}
	kind := notServed
	if len(refusal.Allow) > 0 {
		kind = methodNotAllowed
	}
	err := kind.New(r.Method, r.URL.Path)
	if len(refusal.Allow) > 0 {
		err.SetHeader("Allow", strings.Join(refusal.Allow, ", "))
	}
	return problem(err, http.StatusText(kind.Status), "", err.Message)
}

// quoteSafe keeps a text within the quotes of a header parameter.
func quoteSafe(text string) string {
	return strings.Map(func(c rune) rune {
		if c < ' ' || c > '~' || c == '"' || c == '\\' {
			return '\''
		}
		return c
	}, text)
}
