package directory

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/aksess/aksess/internal/chain"
	"github.com/aksess/aksess/internal/store"
)

// Options is what a directory needs from outside. The zero Options is usable.
type Options struct {
	Now    func() time.Time // default time.Now
	NewID  func() string    // GUIDs; default random ones
	Random io.Reader        // for secrets, passwords and their salts; default crypto/rand
	// PasswordWork is how many iterations of PBKDF2 a password costs; default
	// DefaultPasswordWork. Tests take fewer.
	PasswordWork int
}

// Directory keeps tenants, principals, users and groups in a store. It is safe for concurrent use.
type Directory struct {
	options Options
	store   store.Store

	tenants    store.Collection[Tenant]
	domains    store.Collection[reference] // domain → tenant
	principals store.Collection[Principal] // by object id
	appIDs     store.Collection[reference] // tenant/client id → object id
	appObjects store.Collection[reference] // object id of the app registration → object id
	resources  store.Collection[reference] // resource id → object id
	users      store.Collection[User]      // by object id
	userNames  store.Collection[reference] // tenant/user principal name → object id
	groups     store.Collection[Group]     // by object id

	kinds   []string // all of the above but groups, for Generation
	cache   cache
	members memberships
	hashing chan struct{} // held while a password is digested
	mu      sync.Mutex
	writing map[string]bool // object ids of the identities whose federated credentials are being written
}

// reference is an index document.
type reference struct {
	To string `json:"to"`
}

// New returns the directory that is in the store.
func New(s store.Store, options Options) *Directory {
	if options.Now == nil {
		options.Now = time.Now
	}
	if options.Random == nil {
		options.Random = rand.Reader
	}
	if options.PasswordWork == 0 {
		options.PasswordWork = DefaultPasswordWork
	}
	if options.NewID == nil {
		options.NewID = randomID
	}
	d := &Directory{
		options:    options,
		store:      s,
		tenants:    store.Collection[Tenant]{Store: s, Kind: "directory.tenant"},
		domains:    store.Collection[reference]{Store: s, Kind: "directory.domain"},
		principals: store.Collection[Principal]{Store: s, Kind: "directory.principal"},
		appIDs:     store.Collection[reference]{Store: s, Kind: "directory.appid"},
		appObjects: store.Collection[reference]{Store: s, Kind: "directory.appobject"},
		resources:  store.Collection[reference]{Store: s, Kind: "directory.resource"},
		users:      store.Collection[User]{Store: s, Kind: "directory.user"},
		userNames:  store.Collection[reference]{Store: s, Kind: "directory.username"},
		groups:     store.Collection[Group]{Store: s, Kind: "directory.group"},
		hashing:    make(chan struct{}, 1),
		writing:    map[string]bool{},
	}
	d.kinds = []string{d.tenants.Kind, d.domains.Kind, d.principals.Kind, d.appIDs.Kind, d.appObjects.Kind, d.resources.Kind, d.users.Kind, d.userNames.Kind}
	return d
}

// randomID makes a random GUID (RFC 9562, version 4).
func randomID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails, see crypto/rand
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	h := hex.EncodeToString(b[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// now is in UTC and without what JSON would lose.
func (d *Directory) now() time.Time { return d.options.Now().UTC().Round(0) }

// fold is how ids and domains compare and are stored.
func fold(id string) string { return strings.ToLower(id) }

func appKey(tenantID, appID string) string { return fold(tenantID) + "/" + fold(appID) }

func resourceKey(resourceID string) (string, error) {
	id, err := chain.ParseID(resourceID)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if id.Name() == "" {
		return "", fmt.Errorf("%w: %q names no resource", ErrInvalid, resourceID)
	}
	return id.Key(), nil
}
