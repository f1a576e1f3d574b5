package arm

import (
	"net/http"

	"github.com/aksess/aksess/internal/chain"
	"github.com/aksess/aksess/internal/fault"
)

// Faults of authentication and authorization on management.azure.com.
var (
	noToken = &fault.Kind{
		Code: "AuthenticationFailed", Status: http.StatusUnauthorized, Link: chain.LinkManagedIdentity,
		Format: "Authentication failed. The 'Authorization' header is missing.",
		Why:    "the request carries no token",
		Fix:    "get a token for https://management.azure.com and send it as Authorization: Bearer",
	}
	badToken = &fault.Kind{
		Code: "InvalidAuthenticationToken", Status: http.StatusUnauthorized, Link: chain.LinkManagedIdentity,
		Format: "The access token is invalid: %s.",
		Why:    "the token does not verify",
		Fix:    "get a new token from the token service that this Azure trusts",
	}
	badAudience = &fault.Kind{
		Code: "InvalidAuthenticationTokenAudience", Status: http.StatusUnauthorized, Link: chain.LinkManagedIdentity,
		Format: "The access token has been obtained for wrong audience or resource '%s'. It should exactly match with one of the allowed audiences '%s'.",
		Why:    "the token is for another resource",
		Fix:    "ask for the scope https://management.azure.com/.default",
	}
	badTenant = &fault.Kind{
		Code: "InvalidAuthenticationTokenTenant", Status: http.StatusUnauthorized, Link: chain.LinkManagedIdentity,
		Format: "The access token is from the wrong issuer '%s'. It must match the tenant '%s' associated with this subscription. Please use the authority (URL) '%s' to get the token.",
		Why:    "the token is from another tenant than the subscription's",
		Fix:    "sign in to the tenant that the message names",
	}
	notAuthorized = &fault.Kind{
		Code: "AuthorizationFailed", Status: http.StatusForbidden, Link: chain.LinkAccess,
		Format: "The client '%s' with object id '%s' does not have authorization to perform action '%s' over scope '%s' or the scope is invalid. If access was recently granted, please refresh your credentials.",
		Why:    "no role assignment of the caller at or above the scope grants the action",
		Fix:    "assign a role that has the action to the object id, at the scope or above it",
	}
)

// Faults of the request line.
var (
	noVersion = &fault.Kind{
		Code: "MissingApiVersionParameter", Status: http.StatusBadRequest,
		Format: "The api-version query parameter (?api-version=) is required for all requests.",
		Why:    "Resource Manager has no default api-version",
		Fix:    "add ?api-version=, any that the resource type has had",
	}
	badVersion = &fault.Kind{
		Code: "InvalidApiVersionParameter", Status: http.StatusBadRequest,
		Format: "The api-version '%s' is invalid. An api-version is a date such as '2024-11-30', followed by '-preview' where it is one.",
		Why:    "the api-version is not of Azure's form",
		Fix:    "use a version of the form YYYY-MM-DD",
	}
	badPath = &fault.Kind{
		Code: "InvalidRequestUri", Status: http.StatusBadRequest,
		Format: "The request URI is not a resource id: %s.",
		Why:    "the path has an empty, overlong or escaped part that no id can have",
		Fix:    "look at the path for a doubled slash, %2F or an unset variable",
	}
	unknownType = &fault.Kind{
		Code: "InvalidResourceType", Status: http.StatusNotFound,
		Format: "The resource type '%s' could not be found in the namespace '%s' for api version '%s'. Served here: %s.",
		Why:    "aksess does not serve this resource type",
		Fix:    "leave the resource out, or use one of the types in the message",
	}
	UnknownNamespace = &fault.Kind{
		Code: "InvalidResourceNamespace", Status: http.StatusNotFound,
		Format: "The resource namespace '%s' is invalid. Served here: %s.",
		Why:    "aksess serves no resource type of this provider",
		Fix:    "leave the resource out, or use one of the providers in the message",
	}
	noMeaning = &fault.Kind{
		Code: "NotImplemented", Status: http.StatusNotImplemented,
		Format: "The action '%s' is not implemented: resources of this type are stored without a meaning.",
		Why:    "aksess was told to accept types that it does not serve; it cannot act on them",
		Fix:    "leave out what asks for the action",
	}
	badMethod = &fault.Kind{
		Code: "MethodNotAllowed", Status: http.StatusMethodNotAllowed,
		Format: "The requested resource does not support http method '%s'.",
		Why:    "the resource is there, the operation on it is not",
		Fix:    "see the Allow header for what the path takes",
	}
	noSuchPath = &fault.Kind{
		Code: "NotFound", Status: http.StatusNotFound,
		Format: "No operation of Resource Manager is served at '%s'.",
		Why:    "the path is not one of a subscription, resource group, resource or provider",
		Fix:    "compare the path with the REST reference of the resource",
	}
	badSubscription = &fault.Kind{
		Code: "InvalidSubscriptionId", Status: http.StatusBadRequest,
		Format: "The provided subscription identifier '%s' is malformed or invalid.",
		Why:    "a subscription id is a GUID",
		Fix:    "use the id that aksess env prints",
	}
)

// Faults of what is not there.
var (
	noSubscription = &fault.Kind{
		Code: "SubscriptionNotFound", Status: http.StatusNotFound,
		Format: "The subscription '%s' could not be found.",
		Why:    "this Azure has no such subscription",
		Fix:    "use the id that aksess env prints",
	}
	noGroup = &fault.Kind{
		Code: "ResourceGroupNotFound", Status: http.StatusNotFound,
		Format: "Resource group '%s' could not be found.",
		Why:    "the resource group was never created or is deleted",
		Fix:    "create the resource group first",
	}
	ResourceNotFound = &fault.Kind{
		Code: "ResourceNotFound", Status: http.StatusNotFound,
		Format: "The Resource '%s' under resource group '%s' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix",
		Why:    "the resource was never created or is deleted",
		Fix:    "create it, or check group, type and name",
	}
	noParent = &fault.Kind{
		Code: "ParentResourceNotFound", Status: http.StatusNotFound,
		Format: "Failed to perform '%s' on resource(s) of type '%s', because the parent resource '%s' could not be found.",
		Why:    "a child resource needs its parent",
		Fix:    "create the parent first",
	}
)

// Faults of a body.
var (
	InvalidContent = &fault.Kind{
		Code: "InvalidRequestContent", Status: http.StatusBadRequest,
		Format: "The request content was invalid and could not be deserialized: '%s'.",
		Why:    "the body is not what the resource's schema says",
		Fix:    "correct the member that the message names",
	}
	tooLarge = &fault.Kind{
		Code: "RequestContentTooLarge", Status: http.StatusRequestEntityTooLarge,
		Format: "The request content size exceeds the maximum size of %d KB.",
		Why:    "Resource Manager takes bodies up to 4 MB",
		Fix:    "send less",
	}
	notJSON = &fault.Kind{
		Code: "UnsupportedMediaType", Status: http.StatusUnsupportedMediaType,
		Format: "The content media type '%s' is not supported. Only 'application/json' is supported.",
		Why:    "Resource Manager reads JSON only",
		Fix:    "send Content-Type: application/json",
	}
	LocationRequired = &fault.Kind{
		Code: "LocationRequired", Status: http.StatusBadRequest,
		Format: "The location property is required for this definition.",
		Why:    "the resource lives in a region",
		Fix:    "add \"location\" to the body",
	}
	badLocation = &fault.Kind{
		Code: "LocationNotAvailableForResourceType", Status: http.StatusBadRequest,
		Format: "The provided location '%s' is not available for resource type '%s'. List of available regions for the resource type is '%s'.",
		Why:    "no public region has that name",
		Fix:    "use a region's name, such as westeurope",
	}
	movedLocation = &fault.Kind{
		Code: "InvalidResourceLocation", Status: http.StatusConflict,
		Format: "The resource '%s' already exists in location '%s' in resource group '%s'. A resource with the same name cannot be created in location '%s'. Please select a new resource name.",
		Why:    "a resource does not move between regions",
		Fix:    "delete it first, or choose another name",
	}
	badName = &fault.Kind{
		Code: "InvalidResourceName", Status: http.StatusBadRequest,
		Format: "The provided resource name '%s' is invalid: %s.",
		Why:    "Azure's names exclude characters that mean something in a URL",
		Fix:    "rename the resource",
	}
	tooManyTags = &fault.Kind{
		Code: "TooManyTags", Status: http.StatusBadRequest,
		Format: "The request has %d tags. A resource can have at most 50.",
		Why:    "the limit of tags is exceeded",
		Fix:    "remove tags",
	}
	badTagName = &fault.Kind{
		Code: "InvalidTagNameCharacters", Status: http.StatusBadRequest,
		Format: "The tag names '%s' have reserved characters '<,>,%%,&,\\,?,/' or control characters.",
		Why:    "tag names exclude characters that mean something in a URL",
		Fix:    "rename the tag",
	}
	badTag = &fault.Kind{
		Code: "InvalidTag", Status: http.StatusBadRequest,
		Format: "The tag '%s' is invalid: %s.",
		Why:    "a tag's name has 1 to 512 characters and its value at most 256",
		Fix:    "shorten the tag",
	}
)

// Faults of state.
var (
	stale = &fault.Kind{
		Code: "PreconditionFailed", Status: http.StatusPreconditionFailed,
		Format: "The condition '%s' in the %s header was not satisfied. The current ETag is '%s'.",
		Why:    "the resource changed since it was read, or is there although it should not be",
		Fix:    "read it again and decide again",
	}
	Busy = &fault.Kind{
		Code: "AnotherOperationInProgress", Status: http.StatusConflict,
		Format: "Another operation on '%s' is in progress. Retry the request later.",
		Why:    "many writers changed the resource at the same time",
		Fix:    "try again",
	}
	nameTaken = &fault.Kind{
		Code: "NameUnavailable", Status: http.StatusConflict,
		Format: "The name '%s' is already in use. Names of type '%s' are unique across Azure.",
		Why:    "another resource, perhaps in another group, has the name",
		Fix:    "choose another name or delete the other resource",
	}
	GroupBeingDeleted = &fault.Kind{
		Code: "ResourceGroupBeingDeleted", Status: http.StatusConflict,
		Format: "The resource group '%s' is in deprovisioning state and cannot perform this operation.",
		Why:    "the group is being deleted",
		Fix:    "wait until a GET of the group is 404, then create it again",
	}
	underWay = &fault.Kind{
		Code: "OperationNotAllowed", Status: http.StatusConflict,
		Format: "Operation is not allowed: Another operation (%s) is in progress on '%s', please wait for it to finish before starting a new operation.",
		Why:    "the resource is being created or updated",
		Fix:    "poll the running operation to its end, then try again",
	}
	scopeLocked = &fault.Kind{
		Code: "ScopeLocked", Status: http.StatusConflict,
		Format: "The scope '%s' cannot perform %s operation because following scope(s) are locked: '%s'. Please remove the lock and try again.",
		Why:    "a management lock at, above or, for a delete, below the scope forbids it",
		Fix:    "delete the lock, which needs Microsoft.Authorization/locks/delete",
	}
	notLinked = &fault.Kind{
		Code: "LinkedAuthorizationFailed", Status: http.StatusForbidden, Link: chain.LinkAccess,
		Format: "The client '%s' with object id '%s' has permission to perform action '%s' on scope '%s'; however, it does not have permission to perform action(s) '%s' on the linked scope(s) '%s' (respectively) or the linked scope(s) are invalid.",
		Why:    "giving an identity to a resource needs a permission on the identity, too",
		Fix:    "assign Managed Identity Operator at the identity",
	}
	noOperationStatus = &fault.Kind{
		Code: "NotFound", Name: "operation", Status: http.StatusNotFound,
		Format: "The operation '%s' was not found.",
		Why:    "no such operation was begun here, or it ended more than a day ago",
		Fix:    "use the Azure-AsyncOperation or Location header of the answer that began it",
	}
	operationFailed = &fault.Kind{
		Code: "OperationFailed", Status: http.StatusConflict,
		Format: "The operation failed with %s: %s",
		Why:    "the work that a write started did not succeed",
		Fix:    "correct what the message names and write the resource again",
	}
	badSkipToken = &fault.Kind{
		Code: "InvalidSkipToken", Status: http.StatusBadRequest,
		Format: "The provided skip token '%.100s' is invalid.",
		Why:    "the token was not made by this listing",
		Fix:    "follow nextLink as it stands",
	}
	InvalidTop = &fault.Kind{
		Code: "InvalidTopParameter", Status: http.StatusBadRequest,
		Format: "The value '%.100s' of %s is not a positive number.",
		Why:    "$top and $maxpagesize are how many entries a page has at most",
		Fix:    "leave it out or send a number above 0",
	}
	badFilter = &fault.Kind{
		Code: "InvalidFilterInQueryString", Status: http.StatusBadRequest,
		Format: "Invalid $filter '%.200s' specified in the query string: %s.",
		Why:    "the filter is not an expression that this list understands",
		Fix:    "see the service's README for the properties that it filters by",
	}
)
