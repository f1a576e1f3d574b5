package azapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"strings"

	"github.com/aksess/aksess/internal/access"
	"github.com/aksess/aksess/internal/fault"
)

const defaultMaxBody = 1 << 20

// ServeHTTP runs one request through the pipeline.
func (s *Server) ServeHTTP(w http.ResponseWriter, httpRequest *http.Request) {
	start := s.config.Now()
	r := &Request{
		Request: httpRequest,
		ID:      s.config.NewID(),
		Host:    hostOf(httpRequest),
		Origin:  originOf(httpRequest),
		Now:     start,
		deps:    s,
	}
	recorder := &recorder{ResponseWriter: w}
	var translated *localWriter
	if r.local, r.Host = s.config.Local.of(httpRequest, r.Host); r.local != nil {
		translated = &localWriter{ResponseWriter: w, translation: r.local}
		if entry := s.lookup(r.Host); entry != nil {
			translated.bodies = entry.service.NamesHosts
		}
		recorder.ResponseWriter = translated
	}
	err := s.serve(recorder, r)
	if translated != nil && !recorder.broken {
		translated.flush()
	}
	event := s.event(r, recorder.status, err)
	event.Duration = s.config.Now().Sub(start)
	s.log(event)
	if s.config.Observe != nil {
		s.config.Observe(event)
	}
	if recorder.broken {
		// Half an answer must not look like a whole one: the connection is cut.
		panic(http.ErrAbortHandler)
	}
}

// serve admits and handles; it renders the error that it returns.
func (s *Server) serve(w *recorder, r *Request) (err error) {
	entry := s.lookup(r.Host)
	if entry == nil {
		http.Error(w, fmt.Sprintf("aksess serves no host %.260q", r.Host), http.StatusMisdirectedRequest)
		return fmt.Errorf("no service for host %q", r.Host)
	}
	r.Service = entry.service
	commonHeaders(w.Header(), r)
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
			s.config.Log.Error("handler panicked", "request", r.ID, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		}
		switch {
		case err != nil && !w.wrote:
			drain(r)
			renderError(w, r, err)
		case err != nil:
			w.broken = true
		}
	}()
	if err := s.admit(entry, w, r); err != nil {
		return err
	}
	r.canonicalBody() // read for nobody who was not admitted
	return s.handle(w, r)
}

// noSniff is shared: answers replace header values, they do not change them.
var noSniff = []string{"nosniff"}

func commonHeaders(h http.Header, r *Request) {
	h["X-Ms-Request-Id"] = []string{r.ID}
	h["X-Content-Type-Options"] = noSniff
	if id := r.Header.Get("x-ms-client-request-id"); id != "" && len(id) <= 1024 {
		h.Set("x-ms-client-request-id", id)
	}
}

// admit does everything between the host and the handler.
func (s *Server) admit(entry *served, w http.ResponseWriter, r *Request) error {
	var readable bool
	r.query, readable = parseQuery(r.URL.RawQuery)
	for i := range r.query {
		r.query[i].value = r.Canonical(r.query[i].value)
	}
	operation, found, allow := entry.table.find(r.Request, r.query)
	r.Operation, r.params = operation, found
	err := s.target(r)
	if r.Service.Headers != nil {
		r.Service.Headers(w.Header(), r) // some headers name the target
	}
	if err != nil {
		return err
	}
	if !readable {
		r.Operation = nil // what was not read may have named another one
		return badQuery.New()
	}
	if operation == nil || !operation.Action.anonymous {
		if len(entry.service.Audiences) > 0 {
			if err := s.authenticate(r); err != nil {
				return err
			}
		}
	}
	if operation == nil {
		return s.refuse(r, Refusal{Stage: StageNoOperation, Allow: allow})
	}
	if s.config.Disturb != nil {
		if err := s.config.Disturb(r); err != nil {
			return err
		}
	}
	if err := s.version(r); err != nil {
		return err
	}
	if !operation.Stream {
		limit := operation.MaxBody
		if limit == 0 {
			limit = defaultMaxBody
		}
		r.Body = http.MaxBytesReader(w, r.Body, limit)
	}
	if operation.Action.anonymous {
		return nil
	}
	return s.decide(r)
}

func (s *Server) target(r *Request) error {
	if r.Service.Target == nil {
		return nil
	}
	target, err := r.Service.Target(r.Context(), r)
	if err != nil {
		return err
	}
	r.Target = target
	return nil
}

func (s *Server) authenticate(r *Request) error {
	header := r.Header.Get("Authorization")
	if header == "" {
		return s.authenticateQuery(r)
	}
	scheme, token, _ := strings.Cut(header, " ")
	for name, verify := range r.Service.Schemes {
		if strings.EqualFold(scheme, name) {
			return s.authenticateOther(r, verify, token)
		}
	}
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return s.refuse(r, Refusal{Stage: StageBadToken, Err: fmt.Errorf("the authorization scheme %.20q is not served, Bearer is", scheme)})
	}
	caller, err := s.config.Authenticator.Authenticate(r.Context(), strings.TrimSpace(token))
	if err != nil {
		return s.refuse(r, Refusal{Stage: StageBadToken, Err: err})
	}
	r.Caller = caller
	if !audienceAccepted(r.Service.Audiences, r.Host, caller.Audience) {
		return s.refuse(r, Refusal{Stage: StageAudience})
	}
	return nil
}

// authenticateOther lets a service verify a credential of its own scheme.
func (s *Server) authenticateOther(r *Request, verify Scheme, credential string) error {
	caller, err := verify(r, strings.TrimSpace(credential))
	if err != nil {
		return s.refuseCredential(r, err)
	}
	r.Caller = caller
	return nil
}

// authenticateQuery lets a service verify a credential of the query.
func (s *Server) authenticateQuery(r *Request) error {
	if r.Service.Query == nil {
		return s.refuse(r, Refusal{Stage: StageNoToken})
	}
	caller, ok, err := r.Service.Query(r)
	switch {
	case err != nil:
		return s.refuseCredential(r, err)
	case !ok:
		return s.refuse(r, Refusal{Stage: StageNoToken})
	}
	r.Caller = caller
	return nil
}

// refuseCredential refuses a credential that a service found wrong. What is not
// coded is no refusal but a failure, whose text is not for the client.
func (s *Server) refuseCredential(r *Request, err error) error {
	var coded *fault.Error
	if !errors.As(err, &coded) {
		return fmt.Errorf("checking a credential: %w", err)
	}
	return s.refuse(r, Refusal{Stage: StageBadToken, Err: err})
}

// audienceAccepted compares without a trailing slash; "{host}" stands for https://HOST.
func audienceAccepted(accepted []string, host, audience string) bool {
	audience = strings.TrimSuffix(audience, "/")
	for _, want := range accepted {
		if want == "{host}" {
			want = "https://" + host
		}
		if audience == want {
			return true
		}
	}
	return false
}

// version accepts any well-formed api-version: a newer SDK must not be refused.
func (s *Server) version(r *Request) error {
	var required bool
	switch r.Service.Version {
	case VersionNone:
		return nil
	case VersionHeader:
		r.Version = r.Header.Get("x-ms-version")
	default:
		r.Version = r.Query("api-version")
		required = r.Service.Version == VersionQuery
	}
	if r.Version == "" && (!required || r.Operation.Action.anonymous) {
		return nil
	}
	if !wellFormed(r.Version) {
		return s.refuse(r, Refusal{Stage: StageVersion})
	}
	return nil
}

func (s *Server) decide(r *Request) error {
	if s.config.SubnetOf != nil {
		r.Origin.SubnetID, r.Origin.Endpoints = s.config.SubnetOf(r.Origin)
	}
	if r.Service.Target != nil {
		if verdict := access.Admit(r.Origin, r.Target.Network); !verdict.Allowed {
			r.Verdict = verdict
			return s.refuse(r, Refusal{Stage: StageFirewall, Verdict: verdict})
		}
	}
	if r.Caller.Key != "" {
		r.Verdict = access.Verdict{Allowed: true, By: "key " + r.Caller.Key + " of " + r.Target.ID}
		return nil
	}
	if r.Operation.Action.own != "" {
		r.Verdict = access.Verdict{Allowed: true, By: r.Operation.Action.own}
		return nil
	}
	verdict, err := s.verdict(r)
	if err != nil {
		return err
	}
	r.Verdict = verdict
	if !verdict.Allowed {
		return s.refuse(r, Refusal{Stage: StageAccess, Verdict: verdict})
	}
	return nil
}

func (s *Server) verdict(r *Request) (access.Verdict, error) {
	grants := func() ([]access.Grant, error) { return s.config.Grants.Grants(r.Context(), r.Caller.Principal) }
	if r.Service.Decide != nil {
		return r.Service.Decide(r, grants)
	}
	held, err := grants()
	if err != nil {
		return access.Verdict{}, err
	}
	return r.DecideRole(r.Operation.Action, held), nil
}

// Allowed decides about a further action of the same caller, for operations
// whose need depends on the body, such as a role assignment's scope.
func (r *Request) Allowed(ctx context.Context, action Action, scope string) (access.Verdict, error) {
	held, err := r.deps.config.Grants.Grants(ctx, r.Caller.Principal)
	if err != nil {
		return access.Verdict{}, err
	}
	return access.DecideRole(r.Caller.Principal, action.Access(), scope, held, r.attributes()), nil
}

// DecideRole decides by role about an action at the request's scope, with the
// attributes that the service knows of the request.
func (r *Request) DecideRole(action Action, held []access.Grant) access.Verdict {
	return access.DecideRole(r.Caller.Principal, action.Access(), r.Scope(), held, r.attributes())
}

func (r *Request) attributes() access.Attributes {
	switch {
	case r.Operation != nil && r.Operation.Attributes != nil:
		return r.Operation.Attributes(r)
	case r.Service != nil && r.Service.Attributes != nil:
		return r.Service.Attributes(r)
	default:
		return access.Attributes{}
	}
}

// Scope is the ARM id that the operation is decided at.
func (r *Request) Scope() string {
	if r.scope != "" {
		return r.scope
	}
	switch {
	case r.Operation != nil && r.Operation.Scope != nil:
		r.scope = r.Operation.Scope(r)
	case r.Service.Target != nil:
		r.scope = r.Target.ID
	default:
		r.scope = strings.TrimSuffix(r.URL.Path, "/")
	}
	return r.scope
}

func (s *Server) refuse(r *Request, refusal Refusal) error {
	if r.Service.Refuse == nil {
		return noOperation.New(r.Method, r.URL.Path)
	}
	err := r.Service.Refuse(r, refusal)
	var coded *fault.Error
	if errors.As(err, &coded) && coded.Explain == "" && refusal.Verdict.Nearest != "" {
		coded.Explain = refusal.Verdict.Nearest
	}
	return err
}
