package azapi

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/aksess/aksess/internal/access"
)

// Authenticator verifies a bearer token and returns who it names. An error's
// text is safe to show; audience and scheme are not its business.
type Authenticator interface {
	Authenticate(ctx context.Context, token string) (Caller, error)
}

// Grants returns the role assignments of a principal; access.Book does.
type Grants interface {
	Grants(ctx context.Context, p access.Principal) ([]access.Grant, error)
}

// Event is one served request, for the trail: who asked for what, and why it
// was admitted or refused. It holds no token, secret or body.
type Event struct {
	Time      time.Time
	RequestID string
	Service   string
	Operation string
	Method    string
	Host      string
	Path      string
	Caller    Caller
	Origin    access.Origin
	Scope     string
	Action    string
	Verdict   access.Verdict
	Status    int
	Err       error // the refusal, nil when served
	Duration  time.Duration
}

// Config is what the pipeline needs from outside.
type Config struct {
	Authenticator Authenticator
	Grants        Grants
	Roles         func() []access.RoleDefinition // built-in roles: an action that none grants is an error at start
	Now           func() time.Time
	NewID         func() string // request ids, GUIDs
	Log           *slog.Logger
	Observe       func(Event) // called after each request; nil for none
	// Local are the names that callers without the proxy use; nil for none.
	Local *Local
	// Disturb makes a failure of the real service happen: its error, a coded one,
	// is the answer to a request whose caller and operation are known. nil for none.
	Disturb func(r *Request) error
	// Principals returns the groups that a principal is in now, and whether it is
	// there, for credentials that name one and are no tokens. nil: all are there,
	// in no group.
	Principals func(ctx context.Context, objectID string) (groups []string, found bool, err error)
	// SubnetOf names the virtual network's subnet that an address belongs to, and
	// the services that it has endpoints for; nil knows none.
	SubnetOf func(origin access.Origin) (id string, endpoints []string)
}

// Server serves a list of services by host name.
type Server struct {
	config   Config
	exact    map[string]*served
	wildcard map[string]*served // by suffix with its leading dot
	large    chan struct{}      // held while a large body is handled
}

type served struct {
	service *Service
	table   *table
}

// New checks the services and returns their server. It fails on an operation
// without an action, a pattern that is there twice, an action that no built-in
// role grants, or a host that two services claim.
func New(services []*Service, config Config) (*Server, error) {
	server := &Server{config: config, exact: map[string]*served{}, wildcard: map[string]*served{}, large: make(chan struct{}, 1)}
	names := map[string]bool{}
	for _, service := range services {
		if names[service.Name] {
			return nil, fmt.Errorf("service %s is there twice", service.Name)
		}
		names[service.Name] = true
		if err := check(service, config.Roles()); err != nil {
			return nil, fmt.Errorf("service %s: %w", service.Name, err)
		}
		t, err := newTable(service)
		if err != nil {
			return nil, fmt.Errorf("service %s: %w", service.Name, err)
		}
		if err := server.claim(&served{service: service, table: t}); err != nil {
			return nil, err
		}
	}
	return server, nil
}

func (s *Server) claim(entry *served) error {
	for _, host := range entry.service.Hosts {
		hosts, key := s.exact, host
		if suffix, ok := strings.CutPrefix(host, "*"); ok {
			hosts, key = s.wildcard, suffix
		}
		if other, taken := hosts[key]; taken {
			return fmt.Errorf("host %s is claimed by %s and %s", host, other.service.Name, entry.service.Name)
		}
		hosts[key] = entry
	}
	return nil
}

// check refuses a table that would leave a hole.
func check(service *Service, roles []access.RoleDefinition) error {
	names := map[string]bool{}
	for i := range service.Operations {
		operation := &service.Operations[i]
		switch {
		case operation.Name == "" || operation.Method == "" || operation.Handle == nil:
			return fmt.Errorf("operation %q %s %s lacks a name, a method or a handler", operation.Name, operation.Method, operation.Pattern)
		case names[operation.Name]:
			return fmt.Errorf("operation %s is there twice", operation.Name)
		case !operation.Action.declared():
			return fmt.Errorf("operation %s declares no action", operation.Name)
		case !operation.Action.anonymous && service.Refuse == nil:
			return fmt.Errorf("operation %s needs an action but the service words no refusal", operation.Name)
		case !operation.Action.anonymous && len(service.Audiences) == 0:
			return fmt.Errorf("operation %s needs a token but the service names no audience", operation.Name)
		case operation.Action.directory && service.Decide == nil:
			return fmt.Errorf("operation %s: nothing decides about %s", operation.Name, operation.Action.name)
		case operation.Action.name != "" && !operation.Action.directory && !grantable(operation.Action.Access(), roles):
			return fmt.Errorf("operation %s: no built-in role grants %s", operation.Name, operation.Action.name)
		}
		names[operation.Name] = true
	}
	return nil
}

func grantable(action access.Action, roles []access.RoleDefinition) bool {
	return slices.ContainsFunc(roles, func(role access.RoleDefinition) bool { return role.Grants(action) })
}

// Hosts returns the host patterns that the server answers, for the gateway.
func (s *Server) Hosts() []string {
	var hosts []string
	for host := range s.exact {
		hosts = append(hosts, host)
	}
	for suffix := range s.wildcard {
		hosts = append(hosts, "*"+suffix)
	}
	return hosts
}

// Serves reports whether a host name (without port) belongs to a service.
func (s *Server) Serves(host string) bool { return s.lookup(strings.ToLower(host)) != nil }

func (s *Server) lookup(host string) *served {
	if entry := s.exact[host]; entry != nil {
		return entry
	}
	for rest := host; ; {
		dot := strings.IndexByte(rest, '.')
		if dot < 0 {
			return nil
		}
		if entry := s.wildcard[rest[dot:]]; entry != nil {
			return entry
		}
		rest = rest[dot+1:]
	}
}

func hostOf(r *http.Request) string {
	host := strings.ToLower(r.Host)
	if colon := strings.LastIndexByte(host, ':'); colon >= 0 && !strings.HasSuffix(host, "]") {
		host = host[:colon]
	}
	return strings.TrimSuffix(host, ".")
}
