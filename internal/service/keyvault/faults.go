package keyvault

import (
	"github.com/aksess/aksess/internal/chain"
	"github.com/aksess/aksess/internal/fault"
)

const (
	helpNotFound = "If you recently deleted this secret you may be able to recover it using the correct recovery command. " +
		"For help resolving this issue, please see https://go.microsoft.com/fwlink/?linkid=2125182"
	helpPolicy = "For help resolving this issue, please see https://go.microsoft.com/fwlink/?linkid=2125287"
)

// Refusals of the data plane (https://learn.microsoft.com/azure/key-vault/general/rest-error-codes).
var (
	missingToken = &fault.Kind{Code: "Unauthorized", Name: "AKV10000", Status: 401, Link: chain.LinkManagedIdentity,
		Format: "AKV10000: Request is missing a Bearer or PoP token.",
		Why:    "the first request of every client comes without a token, to learn the vault's tenant", Fix: "nothing: the client now asks for a token"}
	badToken = &fault.Kind{Code: "Unauthorized", Name: "AKV10046", Status: 401, Link: chain.LinkManagedIdentity,
		Format: "AKV10046: Unable to resolve the key used for signature validation or the token is not valid: %s.",
		Why:    "the bearer token does not verify", Fix: "sign in again and send the token unchanged"}
	badAudience = &fault.Kind{Code: "Unauthorized", Name: "AKV10022", Status: 401, Link: chain.LinkManagedIdentity,
		Format: "AKV10022: Invalid audience. Expected https://vault.azure.net, found: %s.",
		Why:    "the token was issued for another resource", Fix: "ask for the scope https://vault.azure.net/.default"}
	badIssuer = &fault.Kind{Code: "Unauthorized", Name: "AKV10032", Status: 401, Link: chain.LinkManagedIdentity,
		Format: "AKV10032: Invalid issuer. Expected one of https://sts.windows.net/%s/, found %s.",
		Why:    "the vault belongs to another tenant than the caller", Fix: "use an identity of the vault's tenant"}
	byRole = &fault.Kind{Code: "Forbidden", Inner: "ForbiddenByRbac", Status: 403, Link: chain.LinkAccess,
		Format: "Caller is not authorized to perform action on resource.\r\nIf role assignments, deny assignments or role definitions were changed recently, please observe propagation time.\r\n" +
			"Caller: appid=%s;oid=%s;iss=https://sts.windows.net/%s/\r\nAction: '%s'\r\nResource: '%s'\r\nAssignment: (not found)\r\nDenyAssignmentId: null\r\nDecisionReason: null \r\nVault: %s;location=%s\r\n",
		Why: "no role assignment of the caller grants the data action", Fix: "assign Key Vault Secrets User at the vault"}
	byPolicy = &fault.Kind{Code: "Forbidden", Inner: "ForbiddenByPolicy", Status: 403, Link: chain.LinkAccess,
		Format: "The user, group or application 'appid=%s;oid=%s;iss=https://sts.windows.net/%s/' does not have %s %s permission on key vault '%s;location=%s'. " + helpPolicy,
		Why:    "the caller's access policy lacks the permission", Fix: "add the permission to the access policy"}
	noPolicy = &fault.Kind{Code: "Forbidden", Inner: "AccessDenied", Status: 403, Link: chain.LinkAccess,
		Format: byPolicy.Format,
		Why:    "the vault has no access policy for the caller", Fix: "add an access policy for the caller's object id"}
	byFirewall = &fault.Kind{Code: "Forbidden", Inner: "ForbiddenByFirewall", Status: 403, Link: chain.LinkFirewall,
		Format: "Client address is not authorized and caller is not a trusted service.\r\nClient address: %s\r\nCaller: appid=%s;oid=%s;iss=https://sts.windows.net/%s/\r\nVault: %s;location=%s",
		Why:    "the vault's network rules do not admit the caller's address", Fix: "add the address or the subnet to the vault's network rules"}
	secretDisabled = &fault.Kind{Code: "Forbidden", Inner: "SecretDisabled", Status: 403, Link: chain.LinkData,
		Format: "Operation get is not allowed on a disabled secret.",
		Why:    "the secret version is disabled", Fix: "enable it or read another version"}
	secretNotFound = &fault.Kind{Code: "SecretNotFound", Status: 404, Link: chain.LinkData,
		Format: "A secret with (name/id) %s was not found in this key vault. " + helpNotFound,
		Why:    "the vault holds no such secret", Fix: "check the name and the vault"}
	deletedNotFound = &fault.Kind{Code: "SecretNotFound", Name: "deleted", Status: 404, Link: chain.LinkData,
		Format: "Deleted Secret not found: %s",
		Why:    "no deleted secret of that name waits for recovery", Fix: "check the name and the vault"}
	nameDeleted = &fault.Kind{Code: "Conflict", Inner: "ObjectIsDeletedButRecoverable", Status: 409, Link: chain.LinkData,
		Format: "Secret %s is currently in a deleted but recoverable state, and its name cannot be reused; in this state, the secret can only be recovered or purged.",
		Why:    "soft delete keeps the name", Fix: "recover or purge the deleted secret"}
	nameTaken = &fault.Kind{Code: "Conflict", Status: 409, Link: chain.LinkData,
		Format: "Secret %s already exists; it cannot be recovered or restored under this name.",
		Why:    "a live secret has the name", Fix: "delete it first"}
	purgeProtected = &fault.Kind{Code: "Forbidden", Inner: "PurgeProtected", Status: 403, Link: chain.LinkData,
		Format: "Operation \"purge\" is not allowed because purge protection is enabled for this vault. Key Vault service will automatically purge it after the retention period has passed.",
		Why:    "purge protection is on", Fix: "recover the secret or wait for the retention to end"}
	badParameter = &fault.Kind{Code: "BadParameter", Status: 400, Link: chain.LinkData,
		Format: "%s", Why: "the request is not what the operation takes", Fix: "correct the parameter that the message names"}
	vaultNotFound = &fault.Kind{Code: "VaultNotFound", Status: 404, Link: chain.LinkData,
		Format: "The vault '%s' does not exist here. Azure has no name for such a host; aksess answers in its place.",
		Why:    "no vault of that name was created", Fix: "create the vault or correct the host name"}
	notServed = &fault.Kind{Code: "OperationNotSupported", Status: 501, Link: chain.LinkData,
		Format: "%s %s is not served by aksess: secrets and certificate contacts are, keys and certificates are not.",
		Why:    "this operation of Key Vault is not implemented", Fix: "see the service's README for what is"}
	noContacts = &fault.Kind{Code: "ContactsNotFound", Status: 404, Link: chain.LinkData,
		Format: "Contacts not found", Why: "nobody set certificate contacts of this vault", Fix: "set them first"}
	methodNotAllowed = &fault.Kind{Code: "MethodNotAllowed", Name: "path", Status: 405, Link: chain.LinkData,
		Format: "The method %s is not allowed on %s.", Why: "the path has other methods", Fix: "use one that the Allow header names"}
)

// Refusals of the vault as a resource.
var (
	badVaultName = &fault.Kind{Code: "VaultNameNotValid", Status: 400,
		Format: "The vault name '%s' is invalid. A vault's name must be between 3-24 alphanumeric characters. The name must begin with a letter, end with a letter or digit, and not contain consecutive hyphens. Follow this link for more information: https://go.microsoft.com/fwlink/?linkid=2147742",
		Why:    "vault names are host names", Fix: "choose another name"}
	vaultExists = &fault.Kind{Code: "VaultAlreadyExists", Status: 409,
		Format: "The vault name '%s' is already in use. Vault names are globaly unique so it is possible that the name is already taken. If you are sure that the vault name was not taken then it is possible that a vault with the same name was recently deleted but not purged after being placed in a recoverable state. If the vault is in a recoverable state then the vault will need to be purged before reusing the name. For more information on soft delete and purging a vault follow this link https://go.microsoft.com/fwlink/?linkid=2147740.",
		Why:    "a vault's name is a host name and there is one of it", Fix: "choose another name"}
	vaultDeleted = &fault.Kind{Code: "ConflictError", Status: 409,
		Format: "A vault with the same name already exists in deleted state. You need to either recover or purge existing key vault. Follow this link https://go.microsoft.com/fwlink/?linkid=2149745 for more information on soft delete.",
		Why:    "soft delete keeps a vault's name", Fix: "create it with createMode recover, or purge the deleted vault"}
	modelFixed = &fault.Kind{Code: "InsufficientPermissions", Status: 400, Link: chain.LinkAccess,
		Format: "Caller is not allowed to change permission model. For more information on how to change the permissions model follow this link: https://go.microsoft.com/fwlink/?linkid=2155160. " +
			"Details: oid=%s; action=Microsoft.Authorization/roleAssignments/write; resource=%s; decision=NotAllowed; ",
		Why: "who changes between roles and access policies decides who reads the vault, and must be allowed to assign roles", Fix: "have an Owner or User Access Administrator change enableRbacAuthorization"}
	noDeletedVault = &fault.Kind{Code: "DeletedVaultNotFound", Status: 404,
		Format: "The specified deleted vault '%s' does not exist.",
		Why:    "no deleted vault of that name waits for recovery in the subscription and location", Fix: "list the deleted vaults"}
	vaultProtected = &fault.Kind{Code: "MethodNotAllowed", Name: "protected", Status: 405,
		Format: "Operation 'DeletedVaultPurge' is not allowed.",
		Why:    "the vault was deleted with purge protection on", Fix: "recover the vault or wait for its retention to end"}
	badVault = &fault.Kind{Code: "BadRequest", Status: 400,
		Format: "%s", Why: "the vault's properties are not valid", Fix: "correct the property that the message names"}
)
