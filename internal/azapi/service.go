package azapi

import (
	"context"
	"net/http"

	"github.com/aksess/aksess/internal/access"
	"github.com/aksess/aksess/internal/chain"
)

// Handler serves one operation after the pipeline admitted the request. A
// returned error is rendered in the service's dialect: a *fault.Error with its
// code and status, anything else as one internal error whose detail is only logged.
type Handler func(w http.ResponseWriter, r *Request) error

// Service describes one of Azure's hosts and what it serves.
type Service struct {
	Name      string   // "keyvault"; unique
	Hosts     []string // "login.microsoftonline.com", or "*.vault.azure.net" where the first label names the resource
	Dialect   Dialect  // how errors are written
	Version   Version  // where the api-version is
	Audiences []string // accepted token audiences, without trailing slash; "{host}" stands for https://HOST; none: every operation is Anonymous
	// Selectors are the query names that choose between operations of one path,
	// such as Storage's comp and restype. An operation matches only when each of
	// them has just the value that its Query says, or is absent.
	Selectors []string
	// NamesHosts: what the service answers and takes names other hosts, as
	// Resource Manager's endpoints do; for callers that use local names it is
	// translated whole, so answers are held back until they are complete.
	NamesHosts bool
	Operations []Operation

	// Target finds the resource that the request is for, before anything is
	// decided. nil for services whose scope is the path itself (Resource Manager).
	Target func(ctx context.Context, r *Request) (Target, error)
	// Refuse words a refusal as the real service does.
	Refuse func(r *Request, refusal Refusal) error
	// Decide replaces the decision by role where a service has another one,
	// such as a vault's access policies. nil decides by role.
	Decide func(r *Request, grants func() ([]access.Grant, error)) (access.Verdict, error)
	// Attributes says what conditions of role assignments can ask about a
	// request. nil for services whose requests have none.
	Attributes func(r *Request) access.Attributes
	// Schemes verify the credentials of further Authorization schemes, such as
	// SharedKey. A fault.Error that one returns reaches the client as it is by way of
	// Refuse; any other error is a failure of the service itself.
	Schemes map[string]Scheme
	// Query verifies a credential that a request without Authorization carries in
	// its query, such as a shared access signature. It is not ok when there is none.
	Query func(r *Request) (caller Caller, ok bool, err error)
	// Headers adds what every answer of the service carries, errors and 304 included.
	Headers func(h http.Header, r *Request)
	// OwnErrors renders errors instead of the dialect. nil for most.
	OwnErrors func(w http.ResponseWriter, r *Request, err error)
}

// Scheme verifies a credential of an Authorization scheme other than Bearer,
// after the target is known. A caller that proves to hold the target's own key
// is returned with Key set: it may do every operation that the firewall admits it to.
type Scheme func(r *Request, credential string) (Caller, error)

// Operation is one row of a service's table.
type Operation struct {
	Name   string // "GetSecret"; unique within the service
	Method string
	// Pattern is a path of literals and {parameters}. A literal compares without
	// case. "{name...}" as the first segment takes any prefix, as the last
	// segment any rest, each with its slashes.
	Pattern    string
	Query      map[string]string // values of the service's Selectors that choose this operation; "*" is any value but none
	Action     Action
	Permission string // the access policy permission, "secrets/get", where the service has policies
	// Scope is the ARM id that the decision is about. nil: the target's id; for
	// services without Target, the path.
	Scope func(r *Request) string
	// Attributes is what conditions can ask about a request of this operation,
	// instead of what the service says. It runs before the decision: what it
	// reads of the body it must leave to the handler.
	Attributes func(r *Request) access.Attributes
	MaxBody    int64 // bytes; 0 means 1 MiB
	Stream     bool  // the handler reads the body itself: MaxBody does not apply
	Handle     Handler
}

// Action is what an operation needs. The zero Action is an error at start.
type Action struct {
	name      string
	data      bool
	anonymous bool
	directory bool
	own       string
}

// Control is an action of the control plane: Actions of a role grant it.
func Control(name string) Action { return Action{name: name} }

// Data is a data action: only DataActions of a role grant it.
func Data(name string) Action { return Action{name: name, data: true} }

// Directory is a permission on the directory itself, such as
// "Directory.Read.All", which roles of Resource Manager do not grant: the
// service decides about it with its Decide.
func Directory(permission string) Action { return Action{name: permission, directory: true} }

// Anonymous is served to anyone, token or not. It must be said.
func Anonymous() Action { return Action{anonymous: true} }

// Authenticated is served to every caller with a valid token, for operations
// that Azure guards with nothing else, such as listing one's own subscriptions.
// The reason is required and shows in the table of operations.
func Authenticated(reason string) Action { return Action{own: reason} }

// IsAnonymous reports whether no token is asked for.
func (a Action) IsAnonymous() bool { return a.anonymous }

// Access returns the action that is decided about.
func (a Action) Access() access.Action { return access.Action{Name: a.name, Data: a.data} }

func (a Action) declared() bool { return a.name != "" || a.anonymous || a.own != "" }

// Target is the resource that a request is for.
type Target struct {
	ID       string // ARM id
	Name     string
	TenantID string
	Location string
	Network  access.Network
	Resource any // the service's own view of the resource
}

// Stage is where the pipeline refused.
type Stage int

// The stages that a service words itself.
const (
	StageNoToken     Stage = iota // no credential in the request
	StageBadToken                 // a credential that does not verify; Err says why
	StageAudience                 // a valid token for another resource
	StageFirewall                 // Verdict says why
	StageAccess                   // Verdict says why
	StageVersion                  // the api-version is missing or malformed
	StageNoOperation              // the host does not serve this method and path
)

// Refusal is what the pipeline knows when it refuses.
type Refusal struct {
	Stage   Stage
	Err     error          // for StageBadToken
	Verdict access.Verdict // for StageFirewall and StageAccess
	Allow   []string       // for StageNoOperation: methods that the path has
}

// Link is the link of the chain that a stage is about.
func (s Stage) Link() chain.Link {
	switch s {
	case StageFirewall:
		return chain.LinkFirewall
	case StageAccess:
		return chain.LinkAccess
	case StageNoToken, StageBadToken, StageAudience:
		return chain.LinkManagedIdentity
	default:
		return chain.LinkData
	}
}

// Version says where a service has its api-version and whether it must be there.
type Version int

// Places of an api-version.
const (
	VersionNone     Version = iota // the service has none
	VersionQuery                   // ?api-version=, required
	VersionHeader                  // x-ms-version, required with a bearer token
	VersionOptional                // ?api-version=, may be absent
)
