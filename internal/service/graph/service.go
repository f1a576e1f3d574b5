package graph

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/aksess/aksess/internal/access"
	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/chain"
	"github.com/aksess/aksess/internal/directory"
)

const (
	host     = "graph.microsoft.com"
	resource = "https://graph.microsoft.com"
	appID    = "00000003-0000-0000-c000-000000000000" // of Graph itself
	maxBody  = 256 << 10

	// ownPrincipal is the one object that every caller may read.
	ownPrincipal = "/servicePrincipals/{id}"
)

// Graph serves the directory.
type Graph struct {
	Directory *directory.Directory
	Now       func() time.Time
	NewID     func() string // GUIDs
}

// row is an operation of both versions of Graph.
type row struct {
	name, method, pattern string
	permission            string
	handle                azapi.Handler
}

func read(name, pattern string, handle azapi.Handler) row {
	return row{name, http.MethodGet, pattern, directory.ReadAll, handle}
}

// ask is a POST that changes nothing.
func ask(name, pattern string, handle azapi.Handler) row {
	return row{name, http.MethodPost, pattern, directory.ReadAll, handle}
}

func write(name, method, pattern string, handle azapi.Handler) row {
	return row{name, method, pattern, directory.ReadWriteAll, handle}
}

// Service is graph.microsoft.com, v1.0 and beta
// (https://learn.microsoft.com/graph/api/overview).
func (g *Graph) Service() *azapi.Service {
	service := &azapi.Service{
		Name: "graph", Hosts: []string{host}, Dialect: azapi.DialectARM, Version: azapi.VersionNone,
		Audiences: []string{resource, appID},
		Refuse:    refuse, Decide: g.decide, Headers: headers, OwnErrors: renderError,
	}
	for _, version := range []struct{ path, suffix string }{{"/v1.0", ""}, {"/beta", "Beta"}} {
		for _, r := range g.rows() {
			service.Operations = append(service.Operations, azapi.Operation{
				Name: r.name + version.suffix, Method: r.method, Pattern: version.path + r.pattern,
				Action: azapi.Directory(r.permission), MaxBody: maxBody, Handle: r.handle,
			})
		}
	}
	return service
}

// decide admits by the caller's permission on the directory: every user of a
// tenant reads it, applications need the permission, and writing needs it from
// both. A caller reads its own service principal without.
func (g *Graph) decide(r *azapi.Request, _ func() ([]access.Grant, error)) (access.Verdict, error) {
	need := r.Operation.Action.Access().Name
	held, user, err := g.held(r)
	if err != nil {
		return access.Verdict{}, err
	}
	for _, permission := range held {
		if permission == need || permission == directory.ReadWriteAll {
			return access.Verdict{Allowed: true, Link: chain.LinkAccess, By: "directory permission " + permission + " of " + r.Caller.ObjectID}, nil
		}
	}
	switch {
	case user && need == directory.ReadAll:
		return access.Verdict{Allowed: true, Link: chain.LinkAccess, By: "every user of a tenant may read its directory"}, nil
	case r.Method == http.MethodGet && strings.HasSuffix(r.Operation.Pattern, ownPrincipal) && strings.EqualFold(r.Param("id"), r.Caller.ObjectID):
		return access.Verdict{Allowed: true, Link: chain.LinkAccess, By: "a caller may read its own service principal"}, nil
	}
	looked := "no directory permission of " + r.Caller.ObjectID
	if len(held) > 0 {
		looked = "the directory permissions of " + r.Caller.ObjectID + ": " + strings.Join(held, ", ")
	}
	return access.Verdict{
		Link: chain.LinkAccess, Reason: access.ReasonPermission, Looked: looked,
		Nearest: "the operation needs " + need, Fix: "give the caller " + need,
	}, nil
}

// held returns the caller's permissions on the directory of its tenant, and
// whether it is a user.
func (g *Graph) held(r *azapi.Request) (permissions []string, user bool, err error) {
	object, err := g.Directory.Object(r.Context(), r.Caller.ObjectID)
	switch {
	case errors.Is(err, directory.ErrObjectNotFound):
		return nil, false, nil
	case err != nil:
		return nil, false, err
	case !strings.EqualFold(object.TenantID(), r.Caller.TenantID):
		return nil, false, nil
	case object.User != nil:
		return object.User.Directory, true, nil
	case object.Principal != nil:
		return object.Principal.Directory, false, nil
	}
	return nil, false, nil
}

// refuse words the pipeline's refusals as Graph does.
func refuse(r *azapi.Request, refusal azapi.Refusal) error {
	const challenge = `Bearer realm="", authorization_uri="https://login.microsoftonline.com/common/oauth2/authorize", client_id="` + appID + `"`
	switch refusal.Stage {
	case azapi.StageNoToken:
		return noToken.New().SetHeader("WWW-Authenticate", challenge)
	case azapi.StageBadToken:
		return badToken.New(refusal.Err).SetHeader("WWW-Authenticate", challenge+`, error="invalid_token"`)
	case azapi.StageAudience:
		return badAudience.New().SetHeader("WWW-Authenticate", challenge+`, error="invalid_token"`)
	case azapi.StageAccess:
		return denied.New()
	}
	if len(refusal.Allow) > 0 {
		return badMethod.New().SetHeader("Allow", strings.Join(refusal.Allow, ", "))
	}
	return noSegment.New(segment(r))
}

// segment is the first part of the path after the version, which is the one
// that a client most likely spelled wrong.
func segment(r *azapi.Request) string {
	_, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	first, _, _ := strings.Cut(rest, "/")
	return first
}

// headers adds the ids by which Microsoft finds a request.
func headers(h http.Header, r *azapi.Request) {
	h["Request-Id"] = []string{r.ID}
	h["Client-Request-Id"] = []string{clientRequestID(r)}
	h["Odata-Version"] = []string{"4.0"}
}

func clientRequestID(r *azapi.Request) string {
	if id := r.Header.Get("client-request-id"); chain.IsGUID(id) {
		return id
	}
	return r.ID
}

// errorBody is how Graph writes errors
// (https://learn.microsoft.com/graph/errors#error-resource-type).
type errorBody struct {
	Error struct {
		Code    string     `json:"code"`
		Message string     `json:"message"`
		Inner   innerError `json:"innerError"`
	} `json:"error"`
}

type innerError struct {
	Date            string `json:"date"`
	RequestID       string `json:"request-id"`
	ClientRequestID string `json:"client-request-id"`
}

func renderError(w http.ResponseWriter, r *azapi.Request, err error) {
	coded := azapi.Coded(err)
	for name, values := range coded.Header {
		w.Header()[name] = values
	}
	var body errorBody
	body.Error.Code, body.Error.Message = coded.Kind.Code, coded.Message
	body.Error.Inner = innerError{Date: r.Now.UTC().Format("2006-01-02T15:04:05"), RequestID: r.ID, ClientRequestID: clientRequestID(r)}
	_ = azapi.WriteJSON(w, coded.Kind.Status, body) // strings always encode
}
