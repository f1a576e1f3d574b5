package containerservice

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/chain"
	"github.com/aksess/aksess/internal/directory"
	"github.com/aksess/aksess/internal/issuer"
	"github.com/aksess/aksess/internal/store"
)

// Service is the API server of clusters with the issuer-only driver, under
// *.azmk8s.io. Its tokens are the cluster's own and not Entra's, so the
// pipeline admits everyone and each handler asks for the cluster's token.
func (s *Clusters) Service() *azapi.Service {
	op := func(name, method, pattern string, handle func(http.ResponseWriter, *azapi.Request, host) error) azapi.Operation {
		return azapi.Operation{Name: name, Method: method, Pattern: pattern, Action: azapi.Anonymous(), Handle: s.authenticated(handle)}
	}
	refused := func(_ http.ResponseWriter, r *azapi.Request, _ host) error {
		return issuerOnly.New(r.Method, r.URL.Path)
	}
	operations := []azapi.Operation{
		op("GetVersion", http.MethodGet, "/version", getVersion),
		op("GetServiceAccount", http.MethodGet, "/api/v1/namespaces/{namespace}/serviceaccounts/{name}", s.getServiceAccount),
		op("CreateToken", http.MethodPost, "/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token", s.createToken),
	}
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		operations = append(operations, op("Other"+method, method, "/{path...}", refused))
	}
	return &azapi.Service{
		Name: "apiserver", Hosts: []string{"*.azmk8s.io"}, Operations: operations, OwnErrors: renderStatus,
	}
}

// authenticated serves a handler to holders of the cluster's token only.
func (s *Clusters) authenticated(handle func(http.ResponseWriter, *azapi.Request, host) error) azapi.Handler {
	return func(w http.ResponseWriter, r *azapi.Request) error {
		if s.Driver != nil {
			return clusterNotFound.New(r.Host) // its API server is elsewhere
		}
		item, err := s.hosts.Get(r.Context(), r.Host)
		if errors.Is(err, store.ErrNotFound) {
			return clusterNotFound.New(r.Host)
		}
		if err != nil {
			return err
		}
		scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		if !strings.EqualFold(scheme, "Bearer") || subtle.ConstantTimeCompare([]byte(token), []byte(item.Value.Token)) != 1 {
			return unauthorized.New()
		}
		return handle(w, r, item.Value)
	}
}

// status is Kubernetes' error object
// (https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/).
type status struct {
	Kind       string   `json:"kind"`
	APIVersion string   `json:"apiVersion"`
	Metadata   struct{} `json:"metadata"`
	Status     string   `json:"status"`
	Message    string   `json:"message"`
	Reason     string   `json:"reason"`
	Code       int      `json:"code"`
}

func renderStatus(w http.ResponseWriter, _ *azapi.Request, err error) {
	coded := azapi.Coded(err)
	_ = azapi.WriteJSON(w, coded.Kind.Status, status{
		Kind: "Status", APIVersion: "v1", Status: "Failure", Message: coded.Message, Reason: coded.Kind.Code, Code: coded.Kind.Status,
	})
}

func getVersion(w http.ResponseWriter, _ *azapi.Request, h host) error {
	major, rest, _ := strings.Cut(h.Version, ".")
	minor, _, _ := strings.Cut(rest, ".")
	return azapi.WriteJSON(w, http.StatusOK, map[string]string{"major": major, "minor": minor, "gitVersion": "v" + h.Version, "platform": "linux/amd64"})
}

// getServiceAccount answers the service account that a token would be for. The
// driver keeps none: the annotations say which identity trusts its tokens.
func (s *Clusters) getServiceAccount(w http.ResponseWriter, r *azapi.Request, h host) error {
	subject, err := subjectOf(r)
	if err != nil {
		return err
	}
	from, err := s.Issuers.Get(r.Context(), h.IssuerID)
	if errors.Is(err, issuer.ErrNotFound) {
		return clusterNotFound.New(r.Host) // deleted at this moment
	}
	if err != nil {
		return err
	}
	annotations, err := s.annotations(r.Context(), from, subject)
	if err != nil {
		return err
	}
	return azapi.WriteJSON(w, http.StatusOK, map[string]any{
		"kind": "ServiceAccount", "apiVersion": "v1",
		"metadata": map[string]any{"namespace": r.Param("namespace"), "name": r.Param("name"), "annotations": annotations},
	})
}

// subjectOf is the subject of the path's service account.
func subjectOf(r *azapi.Request) (string, error) {
	for _, name := range []string{r.Param("namespace"), r.Param("name")} {
		if len(name) > maxName || !objectName.MatchString(name) {
			return "", wrongPath.New(fmt.Sprintf("%.64s", name))
		}
	}
	return chain.Subject(r.Param("namespace"), r.Param("name")), nil
}

// objectName is what Kubernetes names service accounts by
// (https://kubernetes.io/docs/concepts/overview/working-with-objects/names/#dns-subdomain-names).
var objectName = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$`)

const (
	maxName      = 253
	maxAudiences = 32 // more make tokens that no header holds
	maxAudience  = 1024
)

// annotations name the one identity that trusts the subject; none when no
// identity does or several do, for then a person has to choose.
func (s *Clusters) annotations(ctx context.Context, from issuer.Issuer, subject string) (map[string]string, error) {
	var trusting []*directory.Principal
	for q, more := (store.Query{}), true; more; {
		principals, next, err := s.Directory.List(ctx, q)
		if err != nil {
			return nil, err
		}
		for _, principal := range principals {
			q.After = principal.ObjectID
			if trusts(principal, from.URL, subject) {
				trusting = append(trusting, principal)
			}
		}
		more = next
	}
	if len(trusting) != 1 {
		return map[string]string{}, nil
	}
	return map[string]string{chain.AnnotationClientID: trusting[0].AppID, chain.AnnotationTenantID: trusting[0].TenantID}, nil
}

func trusts(principal *directory.Principal, issuerURL, subject string) bool {
	return slices.ContainsFunc(principal.Federated, func(c directory.FederatedCredential) bool {
		return c.Issuer == issuerURL && c.Subject == subject
	})
}

// tokenRequest is authentication.k8s.io/v1 TokenRequest
// (https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/token-request-v1/).
type tokenRequest struct {
	Kind       string    `json:"kind"`
	APIVersion string    `json:"apiVersion"`
	Metadata   struct{}  `json:"metadata"`
	Spec       tokenSpec `json:"spec"`
	Status     struct {
		Token               string `json:"token"`
		ExpirationTimestamp string `json:"expirationTimestamp"`
	} `json:"status"`
}

type tokenSpec struct {
	Audiences         []string        `json:"audiences"`
	ExpirationSeconds *int64          `json:"expirationSeconds"`
	BoundObjectRef    *map[string]any `json:"boundObjectRef"`
}

func (s *Clusters) createToken(w http.ResponseWriter, r *azapi.Request, h host) error {
	var request tokenRequest
	if err := r.DecodeJSON(&request); err != nil {
		return badObject.New(err.Error())
	}
	if _, err := subjectOf(r); err != nil {
		return err
	}
	if request.Kind != "" && request.Kind != "TokenRequest" {
		return badObject.New(fmt.Sprintf("the object is a %.64s, not a TokenRequest", request.Kind))
	}
	if err := checkAudiences(request.Spec.Audiences); err != nil {
		return err
	}
	if request.Spec.BoundObjectRef != nil {
		return invalidRequest.New("spec.boundObjectRef: the issuer-only driver has no objects to bind to")
	}
	seconds := int64(chain.DefaultTokenExpiration)
	if request.Spec.ExpirationSeconds != nil {
		seconds = *request.Spec.ExpirationSeconds
	}
	if seconds < 600 || seconds > 1<<32 {
		return invalidRequest.New("spec.expirationSeconds: may not specify a duration less than 10 minutes or larger than 2^32 seconds")
	}
	token, err := s.Issuers.Mint(r.Context(), h.IssuerID, issuer.TokenRequest{
		Namespace: r.Param("namespace"), ServiceAccount: r.Param("name"),
		Audiences: request.Spec.Audiences, ExpirationSeconds: seconds, Now: r.Now,
	})
	if errors.Is(err, issuer.ErrNotFound) {
		return clusterNotFound.New(r.Host) // deleted at this moment
	}
	if err != nil {
		return err
	}
	request.Kind, request.APIVersion = "TokenRequest", "authentication.k8s.io/v1"
	request.Spec.ExpirationSeconds = &seconds
	request.Status.Token, request.Status.ExpirationTimestamp = token, expiryOf(r.Now, seconds)
	return azapi.WriteJSON(w, http.StatusCreated, request)
}

func checkAudiences(audiences []string) error {
	if len(audiences) > maxAudiences {
		return invalidRequest.New(fmt.Sprintf("spec.audiences: there are %d, at most %d", len(audiences), maxAudiences))
	}
	for _, audience := range audiences {
		if audience == "" || len(audience) > maxAudience {
			return invalidRequest.New(fmt.Sprintf("spec.audiences: each must have 1 to %d bytes", maxAudience))
		}
	}
	return nil
}

// expiryOf is when a token that lives so long ends, as TokenRequest's status says it.
func expiryOf(now time.Time, seconds int64) string {
	return now.Add(time.Duration(seconds) * time.Second).UTC().Format(time.RFC3339)
}
