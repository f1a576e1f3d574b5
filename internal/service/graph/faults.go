package graph

import (
	"net/http"

	"github.com/aksess/aksess/internal/chain"
	"github.com/aksess/aksess/internal/fault"
)

// Refusals of the pipeline's stages.
var (
	noToken = &fault.Kind{Code: "InvalidAuthenticationToken", Name: "empty", Status: http.StatusUnauthorized, Link: chain.LinkManagedIdentity,
		Format: "Access token is empty.",
		Why:    "the request has no bearer token", Fix: "ask for a token of https://graph.microsoft.com/.default"}
	badToken = &fault.Kind{Code: "InvalidAuthenticationToken", Status: http.StatusUnauthorized, Link: chain.LinkManagedIdentity,
		Format: "Access token validation failure: %s.",
		Why:    "the bearer token does not verify", Fix: "sign in again and send the token unchanged"}
	badAudience = &fault.Kind{Code: "InvalidAuthenticationToken", Name: "audience", Status: http.StatusUnauthorized, Link: chain.LinkManagedIdentity,
		Format: "Access token validation failure. Invalid audience.",
		Why:    "the token was issued for another resource", Fix: "ask for the scope https://graph.microsoft.com/.default"}
	denied = &fault.Kind{Code: "Authorization_RequestDenied", Status: http.StatusForbidden, Link: chain.LinkAccess,
		Format: "Insufficient privileges to complete the operation.",
		Why:    "roles on subscriptions do not reach the directory: an application reads it with Directory.Read.All, and only Directory.ReadWrite.All writes",
		Fix:    "use the deployer or the user of this local Azure, or assign the permission to the application's service principal"}
	noSegment = &fault.Kind{Code: "BadRequest", Name: "segment", Status: http.StatusBadRequest,
		Format: "Resource not found for the segment '%.128s'.",
		Why:    "Graph has no such path, or it is not served here", Fix: "see the service's README for what is"}
	badMethod = &fault.Kind{Code: "Request_BadRequest", Name: "method", Status: http.StatusMethodNotAllowed,
		Format: "Specified HTTP method is not allowed for the request target.",
		Why:    "the path has other methods", Fix: "use one that the Allow header names"}
)

// Refusals of queries.
var (
	badFilter = &fault.Kind{Code: "BadRequest", Name: "filter", Status: http.StatusBadRequest,
		Format: "Invalid filter clause: %.256s.",
		Why:    "the $filter is not OData", Fix: "write it as name eq 'value', with and, or, not and parentheses"}
	noFilter = &fault.Kind{Code: "Request_UnsupportedQuery", Name: "filter", Status: http.StatusBadRequest,
		Format: "Unsupported or invalid query filter clause specified for property '%.128s' of resource '%s'.",
		Why:    "this property or this operator cannot be asked for", Fix: "see the service's README for the filters that are served"}
	noQuery = &fault.Kind{Code: "Request_UnsupportedQuery", Status: http.StatusBadRequest,
		Format: "The query parameter '%s' is not supported for this request.",
		Why:    "$search, $orderby, $expand and $skip are not served: an answer that ignored them would be wrong", Fix: "use $filter, $select and $top"}
	badTop = &fault.Kind{Code: "BadRequest", Name: "top", Status: http.StatusBadRequest,
		Format: "Invalid value '%.64s' for $top query option found. The $top query option requires a number from 1 to 999.",
		Why:    "a page has 999 objects at most", Fix: "correct $top"}
	badSkipToken = &fault.Kind{Code: "Directory_ExpiredPageToken", Status: http.StatusBadRequest,
		Format: "The specified page token value has expired and can no longer be included in your request.",
		Why:    "the $skiptoken is not one that was handed out", Fix: "begin the list anew"}
)

// Refusals of objects.
var (
	notFound = &fault.Kind{Code: "Request_ResourceNotFound", Status: http.StatusNotFound,
		Format: "Resource '%.128s' does not exist or one of its queried reference-property objects are not present.",
		Why:    "the directory holds no such object of that type", Fix: "check the id; an application and its service principal have different ones"}
	badID = &fault.Kind{Code: "Request_BadRequest", Name: "identifier", Status: http.StatusBadRequest,
		Format: "Invalid object identifier '%.128s'.",
		Why:    "object ids are GUIDs", Fix: "send the object's id"}
	notDelegated = &fault.Kind{Code: "BadRequest", Name: "me", Status: http.StatusBadRequest,
		Format: "/me request is only valid with delegated authentication flow.",
		Why:    "an application is not a person", Fix: "ask for /servicePrincipals/{id}"}
	badBody = &fault.Kind{Code: "BadRequest", Status: http.StatusBadRequest,
		Format: "Unable to read JSON request payload: %s.",
		Why:    "the body is not a JSON object", Fix: "send a JSON object"}
	badProperty = &fault.Kind{Code: "Request_BadRequest", Name: "property", Status: http.StatusBadRequest,
		Format: "Invalid value specified for property '%.128s' of resource '%s'.",
		Why:    "the value has the wrong type or form", Fix: "correct the property that the message names"}
	needProperty = &fault.Kind{Code: "Request_BadRequest", Name: "required", Status: http.StatusBadRequest,
		Format: "A value is required for property '%s' of resource '%s'.",
		Why:    "a new object needs the property", Fix: "send it"}
	noProperty = &fault.Kind{Code: "Request_BadRequest", Name: "unknown", Status: http.StatusBadRequest,
		Format: "The property '%.128s' does not exist on type 'microsoft.graph.%s'. Make sure to only use property names that are defined by the type.",
		Why:    "Graph's type has no such property, or it is not served here", Fix: "leave it out"}
	readOnly = &fault.Kind{Code: "Request_BadRequest", Name: "read-only", Status: http.StatusBadRequest,
		Format: "Property '%s' is read-only and cannot be set.",
		Why:    "the directory sets the property", Fix: "leave it out"}
	badName = &fault.Kind{Code: "Request_BadRequest", Name: "domain", Status: http.StatusBadRequest,
		Format: "The domain portion of the userPrincipalName property is invalid. You must use one of the verified domain names in your organization.",
		Why:    "the domain of a user is the tenant's", Fix: "see /organization for the tenant's domain"}
	weakPassword = &fault.Kind{Code: "Request_BadRequest", Name: "password", Status: http.StatusBadRequest,
		Format: "The specified password does not comply with password complexity requirements. Please provide a different password.",
		Why:    "Entra ID takes 8 to 256 characters with three of lower case, upper case, digits and others", Fix: "choose another password"}
	badReference = &fault.Kind{Code: "Request_BadRequest", Name: "reference", Status: http.StatusBadRequest,
		Format: "Invalid URL format specified in @odata.id or @odata.bind payload: '%.128s'.",
		Why:    "a reference is the URL of a directory object", Fix: "send https://graph.microsoft.com/v1.0/directoryObjects/{id}"}
	hasReference = &fault.Kind{Code: "Request_BadRequest", Name: "exists", Status: http.StatusBadRequest,
		Format: "One or more added object references already exist for the following modified properties: '%s'.",
		Why:    "the member or owner is there already", Fix: "nothing"}
	itself = &fault.Kind{Code: "Request_BadRequest", Name: "itself", Status: http.StatusBadRequest,
		Format: "A group cannot be added as a member of itself.",
		Why:    "a group that contains itself contains nobody more", Fix: "add another object"}
	tooMany = &fault.Kind{Code: "Directory_QuotaExceeded", Status: http.StatusForbidden,
		Format: "The directory object quota limit for the '%s' has been exceeded.",
		Why:    "the list has as many entries as are kept", Fix: "remove some"}
	mailGroup = &fault.Kind{Code: "Request_BadRequest", Name: "mail", Status: http.StatusBadRequest,
		Format: "The service does not currently support writes of mail-enabled groups. Please ensure that the mail-enablement property is unset and the security-enablement property is set.",
		Why:    "only Exchange makes groups with mail, and Unified groups", Fix: "set mailEnabled to false and securityEnabled to true"}
	dynamicGroup = &fault.Kind{Code: "Request_BadRequest", Name: "dynamic", Status: http.StatusBadRequest,
		Format: "Groups of type 'DynamicMembership' are not served: nothing evaluates their rule.",
		Why:    "a group whose members are never computed would deny what Azure allows", Fix: "add the members one by one"}
	taken = &fault.Kind{Code: "Request_MultipleObjectsWithSameKeyValue", Status: http.StatusBadRequest,
		Format: "Another object with the same value for property %s already exists.",
		Why:    "the value is unique in a tenant", Fix: "choose another one, or use the object that is there"}
	hasService = &fault.Kind{Code: "Request_MultipleObjectsWithSameKeyValue", Name: "service principal", Status: http.StatusConflict,
		Format: "The service principal cannot be created, updated, or restored because the service principal name %s is already in use.",
		Why:    "an application has one service principal in a tenant", Fix: "use the one that is there"}
	badRole = &fault.Kind{Code: "Request_BadRequest", Name: "app role", Status: http.StatusBadRequest,
		Format: "Permission being assigned was not found on application: appRoleId '%.64s'.",
		Why:    "Directory.Read.All and Directory.ReadWrite.All are the permissions that are served", Fix: "assign one of those"}
	hasRole = &fault.Kind{Code: "Request_BadRequest", Name: "assigned", Status: http.StatusBadRequest,
		Format: "Permission being assigned already exists on the object",
		Why:    "the service principal has the permission", Fix: "nothing"}
	noApplication = &fault.Kind{Code: "NoBackingApplicationObject", Status: http.StatusBadRequest,
		Format: "The appId '%.128s' of the service principal does not reference a valid application object.",
		Why:    "no application of this tenant has the id; those of other tenants are not served", Fix: "register the application first"}
	managed = &fault.Kind{Code: "Request_BadRequest", Name: "managed identity", Status: http.StatusBadRequest,
		Format: "The service principal is of a managed identity and cannot be written through Graph.",
		Why:    "a managed identity lives and dies with its resource", Fix: "change the resource in Resource Manager"}
	noKey = &fault.Kind{Code: "Request_BadRequest", Name: "key", Status: http.StatusBadRequest,
		Format: "No credentials found with keyId '%.64s' to be removed.",
		Why:    "the application has no such credential", Fix: "list them; the application's and its service principal's are apart"}
	badKey = &fault.Kind{Code: "Request_BadRequest", Name: "certificate", Status: http.StatusBadRequest,
		Format: "Key credential is not valid: %s.",
		Why:    "a key is a certificate in DER, base64 encoded, of type AsymmetricX509Cert and usage Verify", Fix: "correct the key that the message names"}
	badCredential = &fault.Kind{Code: "Request_BadRequest", Name: "federated credential", Status: http.StatusBadRequest, Link: chain.LinkFederatedCredential,
		Format: "%s",
		Why:    "the federated credential breaks one of Entra ID's rules for its name, issuer, subject or audience",
		Fix:    "correct what the message names; issuer, subject and audience are compared byte for byte later"}
	hasCredential = &fault.Kind{Code: "Request_MultipleObjectsWithSameKeyValue", Name: "federated credential", Status: http.StatusConflict, Link: chain.LinkFederatedCredential,
		Format: "FederatedIdentityCredential with name %.128s already exists.",
		Why:    "names are unique under an application, as are issuer and subject together", Fix: "update the credential that is there"}
	tooManyCredentials = &fault.Kind{Code: "Directory_QuotaExceeded", Name: "federated credential", Status: http.StatusForbidden, Link: chain.LinkFederatedCredential,
		Format: "%s",
		Why:    "an application has at most 20 federated credentials", Fix: "delete one, or use a second application"}
)
