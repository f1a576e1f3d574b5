package issuer

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/aksess/aksess/internal/azapi"
)

// Service serves the documents of all issuers. Both are public: whoever
// verifies a token fetches them.
func (s *Issuers) Service() *azapi.Service {
	return &azapi.Service{
		Name:    "issuer",
		Hosts:   []string{"*" + hostSuffix},
		Dialect: azapi.DialectARM,
		Refuse:  func(*azapi.Request, azapi.Refusal) error { return noSuchIssuer.New() },
		Operations: []azapi.Operation{
			{
				Name: "GetIssuerDiscovery", Method: http.MethodGet, Pattern: "/{tenant}/{issuer}/.well-known/openid-configuration",
				Action: azapi.Anonymous(), Handle: s.getDiscovery,
			},
			{
				Name: "GetIssuerKeys", Method: http.MethodGet, Pattern: "/{tenant}/{issuer}/openid/v1/jwks",
				Action: azapi.Anonymous(), Handle: s.getKeys,
			},
		},
	}
}

func (s *Issuers) getDiscovery(w http.ResponseWriter, r *azapi.Request) error {
	issuer, err := s.requested(r)
	if err != nil {
		return err
	}
	cacheable(w)
	return azapi.WriteJSON(w, http.StatusOK, NewDiscovery(issuer.URL))
}

func (s *Issuers) getKeys(w http.ResponseWriter, r *azapi.Request) error {
	issuer, err := s.requested(r)
	if err != nil {
		return err
	}
	keys, err := s.ring(issuer.ID).Published(r.Context())
	if err != nil {
		return err
	}
	set, err := NewJWKS(keys)
	if err != nil {
		return err
	}
	cacheable(w)
	return azapi.WriteJSON(w, http.StatusOK, json.RawMessage(set))
}

func cacheable(w http.ResponseWriter) {
	w.Header().Set("Cache-Control", fmt.Sprintf("public, max-age=%d", int(CacheAge.Seconds())))
	w.Header().Set("Content-Type", "application/json")
}

// requested finds the issuer that host and path name, with their case.
func (s *Issuers) requested(r *azapi.Request) (Issuer, error) {
	named := "https://" + r.Host + "/" + r.Param("tenant") + "/" + r.Param("issuer") + "/"
	issuer, err := s.ByURL(r.Context(), named)
	if errors.Is(err, ErrNotFound) {
		return Issuer{}, noSuchIssuer.New().Because(fmt.Sprintf("no issuer %q", named))
	}
	return issuer, err
}
