package storageapi

import (
	"encoding/base64"
	"encoding/xml"
	"net/http"
	"time"

	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/storage"
	"github.com/aksess/aksess/internal/storage/signature"
)

const (
	maxDelegation = 7 * 24 * time.Hour
	maxKeyInfo    = 4 << 10 // bytes
)

// keyInfo is the body of Get User Delegation Key
// (https://learn.microsoft.com/rest/api/storageservices/get-user-delegation-key#request-body).
type keyInfo struct {
	XMLName xml.Name `xml:"KeyInfo"`
	Start   string   `xml:"Start"`
	Expiry  string   `xml:"Expiry"`
}

type delegationXML struct {
	XMLName  xml.Name `xml:"UserDelegationKey"`
	ObjectID string   `xml:"SignedOid"`
	TenantID string   `xml:"SignedTid"`
	Start    string   `xml:"SignedStart"`
	Expiry   string   `xml:"SignedExpiry"`
	Service  string   `xml:"SignedService"`
	Version  string   `xml:"SignedVersion"`
	Value    string   `xml:"Value"`
}

// DelegationOperation is Get User Delegation Key
// (https://learn.microsoft.com/rest/api/storageservices/get-user-delegation-key).
func (p *Plane) DelegationOperation() azapi.Operation {
	return azapi.Operation{
		Name: "GetUserDelegationKey", Method: http.MethodPost, Pattern: "/", Query: Selectors("service", "userdelegationkey"), MaxBody: maxKeyInfo,
		Action: azapi.Control(storage.TypeAccount + "/blobServices/generateUserDelegationKey/action"), Scope: p.ServiceScope, Handle: delegate,
	}
}

// delegate gives the caller a key to sign with in its own name. Keys and
// signatures have no name to give.
func delegate(w http.ResponseWriter, r *azapi.Request) error {
	if r.Caller.Key != "" || r.Caller.Scheme != "Bearer" {
		return failed("Only authentication scheme Bearer is supported.")
	}
	var sent keyInfo
	if err := DecodeXML(r, maxKeyInfo, &sent); err != nil {
		return err
	}
	until, err := parseTime(sent.Expiry)
	if err != nil {
		return BadXML("Expiry is mandatory and must be a time in ISO 8601.")
	}
	from := r.Now
	if sent.Start != "" {
		if from, err = parseTime(sent.Start); err != nil {
			return BadXML("Start must be a time in ISO 8601.")
		}
	}
	if !until.After(from) || !until.After(r.Now) || until.Sub(r.Now) > maxDelegation || from.Sub(r.Now) > maxDelegation {
		return BadXML("Expiry must be after Start, in the future and within 7 days from now.")
	}
	version := r.Version
	if version == "" {
		version = defaultVersion
	}
	d := signature.Delegation{
		ObjectID: r.Caller.ObjectID, TenantID: r.Caller.TenantID,
		Start: from.UTC().Format("2006-01-02T15:04:05Z"), Expiry: until.UTC().Format("2006-01-02T15:04:05Z"), Service: "b", Version: version,
	}
	return azapi.WriteXML(w, http.StatusOK, delegationXML{
		ObjectID: d.ObjectID, TenantID: d.TenantID, Start: d.Start, Expiry: d.Expiry, Service: d.Service, Version: d.Version,
		Value: base64.StdEncoding.EncodeToString(Of(r).DelegationKey(d)),
	})
}
