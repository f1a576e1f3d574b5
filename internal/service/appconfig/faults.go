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
	badSignature = &fault.Kind{Code: "invalid-token", Name: "signature", Status: 401, Link: chain.LinkAccess,
		Format: "%s",
		Why:    "the signature with an access key does not verify", Fix: "take the connection string from listKeys, and check the clock"}
	readOnlyKey = &fault.Kind{Code: "forbidden", Name: "read-only-key", Status: 403, Link: chain.LinkAccess,
		Format: "The access key '%s' is read-only.",
		Why:    "a read-only access key grants reading alone", Fix: "use the primary or secondary key, or a role"}
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
	alreadyExists = &fault.Kind{Code: "already-exists", Status: 409, Link: chain.LinkData,
		Format: "A snapshot with the name '%s' already exists.", Why: "snapshots do not change and keep their names", Fix: "choose another name"}
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
	nameUnavailable = &fault.Kind{Code: "NameUnavailable", Status: 409,
		Format: "The specified name is already in use.",
		Why:    "a store, perhaps a deleted one that is still kept, has the name", Fix: "choose another name, or recover or purge the deleted store"}
	noDeletedStore = &fault.Kind{Code: "DeletedConfigurationStoreNotFound", Status: 404,
		Format: "The deleted configuration store '%s' could not be found.",
		Why:    "no deleted store of that name waits for recovery in the subscription and location", Fix: "list the deleted stores"}
	storeProtected = &fault.Kind{Code: "Conflict", Name: "protected", Status: 409,
		Format: "The configuration store '%s' cannot be purged because purge protection is enabled.",
		Why:    "the store was deleted with purge protection on", Fix: "recover the store or wait for its retention to end"}
	proxyRefused = &fault.Kind{Code: "Forbidden", Status: 403, Link: chain.LinkAccess,
		Format: "The request to the data of the configuration store is forbidden: %s.",
		Why:    "the store does not let Resource Manager reach its data", Fix: "change the store, or use its data plane"}
	badKeyValueName = &fault.Kind{Code: "InvalidResourceName", Name: "key-value", Status: 400,
		Format: "The name '%.260s' is not that of a key-value. It must be a key, or a key and a label with a dollar sign between them, in which ~XX stands for a byte.",
		Why:    "names of key-values are key$label with escapes", Fix: "escape what an id cannot hold, such as a slash as ~2F"}
	lockedResource = &fault.Kind{Code: "Conflict", Name: "locked", Status: 409,
		Format: "The key-value '%s' is read-only. To allow modification unlock it first.",
		Why:    "the setting is locked", Fix: "unlock it on the data plane first"}
	noSuchKey = &fault.Kind{Code: "AccessKeyNotFound", Status: 404,
		Format: "The access key '%.64s' could not be found.",
		Why:    "the store has no access key with that id", Fix: "take the id from listKeys"}
	badStore = &fault.Kind{Code: "InvalidRequestContent", Status: 400,
		Format: "%s", Why: "the store's properties are not valid", Fix: "correct the property that the message names"}
)

// problem gives a fault the members of the service's problem document.
func problem(err *fault.Error, title, name, detail string) *fault.Error {
	err.Detail = azapi.Problem{Type: errorType + err.Kind.Code, Title: title, Name: name, Detail: detail}
	return err
}

func readOnlyError(name string) error {
	err := readOnlyKey.New(name)
	return problem(err, "Forbidden", "", err.Message)
}

// invalid refuses one parameter as the service words it.
func invalid(name, detail string, args ...any) error {
	detail = fmt.Sprintf(detail, args...)
	return problem(invalidArgument.New(detail), fmt.Sprintf("Invalid request parameter '%s'", name), name, detail)
}
