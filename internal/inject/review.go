package inject

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"unicode/utf8"
)

// review is the part of an AdmissionReview request that matters
// (https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#request).
type review struct {
	APIVersion string   `json:"apiVersion"`
	Kind       string   `json:"kind"`
	Request    *request `json:"request"`
}

type request struct {
	UID         string `json:"uid"`
	Namespace   string `json:"namespace"`
	Operation   string `json:"operation"`
	SubResource string `json:"subResource"`
	DryRun      bool   `json:"dryRun"`
	Resource    struct {
		Group    string `json:"group"`
		Resource string `json:"resource"`
	} `json:"resource"`
	Object *Pod `json:"object"`
}

// reviewAnswer is the AdmissionReview that goes back.
type reviewAnswer struct {
	APIVersion string   `json:"apiVersion"`
	Kind       string   `json:"kind"`
	Response   response `json:"response"`
}

type response struct {
	UID       string   `json:"uid"`
	Allowed   bool     `json:"allowed"`
	Status    *status  `json:"status,omitempty"`
	Patch     []byte   `json:"patch,omitempty"`
	PatchType string   `json:"patchType,omitempty"`
	Warnings  []string `json:"warnings,omitempty"`
}

type status struct {
	Status  string `json:"status"`
	Message string `json:"message"`
	Reason  string `json:"reason"`
	Code    int    `json:"code"`
}

// errNotReview is a body that cannot be answered with a review.
var errNotReview = errors.New("not an AdmissionReview of admission.k8s.io/v1 or v1beta1")

// parseReview reads a request. A review whose pod has a field of the wrong
// type comes back together with the error, so that it can be answered; with
// errNotReview, or a syntax error, there is nothing to answer.
func parseReview(body []byte) (*review, error) {
	var err error
	r := readReview(body)
	if r == nil {
		r = new(review)
		err = json.Unmarshal(body, r)
	}
	var mistyped *json.UnmarshalTypeError
	if err != nil && !errors.As(err, &mistyped) {
		return nil, fmt.Errorf("reading review: %w", err)
	}
	if err := checkReview(r.APIVersion, r.Kind); err != nil {
		return nil, err
	}
	if r.Request == nil || r.Request.UID == "" {
		return nil, fmt.Errorf("%w: no request", errNotReview)
	}
	return r, err
}

func checkReview(apiVersion, kind string) error {
	if kind != "AdmissionReview" || apiVersion != "admission.k8s.io/v1" && apiVersion != "admission.k8s.io/v1beta1" {
		return fmt.Errorf("%w: apiVersion %s, kind %s", errNotReview, quote(apiVersion), quote(kind))
	}
	return nil
}

// isPodCreate reports whether the request is the one that is decided here.
func (r *request) isPodCreate() bool {
	return r.Operation == "CREATE" && r.Resource.Group == "" && r.Resource.Resource == "pods" && r.SubResource == ""
}

// allow is the answer for an admitted pod.
func allow(result Result) response {
	answer := response{Allowed: true, Warnings: result.Warnings}
	if len(result.Patch) > 0 {
		size := 2
		for _, op := range result.Patch {
			size += len(op.Path) + len(op.Value) + 40
		}
		answer.Patch = AppendPatch(make([]byte, 0, size), result.Patch)
		answer.PatchType = "JSONPatch"
	}
	return answer
}

// encode writes the answer as JSON, the common ones without reflection.
func (a *reviewAnswer) encode() []byte {
	r := &a.Response
	if !r.Allowed || r.Status != nil || len(r.Warnings) > 0 || !plainJSON(a.APIVersion) || !plainJSON(a.Kind) || !plainJSON(r.UID) {
		out, err := json.Marshal(a)
		if err != nil {
			panic(err) // strings, numbers and bytes only
		}
		return out
	}
	out := make([]byte, 0, 160+len(r.UID)+base64.StdEncoding.EncodedLen(len(r.Patch)))
	out = append(out, `{"apiVersion":"`...)
	out = append(out, a.APIVersion...)
	out = append(out, `","kind":"`...)
	out = append(out, a.Kind...)
	out = append(out, `","response":{"uid":"`...)
	out = append(out, r.UID...)
	out = append(out, `","allowed":true`...)
	if len(r.Patch) > 0 {
		out = append(out, `,"patch":"`...)
		out = base64.StdEncoding.AppendEncode(out, r.Patch)
		out = append(out, `","patchType":"`...)
		out = append(out, r.PatchType...)
		out = append(out, '"')
	}
	return append(out, "}}"...)
}

// plainJSON reports whether a string is the same inside quotes.
func plainJSON(s string) bool {
	for i := range len(s) {
		if b := s[i]; b < ' ' || b >= utf8.RuneSelf || b == '"' || b == '\\' || b == '<' || b == '>' || b == '&' {
			return false
		}
	}
	return true
}

// deny is the answer for a refused pod.
func deny(code int, reason, message string) response {
	return response{Status: &status{Status: "Failure", Message: message, Reason: reason, Code: code}}
}

// denyFor is the answer for an error of the decision. An error that is not the
// user's is shown without its cause, which is for the log.
func denyFor(err error) response {
	var denied *Denied
	if errors.As(err, &denied) {
		return deny(denied.Status(), string(denied.Reason), denied.Message)
	}
	return deny(http.StatusInternalServerError, "InternalError",
		"the service account could not be read from the API server; try again")
}
