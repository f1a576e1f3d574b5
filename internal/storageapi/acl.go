package storageapi

import (
	"encoding/xml"
	"net/http"
	"time"

	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/storage"
)

const (
	maxPolicies = 5  // of one container or queue
	maxPolicyID = 64 // characters
	// MaxPolicyBody bounds the body of Set Container ACL and Set Queue ACL.
	MaxPolicyBody = 8 << 10 // bytes
)

// policiesXML are the stored access policies of a container or queue
// (https://learn.microsoft.com/rest/api/storageservices/set-container-acl#request-body).
type policiesXML struct {
	XMLName  xml.Name    `xml:"SignedIdentifiers"`
	Policies []policyXML `xml:"SignedIdentifier"`
}

type policyXML struct {
	ID     string `xml:"Id"`
	Policy struct {
		Start       string `xml:"Start,omitempty"`
		Expiry      string `xml:"Expiry,omitempty"`
		Permissions string `xml:"Permission,omitempty"`
	} `xml:"AccessPolicy"`
}

// WritePolicies answers with stored access policies.
func WritePolicies(w http.ResponseWriter, policies []storage.StoredPolicy) error {
	answer := policiesXML{}
	for _, p := range policies {
		one := policyXML{ID: p.ID}
		one.Policy.Start, one.Policy.Expiry, one.Policy.Permissions = p.Start, p.Expiry, p.Permissions
		answer.Policies = append(answer.Policies, one)
	}
	return azapi.WriteXML(w, http.StatusOK, answer)
}

// ReadPolicies reads stored access policies from a body. An empty body has none.
func ReadPolicies(r *azapi.Request) ([]storage.StoredPolicy, error) {
	body, err := readBody(r, MaxPolicyBody)
	if err != nil || len(body) == 0 {
		return nil, err
	}
	var sent policiesXML
	if err := unmarshal(body, &sent); err != nil {
		return nil, err
	}
	if len(sent.Policies) > maxPolicies {
		return nil, BadXML("There are at most 5 stored access policies.")
	}
	var policies []storage.StoredPolicy
	for _, p := range sent.Policies {
		if p.ID == "" || len(p.ID) > maxPolicyID {
			return nil, BadXML("The id of a stored access policy has 1 to 64 characters.")
		}
		for _, at := range []string{p.Policy.Start, p.Policy.Expiry} {
			if _, err := parseTime(at); at != "" && err != nil {
				return nil, BadXML("The time of a stored access policy is not in ISO 8601.")
			}
		}
		policies = append(policies, storage.StoredPolicy{ID: p.ID, Start: p.Policy.Start, Expiry: p.Policy.Expiry, Permissions: p.Policy.Permissions})
	}
	return policies, nil
}

// parseTime reads the forms of ISO 8601 that signatures take
// (https://learn.microsoft.com/rest/api/storageservices/formatting-datetime-values).
func parseTime(text string) (time.Time, error) {
	var err error
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04Z07:00", "2006-01-02"} {
		var at time.Time
		if at, err = time.Parse(layout, text); err == nil {
			return at, nil
		}
	}
	return time.Time{}, err
}
