package appconfig

import (
	"fmt"

	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/chain"
	"github.com/aksess/aksess/internal/fault"
)

const errorType = "https://azconfig.io/errors/"

// Refusals of the data plane (https://learn.microsoft.com/azure/azure-app-configuration/rest-api).
var (
	missingToken = &fault.Kind{Code: "unauthorized", Status: 401, Link: chain.LinkManagedIdentity,
		Format: "The request has no Authorization header.",
		Why:    "the store asks for a token", Fix: "send a bearer token for https://azconfig.io"}
	badToken = &fault.Kind{Code: "invalid-token", Status: 401, Link: chain.LinkManagedIdentity,
		Format: "The access token is not valid: %s.",
		Why:    "the bearer token does not verify", Fix: "sign in again and send the token unchanged"}
	badAudience = &fault.Kind{Code: "invalid-audience", Status: 401, Link: chain.LinkManagedIdentity,
		Format: "The access token is for %s, which is not an audience of this store.",
		Why:    "the token was issued for another resource", Fix: "ask for the scope https://azconfig.io/.default"}
	forbidden = &fault.Kind{Code: "forbidden", Status: 403, Link: chain.LinkAccess,
		Format: "The client '%s' with object id '%s' does not have authorization to perform action '%s' over scope '%s'.",
		Why:    "no role assignment of the caller grants the data action", Fix: "assign App Configuration Data Reader, or Data Owner to write, at the store"}
	byNetwork = &fault.Kind{Code: "forbidden-by-network", Status: 403, Link: chain.LinkFirewall,
		Format: "Access from %s is not allowed: public network access to this store is disabled.",
		Why:    "the store does not admit the caller's address", Fix: "enable public network access or use a private endpoint"}
	storeNotFound = &fault.Kind{Code: "store-not-found", Status: 404, Link: chain.LinkData,
		Format: "The configuration store '%s' does not exist here. Azure has no name for such a host; aksess answers in its place.",
		Why:    "no store of that name was created", Fix: "create the store or correct the host name"}
	notFound = &fault.Kind{Code: "not-found", Status: 404, Link: chain.LinkData,
		Format: "There is no such setting.", Why: "no setting has that key and label", Fix: "check the key and the label"}
	locked = &fault.Kind{Code: "key-locked", Status: 409, Link: chain.LinkData,
		Format: "Modifing key '%s' is not allowed", Why: "the setting is locked", Fix: "unlock it first"}
	conditionFailed = &fault.Kind{Code: "condition-failed", Status: 412, Link: chain.LinkData,
		Format: "The condition of the request is not met.", Why: "the setting changed since it was read", Fix: "read it again"}
	invalidArgument = &fault.Kind{Code: "invalid-argument", Status: 400, Link: chain.LinkData,
		Format: "%s", Why: "a parameter is not valid", Fix: "correct the parameter that the answer names"}
	tooLarge = &fault.Kind{Code: "too-large", Status: 413, Link: chain.LinkData,
		Format: "The setting, or its key and label, is larger than %d bytes.", Why: "a setting holds 10 KB in all", Fix: "store less"}
	notServed = &fault.Kind{Code: "not-supported", Status: 501, Link: chain.LinkData,
		Format: "%s %s is not served by aksess.", Why: "this operation is not implemented", Fix: "see the service's README for what is"}
	methodNotAllowed = &fault.Kind{Code: "method-not-allowed", Status: 405, Link: chain.LinkData,
		Format: "The method %s is not allowed on %s.", Why: "the path has other methods", Fix: "use one that the Allow header names"}
)

// Refusals of the store as a resource.
var (
	badStoreName = &fault.Kind{Code: "InvalidResourceName", Status: 400,
		Format: "The resource name '%s' is not valid. It must be 5 to 50 alphanumeric characters and hyphens, without a leading, trailing or triple hyphen.",
		Why:    "store names are host names", Fix: "choose another name"}
	badStore = &fault.Kind{Code: "InvalidRequestContent", Status: 400,
		Format: "%s", Why: "the store's properties are not valid", Fix: "correct the property that the message names"}
)

// problem gives a fault the members of the service's problem document.
func problem(err *fault.Error, title, name, detail string) *fault.Error {
	err.Detail = azapi.Problem{Type: errorType + err.Kind.Code, Title: title, Name: name, Detail: detail}
	return err
}

// invalid refuses one parameter as the service words it.
func invalid(name, detail string, args ...any) error {
	detail = fmt.Sprintf(detail, args...)
	return problem(invalidArgument.New(detail), fmt.Sprintf("Invalid request parameter '%s'", name), name, detail)
}
