package blob

import (
	"strconv"

	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/chain"
	"github.com/aksess/aksess/internal/fault"
	"github.com/aksess/aksess/internal/storage"
)

// Refusals of the wire alone
// (https://learn.microsoft.com/rest/api/storageservices/blob-service-error-codes).
var (
	invalidRange = &fault.Kind{Code: "InvalidRange", Status: 416, Link: chain.LinkData,
		Format: "The range specified is invalid for the current size of the resource.",
		Why:    "the range begins behind the end of the blob", Fix: "ask for a range within the blob's size"}
	md5Mismatch = &fault.Kind{Code: "Md5Mismatch", Status: 400, Link: chain.LinkData,
		Format: "The MD5 value specified in the request did not match with the MD5 value calculated by the server.",
		Why:    "the content changed on its way, or the checksum is of something else", Fix: "send the content again"}
	invalidMD5 = &fault.Kind{Code: "InvalidMd5", Status: 400, Link: chain.LinkData,
		Format: "The MD5 value specified in the request is invalid. The MD5 value must be 128 bits and Base64-encoded.",
		Why:    "the checksum is malformed", Fix: "encode the 16 bytes of the MD5 in base64"}
	crc64Mismatch = &fault.Kind{Code: "Crc64Mismatch", Status: 400, Link: chain.LinkData,
		Format: "The CRC64 value specified in the request did not match with the CRC64 value calculated by the server.",
		Why:    "the content changed on its way, or the checksum is of something else", Fix: "send the content again"}
	missingLength = &fault.Kind{Code: "MissingContentLengthHeader", Status: 411, Link: chain.LinkData,
		Format: "The Content-Length header was not specified.", Why: "content is sent with its length", Fix: "send Content-Length"}
	noContainerLease = &fault.Kind{Code: "LeaseNotPresentWithContainerOperation", Status: 412, Link: chain.LinkData,
		Format: "There is currently no lease on the container.", Why: "aksess serves no leases, so there is none", Fix: "leave out x-ms-lease-id"}
	noBlobLease = &fault.Kind{Code: "LeaseNotPresentWithBlobOperation", Status: 412, Link: chain.LinkData,
		Format: "There is currently no lease on the blob.", Why: "aksess serves no leases, so there is none", Fix: "leave out x-ms-lease-id"}
)

func detail(pairs ...string) azapi.StorageDetail {
	var d azapi.StorageDetail
	for i := 0; i+1 < len(pairs); i += 2 {
		d = append(d, struct{ Name, Value string }{pairs[i], pairs[i+1]})
	}
	return d
}

func with(err *fault.Error, pairs ...string) *fault.Error {
	err.Detail = detail(pairs...)
	return err
}

// clip bounds what is repeated to the client of what it sent.
func clip(value string) string { return value[:min(len(value), 256)] }

func badHeader(name, value string) *fault.Error {
	return with(storage.InvalidHeaderValue.New(), "HeaderName", name, "HeaderValue", clip(value))
}

func missingHeader(name string) *fault.Error {
	return with(storage.MissingRequiredHeader.New(), "HeaderName", name)
}

func badQuery(name, value, reason string) *fault.Error {
	return with(storage.InvalidQueryParameterValue.New(), "QueryParameterName", name, "QueryParameterValue", clip(value), "Reason", reason)
}

func outOfRange(name, value string, least, most int) *fault.Error {
	return with(storage.OutOfRangeQueryParameterValue.New(), "QueryParameterName", name, "QueryParameterValue", clip(value),
		"MinimumAllowed", strconv.Itoa(least), "MaximumAllowed", strconv.Itoa(most))
}

func tooLarge(limit int64) *fault.Error {
	return with(storage.RequestBodyTooLarge.New(), "MaxLimit", strconv.FormatInt(limit, 10))
}

func badXML(reason string) *fault.Error {
	return with(storage.InvalidXMLDocument.New(), "Reason", reason)
}

// challenge tells clients the account's tenant (Go and .NET read it).
func challenge(c *call) string {
	return "Bearer authorization_uri=https://login.microsoftonline.com/" + c.TenantID + "/oauth2/authorize resource_id=" + resource
}

func invalidToken(c *call, reason string) *fault.Error {
	return with(storage.InvalidAuthenticationInfo.New().SetHeader("WWW-Authenticate", challenge(c)), "AuthenticationErrorDetail", reason)
}

// signed refuses an account key or what is signed with one.
func signed(c *call, reason string) *fault.Error {
	if !c.SharedKey {
		return storage.KeyBasedAuthenticationNotPermitted.New()
	}
	return with(storage.AuthenticationFailed.New(), "AuthenticationErrorDetail", reason)
}
