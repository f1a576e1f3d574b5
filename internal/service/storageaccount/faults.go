package storageaccount

import "github.com/aksess/aksess/internal/fault"

// Refusals of Microsoft.Storage
// (https://learn.microsoft.com/rest/api/storagerp/srp_error_codes_common).
var (
	badName = &fault.Kind{Code: "AccountNameInvalid", Status: 400,
		Format: "%s is not a valid storage account name. Storage account name must be between 3 and 24 characters in length and use numbers and lower-case letters only.",
		Why:    "account names are host names", Fix: "choose another name"}
	nameTaken = &fault.Kind{Code: "StorageAccountAlreadyTaken", Status: 409,
		Format: "The storage account named %s is already taken.",
		Why:    "names of storage accounts are unique across Azure", Fix: "choose another name"}
	badProperties = &fault.Kind{Code: "InvalidRequestPropertyValue", Status: 400,
		Format: "The value '%s' is not allowed for property %s. For more information, see - https://aka.ms/storageaccountupdate",
		Why:    "a property of the account is not one that Azure takes", Fix: "use a value that the REST reference names"}
	badRule = &fault.Kind{Code: "InvalidValuesForRequestParameters", Status: 400,
		Format: "Values for request parameters are invalid: networkAcls.ipRules[*].value. '%s' is not a public IPv4 address or range.",
		Why:    "IP rules are for addresses of the internet", Fix: "allow a subnet for private addresses"}
	noSKU = &fault.Kind{Code: "SkuMissing", Status: 400,
		Format: "The account SKU is required and must be one that exists; found '%s'.",
		Why:    "an account has a SKU such as Standard_LRS", Fix: "send sku.name"}
	serviceStays = &fault.Kind{Code: "OperationNotAllowed", Status: 405,
		Format: "The %s of a storage account cannot be deleted.", Why: "a service is there as long as its account", Fix: "delete the account"}
	badKey = &fault.Kind{Code: "InvalidKeyName", Status: 400,
		Format: "The key name '%s' is not one of key1, key2.", Why: "an account has two keys", Fix: "name one of them"}
	notServed = &fault.Kind{Code: "FeatureNotSupportedForAccount", Status: 501,
		Format: "The setting %s of '%s' is not served by aksess: it would be kept and have no effect.",
		Why:    "the data plane does not act on this setting", Fix: "leave the setting out, or see the service's README"}
)
