package storage

import (
	"github.com/aksess/aksess/internal/chain"
	"github.com/aksess/aksess/internal/fault"
)

// Refusals that blobs and queues share
// (https://learn.microsoft.com/rest/api/storageservices/common-rest-api-error-codes).
var (
	AccountNotFound = &fault.Kind{Code: "StorageAccountNotFound", Status: 404, Link: chain.LinkData,
		Format: "The storage account '%s' does not exist here. Azure has no name for such a host; aksess answers in its place.",
		Why:    "no storage account of that name was created", Fix: "create the account or correct the host name"}
	NoAuthenticationInformation = &fault.Kind{Code: "NoAuthenticationInformation", Status: 401, Link: chain.LinkManagedIdentity,
		Format: "Server failed to authenticate the request. Please refer to the information in the www-authenticate header.",
		Why:    "the request carries no credential", Fix: "sign in and send a token for https://storage.azure.com/.default"}
	InvalidAuthenticationInfo = &fault.Kind{Code: "InvalidAuthenticationInfo", Status: 401, Link: chain.LinkManagedIdentity,
		Format: "Server failed to authenticate the request. Please refer to the information in the www-authenticate header.",
		Why:    "the token is not one that this account accepts; AuthenticationErrorDetail says why",
		Fix:    "ask the account's tenant for a token with the scope https://storage.azure.com/.default"}
	AuthenticationFailed = &fault.Kind{Code: "AuthenticationFailed", Status: 403, Link: chain.LinkManagedIdentity,
		Format: "Server failed to authenticate the request. Make sure the value of Authorization header is formed correctly including the signature.",
		Why:    "the signature is not one of the account's keys, or the request is too old; AuthenticationErrorDetail says which",
		Fix:    "list the account's keys anew and check the clock, or use a token credential"}
	InvalidAuthorizationHeader = &fault.Kind{Code: "InvalidAuthenticationInfo", Inner: "InvalidAuthorizationHeader", Status: 400, Link: chain.LinkManagedIdentity,
		Format: "Authentication information is not given in the correct format. Check the value of Authorization header.",
		Why:    "the credential is not ACCOUNT:SIGNATURE", Fix: "send Authorization: SharedKey account:signature"}
	KeyBasedAuthenticationNotPermitted = &fault.Kind{Code: "KeyBasedAuthenticationNotPermitted", Status: 403, Link: chain.LinkManagedIdentity,
		Format: "Key based authentication is not permitted on this storage account.",
		Why:    "the account has allowSharedKeyAccess set to false", Fix: "use a token credential"}
	AuthorizationPermissionMismatch = &fault.Kind{Code: "AuthorizationPermissionMismatch", Status: 403, Link: chain.LinkAccess,
		Format: "This request is not authorized to perform this operation using this permission.",
		Why:    "no role assignment of the caller grants the action",
		Fix:    "assign a Storage data role, such as Storage Blob Data Contributor; Owner and Contributor grant no data access"}
	AuthorizationServiceMismatch = &fault.Kind{Code: "AuthorizationServiceMismatch", Status: 403, Link: chain.LinkAccess,
		Format: "This request is not authorized to perform this operation using this service.",
		Why:    "the shared access signature is for other services", Fix: "sign one whose ss has the service"}
	AuthorizationResourceTypeMismatch = &fault.Kind{Code: "AuthorizationResourceTypeMismatch", Status: 403, Link: chain.LinkAccess,
		Format: "This request is not authorized to perform this operation using this resource type.",
		Why:    "the shared access signature is for other levels: service, containers or objects", Fix: "sign one whose srt has the level"}
	AuthorizationSourceIPMismatch = &fault.Kind{Code: "AuthorizationSourceIPMismatch", Status: 403, Link: chain.LinkFirewall,
		Format: "This request is not authorized to perform this operation using this source IP %s.",
		Why:    "the shared access signature is for other addresses", Fix: "sign one whose sip has the caller's address"}
	AuthorizationProtocolMismatch = &fault.Kind{Code: "AuthorizationProtocolMismatch", Status: 403, Link: chain.LinkAccess,
		Format: "This request is not authorized to perform this operation using this protocol.",
		Why:    "spr is neither https nor https,http", Fix: "sign one for https"}
	AuthorizationFailure = &fault.Kind{Code: "AuthorizationFailure", Status: 403, Link: chain.LinkFirewall,
		Format: "This request is not authorized to perform this operation.",
		Why:    "the account's network rules do not admit the caller's address", Fix: "add the address or the subnet to the account's network rules"}
	NotServed = &fault.Kind{Code: "NotImplemented", Status: 501, Link: chain.LinkData,
		Format: "%s is not served by aksess.",
		Why:    "this operation or option of the real service is not implemented", Fix: "see the service's README for what is"}
	UnsupportedHTTPVerb = &fault.Kind{Code: "UnsupportedHttpVerb", Status: 405, Link: chain.LinkData,
		Format: "The resource doesn't support the specified HTTP verb.", Why: "the path has other methods", Fix: "use one that the Allow header names"}

	InvalidResourceName = &fault.Kind{Code: "InvalidResourceName", Status: 400, Link: chain.LinkData,
		Format: "The specified resource name contains invalid characters.",
		Why:    "names of containers and queues are lower-case letters, digits and single hyphens", Fix: "choose another name"}
	OutOfRangeInput = &fault.Kind{Code: "OutOfRangeInput", Status: 400, Link: chain.LinkData,
		Format: "The specified resource name length is not within the permissible limits.",
		Why:    "names of containers and queues have 3 to 63 characters, of blobs 1 to 1,024", Fix: "choose another name"}
	InvalidQueryParameterValue = &fault.Kind{Code: "InvalidQueryParameterValue", Status: 400, Link: chain.LinkData,
		Format: "Value for one of the query parameters specified in the request URI is invalid.",
		Why:    "a query parameter is malformed; QueryParameterName names it", Fix: "correct the parameter"}
	OutOfRangeQueryParameterValue = &fault.Kind{Code: "OutOfRangeQueryParameterValue", Status: 400, Link: chain.LinkData,
		Format: "One of the query parameters specified in the request URI is outside the permissible range.",
		Why:    "a query parameter is beyond its limits; QueryParameterName names it", Fix: "correct the parameter"}
	MissingRequiredQueryParameter = &fault.Kind{Code: "MissingRequiredQueryParameter", Status: 400, Link: chain.LinkData,
		Format: "A query parameter that's mandatory for this request is not specified.",
		Why:    "a query parameter is missing; QueryParameterName names it", Fix: "add the parameter"}
	InvalidHeaderValue = &fault.Kind{Code: "InvalidHeaderValue", Status: 400, Link: chain.LinkData,
		Format: "The value for one of the HTTP headers is not in the correct format.",
		Why:    "a header is malformed; HeaderName names it", Fix: "correct the header"}
	MissingRequiredHeader = &fault.Kind{Code: "MissingRequiredHeader", Status: 400, Link: chain.LinkData,
		Format: "An HTTP header that's mandatory for this request is not specified.",
		Why:    "a header is missing; HeaderName names it", Fix: "add the header"}
	InvalidMetadata = &fault.Kind{Code: "InvalidMetadata", Status: 400, Link: chain.LinkData,
		Format: "The metadata specified is invalid. It has characters that are not permitted.",
		Why:    "names of metadata are C# identifiers, values are ASCII", Fix: "rename the metadata"}
	EmptyMetadataKey = &fault.Kind{Code: "EmptyMetadataKey", Status: 400, Link: chain.LinkData,
		Format: "The key for one of the metadata key-value pairs is empty.", Why: "a header x-ms-meta- has no name", Fix: "name the metadata"}
	MetadataTooLarge = &fault.Kind{Code: "MetadataTooLarge", Status: 400, Link: chain.LinkData,
		Format: "The size of the specified metadata exceeds the maximum size permitted.", Why: "metadata is at most 8 KiB", Fix: "store less of it"}
	InvalidXMLDocument = &fault.Kind{Code: "InvalidXmlDocument", Status: 400, Link: chain.LinkData,
		Format: "XML specified is not syntactically valid.", Why: "the body is not the XML that the operation takes", Fix: "correct the body"}
	InvalidInput = &fault.Kind{Code: "InvalidInput", Status: 400, Link: chain.LinkData,
		Format: "One of the request inputs is not valid.", Why: "the body ended before its declared length", Fix: "send the request again"}
	RequestBodyTooLarge = &fault.Kind{Code: "RequestBodyTooLarge", Status: 413, Link: chain.LinkData,
		Format: "The request body is too large and exceeds the maximum permissible limit.",
		Why:    "the body is beyond the operation's limit, which MaxLimit names", Fix: "send less"}
	ConditionNotMet = &fault.Kind{Code: "ConditionNotMet", Status: 412, Link: chain.LinkData,
		Format: "The condition specified using HTTP conditional header(s) is not met.",
		Why:    "the object was changed, or is not in the state that the caller asked for", Fix: "read it again and decide anew"}
	NotModified = &fault.Kind{Code: "ConditionNotMet", Inner: "NotModified", Status: 304, Link: chain.LinkData,
		Format: "The condition specified using HTTP conditional header(s) is not met.",
		Why:    "the caller's copy is current", Fix: "nothing: use the copy"}
)

// Refusals of containers and blobs
// (https://learn.microsoft.com/rest/api/storageservices/blob-service-error-codes).
var (
	ContainerNotFound = &fault.Kind{Code: "ContainerNotFound", Status: 404, Link: chain.LinkData,
		Format: "The specified container does not exist.", Why: "the account has no such container", Fix: "create it or correct the name"}
	ContainerAlreadyExists = &fault.Kind{Code: "ContainerAlreadyExists", Status: 409, Link: chain.LinkData,
		Format: "The specified container already exists.", Why: "a container has the name", Fix: "use it or choose another name"}
	PublicAccessNotPermitted = &fault.Kind{Code: "PublicAccessNotPermitted", Status: 409, Link: chain.LinkData,
		Format: "Public access is not permitted on this storage account.",
		Why:    "the account has allowBlobPublicAccess set to false, which is the default", Fix: "leave the container private"}
	BlobNotFound = &fault.Kind{Code: "BlobNotFound", Status: 404, Link: chain.LinkData,
		Format: "The specified blob does not exist.", Why: "the container has no such blob", Fix: "check the name: case and slashes count"}
	BlobAlreadyExists = &fault.Kind{Code: "BlobAlreadyExists", Status: 409, Link: chain.LinkData,
		Format: "The specified blob already exists.", Why: "the request asked for a new blob", Fix: "choose another name or overwrite it"}
	LeaseAlreadyPresent = &fault.Kind{Code: "LeaseAlreadyPresent", Status: 409, Link: chain.LinkData,
		Format: "There is already a lease present.", Why: "another client holds the lease", Fix: "wait until it is released or expires, or break it"}
	LeaseIDMissing = &fault.Kind{Code: "LeaseIdMissing", Status: 412, Link: chain.LinkData,
		Format: "There is currently a lease on the %s and no lease ID was specified in the request.",
		Why:    "a client holds a lease, and only it may write", Fix: "send x-ms-lease-id, or break the lease"}
	LeaseIDMismatchWithBlobOperation = &fault.Kind{Code: "LeaseIdMismatchWithBlobOperation", Status: 412, Link: chain.LinkData,
		Format: "The lease ID specified did not match the lease ID for the blob.", Why: "another lease was taken", Fix: "acquire the lease again"}
	LeaseIDMismatchWithContainerOperation = &fault.Kind{Code: "LeaseIdMismatchWithContainerOperation", Status: 412, Link: chain.LinkData,
		Format: "The lease ID specified did not match the lease ID for the container.", Why: "another lease was taken", Fix: "acquire the lease again"}
	LeaseIDMismatchWithLeaseOperation = &fault.Kind{Code: "LeaseIdMismatchWithLeaseOperation", Status: 409, Link: chain.LinkData,
		Format: "The lease ID specified did not match the lease ID for the %s.",
		Why:    "the lease was released, or another one was taken", Fix: "acquire the lease again"}
	LeaseIsBreakingAndCannotBeAcquired = &fault.Kind{Code: "LeaseIsBreakingAndCannotBeAcquired", Status: 409, Link: chain.LinkData,
		Format: "The lease ID matched, but the lease is currently in breaking state and cannot be acquired until it is broken.",
		Why:    "someone breaks the lease, and its break period is not over", Fix: "wait as long as x-ms-lease-time of the break said"}
	LeaseIsBreakingAndCannotBeChanged = &fault.Kind{Code: "LeaseIsBreakingAndCannotBeChanged", Status: 409, Link: chain.LinkData,
		Format: "The lease ID matched, but the lease is currently in breaking state and cannot be changed.",
		Why:    "someone breaks the lease", Fix: "release it, or wait until it is broken and acquire it again"}
	LeaseIsBrokenAndCannotBeRenewed = &fault.Kind{Code: "LeaseIsBrokenAndCannotBeRenewed", Status: 409, Link: chain.LinkData,
		Format: "The lease ID matched, but the lease has been broken explicitly and cannot be renewed.",
		Why:    "someone broke the lease", Fix: "acquire it again"}
	LeaseLost = &fault.Kind{Code: "LeaseLost", Status: 412, Link: chain.LinkData,
		Format: "A lease ID was specified, but the lease for the %s has expired.",
		Why:    "the lease was not renewed in time, or was broken", Fix: "acquire it again, and read before you write"}
	LeaseNotPresentWithBlobOperation = &fault.Kind{Code: "LeaseNotPresentWithBlobOperation", Status: 412, Link: chain.LinkData,
		Format: "There is currently no lease on the blob.", Why: "the lease was released, or its blob was written since it ended", Fix: "acquire it again"}
	LeaseNotPresentWithContainerOperation = &fault.Kind{Code: "LeaseNotPresentWithContainerOperation", Status: 412, Link: chain.LinkData,
		Format: "There is currently no lease on the container.", Why: "the lease was released", Fix: "acquire it again"}
	LeaseNotPresentWithLeaseOperation = &fault.Kind{Code: "LeaseNotPresentWithLeaseOperation", Status: 409, Link: chain.LinkData,
		Format: "There is currently no lease on the %s.", Why: "the lease was never taken, or has ended", Fix: "acquire it"}
	SnapshotsPresent = &fault.Kind{Code: "SnapshotsPresent", Status: 409, Link: chain.LinkData,
		Format: "This operation is not permitted while the blob has snapshots.",
		Why:    "a blob is deleted with its snapshots or after them", Fix: "send x-ms-delete-snapshots: include, or delete the snapshots first"}
	InvalidTags = &fault.Kind{Code: "InvalidTags", Status: 400, Link: chain.LinkData,
		Format: "The tags specified are invalid. It contains characters that are not permitted.",
		Why:    "a blob has at most 10 tags of 128 and 256 characters: letters, digits, spaces and +-./:=_, each key once", Fix: "correct the tags"}
	CopySourceNotFound = &fault.Kind{Code: "CannotVerifyCopySource", Inner: "CopySourceNotFound", Status: 404, Link: chain.LinkData,
		Format: "The specified resource does not exist.", Why: "there is no blob at x-ms-copy-source", Fix: "correct the URL of the source"}
	CopySourceUnauthenticated = &fault.Kind{Code: "CannotVerifyCopySource", Inner: "CopySourceUnauthenticated", Status: 401, Link: chain.LinkManagedIdentity,
		Format: "Server failed to authenticate the request. Please refer to the information in the www-authenticate header.",
		Why:    "the source takes another credential than the request has", Fix: "put a shared access signature into the URL of the source"}
	CopySourceForbidden = &fault.Kind{Code: "CannotVerifyCopySource", Inner: "CopySourceForbidden", Status: 403, Link: chain.LinkAccess,
		Format: "This request is not authorized to perform this operation using this permission.",
		Why:    "the caller may write the destination and not read the source", Fix: "assign Storage Blob Data Reader at the source, or sign its URL"}
	CopySourceConditionNotMet = &fault.Kind{Code: "SourceConditionNotMet", Status: 412, Link: chain.LinkData,
		Format: "The source condition specified using HTTP conditional header(s) is not met.",
		Why:    "the source was changed, or is not in the state that the caller asked for", Fix: "read it again and decide anew"}
	NoPendingCopyOperation = &fault.Kind{Code: "NoPendingCopyOperation", Status: 409, Link: chain.LinkData,
		Format: "There is currently no pending copy operation.", Why: "copies are complete when they are answered", Fix: "nothing: the copy is there"}
	InvalidBlockList = &fault.Kind{Code: "InvalidBlockList", Status: 400, Link: chain.LinkData,
		Format: "The specified block list is invalid.", Why: "the list names a block that was not uploaded", Fix: "upload the block first"}
	InvalidBlobOrBlock = &fault.Kind{Code: "InvalidBlobOrBlock", Status: 400, Link: chain.LinkData,
		Format: "The specified blob or block content is invalid.", Why: "the ids of a blob's blocks have one length", Fix: "pad the block ids"}
	InvalidBlockID = &fault.Kind{Code: "InvalidBlockId", Status: 400, Link: chain.LinkData,
		Format: "The specified block ID is invalid. The block ID must be Base64-encoded.",
		Why:    "a block id is 1 to 64 bytes in base64", Fix: "encode the block id"}
	BlockListTooLong = &fault.Kind{Code: "BlockListTooLong", Status: 400, Link: chain.LinkData,
		Format: "The block list may not contain more than 50,000 blocks.", Why: "a blob has at most 50,000 blocks", Fix: "use larger blocks"}
)

// Refusals of queues and messages
// (https://learn.microsoft.com/rest/api/storageservices/queue-service-error-codes).
var (
	QueueNotFound = &fault.Kind{Code: "QueueNotFound", Status: 404, Link: chain.LinkData,
		Format: "The specified queue does not exist.", Why: "the account has no such queue", Fix: "create it or correct the name"}
	QueueAlreadyExists = &fault.Kind{Code: "QueueAlreadyExists", Status: 409, Link: chain.LinkData,
		Format: "The specified queue already exists.", Why: "a queue has the name, with other metadata", Fix: "use it or choose another name"}
	MessageNotFound = &fault.Kind{Code: "MessageNotFound", Status: 404, Link: chain.LinkData,
		Format: "The specified message does not exist.",
		Why:    "the message is gone, or was received again and the pop receipt is an old one", Fix: "receive the message again"}
	PopReceiptMismatch = &fault.Kind{Code: "PopReceiptMismatch", Status: 400, Link: chain.LinkData,
		Format: "The specified pop receipt did not match the pop receipt for a dequeued message.",
		Why:    "the pop receipt is not the one that the last receive or update gave", Fix: "use the newest pop receipt"}
)
