package app

import (
	"crypto/x509"
	"log/slog"
	"net/netip"
	"time"

	"github.com/aksess/aksess/internal/azapi"
)

// Config is everything that can be chosen about a local Azure. The zero value
// works: ephemeral, on a free loopback port.
type Config struct {
	Dir            string // folder of the state; "" keeps it in memory and forgets it
	Listen         string // host:port; "" is 127.0.0.1 and a free port
	AllowRemote    bool   // permits listening on an address that other machines reach
	TenantID       string // of a new state; "" makes one
	SubscriptionID string // of a new state; "" makes one

	ClientAddress netip.Addr // what a caller on this machine is seen to come from; 203.0.113.10 when zero
	Passthrough   bool       // lets hosts that are not Azure's through to the network

	AllowPrivateIssuers bool           // issuers on loopback and private addresses may be fetched
	IssuerCAs           *x509.CertPool // trusted for issuers, in addition to the system's

	// MachineIdentities are the managed identities of the machine, for programs that ask
	// its metadata service for tokens: client ids, object ids or resource ids. They
	// are looked up at each request, so that they may be created later.
	MachineIdentities []string

	// AcceptUnknown stores resources of types that are not served as they are sent.
	AcceptUnknown bool

	// Faults are failures of the real Azure that happen on demand, such as
	// "throttle=keyvault:3:5"; see FaultForms.
	Faults []string

	Clusters Clusters // what is behind managed clusters; issuers only when zero

	Now     func() time.Time  // time.Now when nil
	NewID   func() string     // random GUIDs when nil
	Log     *slog.Logger      // discards when nil
	Observe func(azapi.Event) // told of each request, when not nil
}

// Deployer is the principal that sets resources up: Owner of the subscription.
type Deployer struct {
	ClientID     string `json:"clientId"`
	ClientSecret string `json:"clientSecret"` // a secret: never log it
	ObjectID     string `json:"objectId"`
}

// User is the person who may do what the deployer may, for az login and the
// like: Owner of the subscription, and of the directory.
type User struct {
	Name     string `json:"name"` // user principal name
	ObjectID string `json:"objectId"`
	Password string `json:"-"` // a secret: never log it; in SecretFile, not in the state
}

// Account is what a client has to know to talk to this local Azure.
type Account struct {
	TenantID       string   `json:"tenantId"`
	SubscriptionID string   `json:"subscriptionId"`
	Deployer       Deployer `json:"deployer"`
	User           User     `json:"user"`
}
