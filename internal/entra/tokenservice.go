package entra

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"runtime"
	"time"

	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/directory"
	"github.com/aksess/aksess/internal/issuer"
	"github.com/aksess/aksess/internal/jose"
	"github.com/aksess/aksess/internal/store"
)

// authority is the one host that documents name, whichever alias was asked.
const authority = "https://login.microsoftonline.com"

// aliases are the hosts of the public cloud's token service, the preferred one first.
var aliases = [...]string{"login.microsoftonline.com", "login.windows.net", "login.microsoft.com", "sts.windows.net"}

// Lifetimes of tokens and keys.
const (
	applicationLifetime = time.Hour
	identityLifetime    = 24 * time.Hour
	// backdate is how long before now a token says that it was issued, as
	// Entra's do, so that clocks which are slow accept it.
	backdate = 5 * time.Minute
	// leeway is by how much the clocks of an assertion's issuer may differ.
	leeway = 5 * time.Minute

	keyCacheAge = 24 * time.Hour // how long verifiers may keep the key set
	keyPeriod   = 30 * 24 * time.Hour
	keyLinger   = identityLifetime + backdate + time.Hour
)

// Defaults of Options.
const (
	DefaultQueue = 512
	DefaultReuse = 5 * time.Second
)

// Options configures the token service.
type Options struct {
	Directory *directory.Directory // who exists
	Keys      jose.KeySource       // the keys of assertions' issuers
	Store     store.Store          // for the signing keys
	Pool      *issuer.KeyPool      // where new signing keys come from
	Now       func() time.Time
	NewID     func() string // GUIDs
	Log       *slog.Logger
	Random    io.Reader     // for the opaque claims; nil means crypto/rand
	Signers   int           // signatures made at the same time; 0 means GOMAXPROCS
	Queue     int           // requests that wait for a signature before more are refused; 0 means DefaultQueue
	Reuse     time.Duration // for how long identical requests get the same token; 0 means DefaultReuse, negative never

	// Known returns what of a client is known to the token service already: what
	// was written to the directory takes its time on Azure. It must not change
	// what it is given. nil knows all.
	Known func(client *directory.Principal) *directory.Principal

	// DevicePage returns the address where DevicePage's handler is mounted for
	// browsers without the proxy, "" while there is none. nil means none.
	DevicePage func() string
}

// TokenService issues access tokens and verifies those that it issued. All
// methods are safe for concurrent use.
type TokenService struct {
	options       Options
	ring          *issuer.Ring
	signer        *signer
	authenticator *Authenticator
	pages         *pages

	sessions  store.Collection[session]
	devices   store.Collection[device]
	userCodes store.Collection[userCode]
	codes     store.Collection[authorizationCode]
	lockouts  store.Collection[lockout]
}

// New returns a token service. It makes no key yet: the first token waits for
// one, everything else is answered at once.
func New(o Options) *TokenService {
	if o.Random == nil {
		o.Random = rand.Reader
	}
	if o.Signers <= 0 {
		o.Signers = runtime.GOMAXPROCS(0)
	}
	if o.Queue <= 0 {
		o.Queue = DefaultQueue
	}
	if o.Reuse == 0 {
		o.Reuse = DefaultReuse
	}
	s := &TokenService{
		options:   o,
		pages:     newPages(),
		sessions:  store.Collection[session]{Store: o.Store, Kind: "entra.session"},
		devices:   store.Collection[device]{Store: o.Store, Kind: "entra.device"},
		userCodes: store.Collection[userCode]{Store: o.Store, Kind: "entra.usercode"},
		codes:     store.Collection[authorizationCode]{Store: o.Store, Kind: "entra.code"},
		lockouts:  store.Collection[lockout]{Store: o.Store, Kind: "entra.lockout"},
	}
	s.ring = issuer.NewRing(issuer.RingOptions{
		Store: o.Store, Kind: "entra.keys", Key: "signing", Pool: o.Pool, Now: o.Now,
		Overlap: keyCacheAge, Linger: keyLinger, Standby: true, Period: keyPeriod, Certify: certify,
	})
	s.signer = newSigner(s.ring, o)
	s.authenticator = newAuthenticator(s.ring, o)
	return s
}

// Ring returns the signing keys, for rotation and revocation.
func (s *TokenService) Ring() *issuer.Ring { return s.ring }

// Authenticator returns what verifies the access tokens that this service issued.
func (s *TokenService) Authenticator() *Authenticator { return s.authenticator }

// Signatures counts the access tokens that were signed since the start.
func (s *TokenService) Signatures() int64 { return s.signer.signatures.Load() }

// Service serves the token service's endpoints.
func (s *TokenService) Service() *azapi.Service {
	get := func(name, pattern string, handle azapi.Handler) azapi.Operation {
		return azapi.Operation{Name: name, Method: http.MethodGet, Pattern: pattern, Action: azapi.Anonymous(), Handle: handle}
	}
	post := func(name, pattern string, handle azapi.Handler) azapi.Operation {
		return azapi.Operation{Name: name, Method: http.MethodPost, Pattern: pattern, Action: azapi.Anonymous(), MaxBody: maxForm, Handle: handle}
	}
	device := func(show func(*visit)) func(*visit, string) { return func(v *visit, _ string) { show(v) } }
	return &azapi.Service{
		Name:       "entra",
		NamesHosts: true,
		Hosts:      aliases[:],
		Dialect:    azapi.DialectOAuth,
		Headers:    headers,
		OwnErrors:  renderError,
		Refuse:     refuse,
		Operations: []azapi.Operation{
			get("DiscoverInstance", "/common/discovery/instance", s.discoverInstance),
			get("GetConfiguration", "/{tenant}/.well-known/openid-configuration", s.configuration(version1)),
			get("GetConfigurationV2", "/{tenant}/v2.0/.well-known/openid-configuration", s.configuration(version2)),
			get("ListKeys", "/{tenant}/discovery/keys", s.keys(version1)),
			get("ListKeysV2", "/{tenant}/discovery/v2.0/keys", s.keys(version2)),
			post("GetToken", "/{tenant}/oauth2/token", s.token(version1)),
			post("GetTokenV2", "/{tenant}/oauth2/v2.0/token", s.token(version2)),
			post("GetDeviceCode", "/{tenant}/oauth2/devicecode", s.startDevice(version1)),
			post("GetDeviceCodeV2", "/{tenant}/oauth2/v2.0/devicecode", s.startDevice(version2)),
			get("ShowDevicePage", "/device", s.page(device(s.showDevice))),
			post("SubmitDevicePage", "/device", s.page(device(s.enterDevice))),
			get("ShowDevicePageOfTenant", "/{tenant}/oauth2/deviceauth", s.page(device(s.showDevice))),
			post("SubmitDevicePageOfTenant", "/{tenant}/oauth2/deviceauth", s.page(device(s.enterDevice))),
			get("Authorize", "/{tenant}/oauth2/authorize", s.page(s.showSignIn(version1))),
			post("SubmitSignIn", "/{tenant}/oauth2/authorize", s.page(s.submitSignIn(version1))),
			get("AuthorizeV2", "/{tenant}/oauth2/v2.0/authorize", s.page(s.showSignIn(version2))),
			post("SubmitSignInV2", "/{tenant}/oauth2/v2.0/authorize", s.page(s.submitSignIn(version2))),
			get("DiscoverUserRealm", "/{tenant}/userrealm/{user}", s.userRealm),
			get("Logout", "/{tenant}/oauth2/logout", s.page(s.showLogout)),
			get("LogoutV2", "/{tenant}/oauth2/v2.0/logout", s.page(s.showLogout)),
		},
	}
}

// version is that of an endpoint and of the tokens that it speaks of.
type version int

const (
	version1 version = 1
	version2 version = 2
)

// refuse words the refusals of the pipeline: there is no authentication before
// an operation, so what is left is a path or a method that is not served.
func refuse(r *azapi.Request, refusal azapi.Refusal) error {
	if len(refusal.Allow) > 0 {
		return onlyPOST.New(refusal.Allow[0], clip(r.Method)).SetHeader("Allow", refusal.Allow[0])
	}
	return noEndpoint.New(clip(r.URL.Path))
}

// tenant finds the tenant that a path names by GUID or domain.
func (s *TokenService) tenant(ctx context.Context, name string) (directory.Tenant, error) {
	if !isTenantName(name) {
		return directory.Tenant{}, badTenantName.New(clip(name))
	}
	tenant, err := s.options.Directory.Tenant(ctx, name)
	if errors.Is(err, directory.ErrTenantNotFound) {
		return directory.Tenant{}, unknownTenant.New(name)
	}
	return tenant, err
}
