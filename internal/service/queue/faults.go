package queue

import (
	"strconv"

	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/fault"
	"github.com/aksess/aksess/internal/storage"
)

// The kinds are storage's; here they get what the answer adds to them
// (https://learn.microsoft.com/rest/api/storageservices/queue-service-error-codes).

func with(err *fault.Error, pairs ...string) *fault.Error {
	var d azapi.StorageDetail
	for i := 0; i+1 < len(pairs); i += 2 {
		d = append(d, struct{ Name, Value string }{pairs[i], pairs[i+1]})
	}
	err.Detail = d
	return err
}

// clip bounds what is repeated to the client of what it sent.
func clip(value string) string { return value[:min(len(value), 256)] }

func badHeader(name, value string) *fault.Error {
	return with(storage.InvalidHeaderValue.New(), "HeaderName", name, "HeaderValue", clip(value))
}

func badQuery(name, value, reason string) *fault.Error {
	return with(storage.InvalidQueryParameterValue.New(), "QueryParameterName", name, "QueryParameterValue", clip(value), "Reason", reason)
}

func missingQuery(name string) *fault.Error {
	return with(storage.MissingRequiredQueryParameter.New(), "QueryParameterName", name)
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
func challenge(a *storage.Account) string {
	return "Bearer authorization_uri=https://login.microsoftonline.com/" + a.TenantID + "/oauth2/authorize resource_id=" + resource
}

func invalidToken(a *storage.Account, reason string) *fault.Error {
	return with(storage.InvalidAuthenticationInfo.New().SetHeader("WWW-Authenticate", challenge(a)), "AuthenticationErrorDetail", reason)
}

// signed refuses an account key or what is signed with one.
func signed(a *storage.Account, reason string) *fault.Error {
	if !a.SharedKey {
		return storage.KeyBasedAuthenticationNotPermitted.New()
	}
	return with(storage.AuthenticationFailed.New(), "AuthenticationErrorDetail", reason)
}
