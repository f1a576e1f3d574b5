package storageapi

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/fault"
	"github.com/aksess/aksess/internal/storage"
)

// With adds elements to the XML of a refusal: pairs of a name and a value.
func With(err *fault.Error, pairs ...string) *fault.Error {
	var d azapi.StorageDetail
	for i := 0; i+1 < len(pairs); i += 2 {
		d = append(d, struct{ Name, Value string }{pairs[i], pairs[i+1]})
	}
	err.Detail = d
	return err
}

// Clip bounds what is repeated to the client of what it sent.
func Clip(value string) string { return value[:min(len(value), 256)] }

// BadHeader refuses a header's value.
func BadHeader(name, value string) *fault.Error {
	return With(storage.InvalidHeaderValue.New(), "HeaderName", name, "HeaderValue", Clip(value))
}

// MissingHeader refuses a request without a header.
func MissingHeader(name string) *fault.Error {
	return With(storage.MissingRequiredHeader.New(), "HeaderName", name)
}

// BadQuery refuses a query parameter's value.
func BadQuery(name, value, reason string) *fault.Error {
	return With(storage.InvalidQueryParameterValue.New(), "QueryParameterName", name, "QueryParameterValue", Clip(value), "Reason", reason)
}

// MissingQuery refuses a request without a query parameter.
func MissingQuery(name string) *fault.Error {
	return With(storage.MissingRequiredQueryParameter.New(), "QueryParameterName", name)
}

// OutOfRange refuses a number of the query.
func OutOfRange(name, value string, least, most int) *fault.Error {
	return With(storage.OutOfRangeQueryParameterValue.New(), "QueryParameterName", name, "QueryParameterValue", Clip(value),
		"MinimumAllowed", strconv.Itoa(least), "MaximumAllowed", strconv.Itoa(most))
}

// TooLarge refuses a body of more than limit bytes.
func TooLarge(limit int64) *fault.Error {
	return With(storage.RequestBodyTooLarge.New(), "MaxLimit", strconv.FormatInt(limit, 10))
}

// BadXML refuses a body that is not the XML that the operation takes.
func BadXML(reason string) *fault.Error {
	return With(storage.InvalidXMLDocument.New(), "Reason", reason)
}

// challenge tells clients the account's tenant (Go and .NET read it).
func challenge(a *storage.Account) string {
	return "Bearer authorization_uri=https://login.microsoftonline.com/" + a.TenantID + "/oauth2/authorize resource_id=" + Resource
}

func invalidToken(a *storage.Account, reason string) *fault.Error {
	return With(storage.InvalidAuthenticationInfo.New().SetHeader("WWW-Authenticate", challenge(a)), "AuthenticationErrorDetail", reason)
}

// failed refuses a signature; the reason holds no secret and no signature that
// would have been right.
func failed(reason string) *fault.Error {
	return With(storage.AuthenticationFailed.New(), "AuthenticationErrorDetail", reason)
}

// refuse words the pipeline's refusals as Storage does.
func refuse(r *azapi.Request, refusal azapi.Refusal) error {
	call, ok := r.Target.Resource.(*Call)
	if !ok {
		return storage.AccountNotFound.New(r.ResourceName())
	}
	switch refusal.Stage {
	case azapi.StageNoToken:
		return storage.NoAuthenticationInformation.New().SetHeader("WWW-Authenticate", challenge(call.Account))
	case azapi.StageBadToken:
		var coded *fault.Error
		if errors.As(refusal.Err, &coded) {
			return coded // of a key or a signature
		}
		return invalidToken(call.Account, fmt.Sprintf("Token validation failed: %v.", refusal.Err))
	case azapi.StageAudience:
		return invalidToken(call.Account, "Audience validation failed. Audience did not match.").
			Because("the token is for " + r.Caller.Audience + ", expected " + Resource)
	case azapi.StageFirewall:
		return storage.AuthorizationFailure.New()
	case azapi.StageAccess:
		return storage.AuthorizationPermissionMismatch.New()
	case azapi.StageVersion:
		return BadHeader("x-ms-version", r.Header.Get("x-ms-version"))
	}
	if len(refusal.Allow) > 0 {
		return storage.UnsupportedHTTPVerb.New().SetHeader("Allow", strings.Join(refusal.Allow, ", "))
	}
	return storage.NotServed.New(describe(r))
}

// describe names an operation by what distinguishes it on the wire.
func describe(r *azapi.Request) string {
	text := r.Method + " " + r.URL.Path
	sign := "?"
	for _, name := range []string{"restype", "comp"} {
		if value := r.Query(name); value != "" {
			text += sign + name + "=" + value
			sign = "&"
		}
	}
	return text
}
