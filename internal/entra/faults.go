package entra

import (
	"net/http"

	"github.com/aksess/aksess/internal/chain"
	"github.com/aksess/aksess/internal/fault"
)

// The fields "error" of RFC 6749, section 5.2, and Entra's own.
const (
	invalidRequest       = "invalid_request"
	invalidClient        = "invalid_client"
	invalidScope         = "invalid_scope"
	invalidResource      = "invalid_resource"
	invalidTenant        = "invalid_tenant"
	invalidInstance      = "invalid_instance"
	unauthorizedClient   = "unauthorized_client"
	unsupportedGrantType = "unsupported_grant_type"
	temporarily          = "temporarily_unavailable"
	serverError          = "server_error"
)

const federationHelp = "Check your federated identity credential Subject, Audience and Issuer against the presented assertion. https://learn.microsoft.com/entra/workload-id/workload-identity-federation"

// Faults of the request itself. Inner is the field "error"; the texts are
// Entra's as published in issues and documentation, unless Why says otherwise.
var (
	missingParameter = &fault.Kind{
		Code: "AADSTS900144", Inner: invalidRequest, Status: http.StatusBadRequest,
		Format: "The request body must contain the following parameter: '%s'.",
		Why:    "the form lacks a parameter, or its Content-Type is not application/x-www-form-urlencoded",
		Fix:    "send the parameter once, in the body",
	}
	duplicateParameter = &fault.Kind{
		Code: "AADSTS9000411", Inner: invalidRequest, Status: http.StatusBadRequest,
		Format: "The request is not properly formatted. The parameter '%s' is duplicated.",
		Why:    "a parameter is in the form twice, which RFC 6749, section 3.2, forbids",
		Fix:    "send the parameter once",
	}
	badForm = &fault.Kind{
		Code: "AADSTS90013", Inner: invalidRequest, Status: http.StatusBadRequest,
		Format: "Invalid input received from the user. %s",
		Why:    "the body is not a form, or is larger than any token request",
		Fix:    "send an application/x-www-form-urlencoded body of at most 64 KiB",
	}
	badRequest = &fault.Kind{
		Code: "AADSTS90023", Inner: invalidRequest, Status: http.StatusBadRequest,
		Format: "The authentication service request isn't valid. %s",
		Why:    "the parameters contradict each other or name something that does not exist; the second sentence is ours",
		Fix:    "see the second sentence of the text",
	}
	onlyPOST = &fault.Kind{
		Code: "AADSTS900561", Inner: invalidRequest, Status: http.StatusBadRequest,
		Format: "The endpoint only accepts %s requests. Received a %s request.",
		Why:    "the endpoint exists and has another method",
		Fix:    "use the method that the text names",
	}
	noEndpoint = &fault.Kind{
		Code: "NotFound", Inner: invalidRequest, Status: http.StatusNotFound,
		Format: "The token service has no endpoint %s.",
		Why:    "the path is none of the token service's; the text is ours",
		Fix:    "take the endpoint from /TENANT/v2.0/.well-known/openid-configuration",
	}
	unsupportedGrant = &fault.Kind{
		Code: "AADSTS70003", Inner: unsupportedGrantType, Status: http.StatusBadRequest,
		Format: "The app requested an unsupported grant type '%s'.",
		Why:    "aksess has no users, so client_credentials is the only grant",
		Fix:    "use grant_type=client_credentials",
	}
	badScope = &fault.Kind{
		Code: "AADSTS1002012", Inner: invalidScope, Status: http.StatusBadRequest,
		Format: "The provided value for scope %s is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier (application ID URI).",
		Why:    "an application cannot ask for single permissions, only for all it was granted",
		Fix:    "ask for RESOURCE/.default",
	}
	manyScopes = &fault.Kind{
		Code: "AADSTS70011", Inner: invalidScope, Status: http.StatusBadRequest,
		Format: "The provided request must include a 'scope' input parameter. The provided value for the input parameter 'scope' is not valid. The scope %s is not valid.",
		Why:    "a token is for one resource",
		Fix:    "ask for one RESOURCE/.default at a time",
	}
	unknownResource = &fault.Kind{
		Code: "AADSTS500011", Inner: invalidResource, Status: http.StatusBadRequest,
		Format: "The resource principal named %s was not found in the tenant named %s. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You might have sent your authentication request to the wrong tenant.",
		Link:   chain.LinkManagedIdentity,
		Why:    "no service and no application of the tenant has this identifier; a doubled slash or a wrong host is enough",
		Fix:    "compare the scope with the service's documented one, such as https://vault.azure.net/.default",
	}
	disabledResource = &fault.Kind{
		Code: "AADSTS500014", Inner: invalidResource, Status: http.StatusBadRequest,
		Format: "The service principal for resource '%s' is disabled. This indicate that a subscription within the tenant has lapsed, or that the administrator for this tenant has disabled the application, preventing tokens from being issued for it.",
		Link:   chain.LinkManagedIdentity,
		Why:    "the application that the token is for is disabled",
		Fix:    "enable it: az ad sp update --id CLIENT-ID --set accountEnabled=true",
	}
	badTenantName = &fault.Kind{
		Code: "AADSTS900023", Inner: invalidRequest, Status: http.StatusBadRequest,
		Format: "Specified tenant identifier '%s' is neither a valid DNS name, nor a valid external domain.",
		Link:   chain.LinkManagedIdentity,
		Why:    "the tenant in the path is neither a GUID nor a domain",
		Fix:    "set AZURE_TENANT_ID to the tenant's GUID",
	}
	unknownTenant = &fault.Kind{
		Code: "AADSTS90002", Inner: invalidTenant, Status: http.StatusBadRequest,
		Format: "Tenant '%s' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud. Check with your subscription administrator, this may happen if there are no active subscriptions for the tenant.",
		Link:   chain.LinkManagedIdentity,
		Why:    "this local Azure has no such tenant",
		Fix:    "set AZURE_TENANT_ID to the identity's home tenant",
	}
	noTenant = &fault.Kind{
		Code: "AADSTS50059", Inner: invalidRequest, Status: http.StatusBadRequest,
		Format: "No tenant-identifying information found in either the request or implied by any provided credentials.",
		Link:   chain.LinkManagedIdentity,
		Why:    "an application signs in to one tenant; common, organizations and consumers name none",
		Fix:    "put the tenant's GUID into the path: set AZURE_TENANT_ID",
	}
	unknownInstance = &fault.Kind{
		Code: "AADSTS50049", Inner: invalidInstance, Status: http.StatusBadRequest,
		Format: "Unknown or invalid instance.",
		Why:    "the authorization_endpoint is on a host that is not this cloud's",
		Fix:    "set AZURE_AUTHORITY_HOST to https://login.microsoftonline.com/ or leave it unset",
	}
	overloaded = &fault.Kind{
		Code: "AADSTS90055", Inner: temporarily, Status: http.StatusTooManyRequests,
		Format: "There are too many incoming requests. Retry after the time that Retry-After names.",
		Why:    "more tokens are asked for than this machine can sign; the second sentence is ours",
		Fix:    "cache tokens until they expire, as the SDKs do",
	}
	internalError = &fault.Kind{
		Code: "AADSTS50000", Inner: serverError, Status: http.StatusInternalServerError,
		Format: "There was an error issuing a token or an issue with our sign-in service.",
		Why:    "something inside aksess failed; the log has the cause under the trace id",
		Fix:    "report it with the log line",
	}
)
