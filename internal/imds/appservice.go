package imds

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
)

// AppService serves the endpoint that IDENTITY_ENDPOINT names to programs on
// App Service: the one way to a managed identity's tokens that the SDKs of all
// languages take without a fixed address. Mount it at any path.
type AppService struct {
	Handler
	Secret string // IDENTITY_HEADER; without one nobody is served
}

// appServiceError is a refusal in the form of App Service.
type appServiceError struct {
	StatusCode int    `json:"statusCode"`
	Message    string `json:"message"`
}

// ServeHTTP implements http.Handler.
func (a *AppService) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := a.serve(w, r); err != nil {
		refusal := a.coded(r, err)
		message := refusal.Description
		if message == "Identity not found" {
			message = "No User Assigned or Delegated Managed Identity found for specified ClientId/ResourceId/PrincipalId."
		}
		writeError(w, refusal, appServiceError{StatusCode: refusal.Status, Message: message})
	}
}

func (a *AppService) serve(w http.ResponseWriter, r *http.Request) error {
	if !a.knows(r.Header.Get("X-IDENTITY-HEADER")) {
		return &Error{Status: http.StatusUnauthorized, Code: invalidRequest, Description: "The header X-IDENTITY-HEADER is missing or is not the value of IDENTITY_HEADER"}
	}
	if err := checkForwarded(r.Header); err != nil {
		return err
	}
	if err := checkPath(r); err != nil {
		return err
	}
	asked, err := readRequest(r, "2019-08-01")
	if err != nil {
		return err
	}
	answer, err := a.Tokens(r.Context(), asked.selector, asked.resource)
	if err != nil {
		return err
	}
	return writeAnswer(w, answer, a.now())
}

// knows compares digests, so that its time tells nothing of the secret, its length included.
func (a *AppService) knows(presented string) bool {
	want, got := sha256.Sum256([]byte(a.Secret)), sha256.Sum256([]byte(presented))
	return a.Secret != "" && subtle.ConstantTimeCompare(want[:], got[:]) == 1
}
