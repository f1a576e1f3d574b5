package graph

import (
	"encoding/json"
	"maps"
	"slices"
)

// object is one of Graph's objects, by the names of its properties.
type object map[string]any

// form is what kind of JSON a property takes; null clears each.
type form int

const (
	str form = iota + 1
	boolean
	strs
	obj
	objs
	fixed // set by the directory: known, and not to be written
)

// kind is one type of Graph's objects.
type kind struct {
	name  string // "User", as errors name it
	odata string // "user", in microsoft.graph.user
	set   string // "users"
	// properties that the directory keeps as they were sent, and those that it
	// sets itself; what a handler treats on its own is not among them.
	properties map[string]form
	filters    map[string]operand
	shown      []string // in v1.0 when $select does not say; nil shows all
}

// users (https://learn.microsoft.com/graph/api/resources/user).
func userKind() *kind {
	return &kind{
		name: "User", odata: "user", set: "users",
		properties: map[string]form{
			"givenName": str, "surname": str, "jobTitle": str, "mobilePhone": str, "officeLocation": str, "preferredLanguage": str,
			"businessPhones": strs, "mailNickname": str, "usageLocation": str, "department": str, "companyName": str, "city": str,
			"country": str, "state": str, "streetAddress": str, "postalCode": str, "employeeId": str, "employeeType": str, "faxNumber": str,
			"otherMails": strs, "ageGroup": str, "consentProvidedForMinor": str, "passwordPolicies": str, "onPremisesImmutableId": str,
			"showInAddressList": boolean,
			"id":                fixed, "createdDateTime": fixed, "deletedDateTime": fixed, "userType": fixed, "creationType": fixed,
			"proxyAddresses": fixed, "externalUserState": fixed, "onPremisesSyncEnabled": fixed,
		},
		filters: map[string]operand{
			"id": text, "userPrincipalName": text, "displayName": text, "mail": text, "mailNickname": text, "givenName": text, "surname": text,
			"userType": text, "employeeId": text, "accountEnabled": flag, "otherMails": texts,
		},
		shown: []string{
			"id", "businessPhones", "displayName", "givenName", "jobTitle", "mail", "mobilePhone", "officeLocation", "preferredLanguage",
			"surname", "userPrincipalName",
		},
	}
}

// groups (https://learn.microsoft.com/graph/api/resources/group).
func groupKind() *kind {
	return &kind{
		name: "Group", odata: "group", set: "groups",
		properties: map[string]form{
			"visibility": str, "isAssignableToRole": boolean, "classification": str, "preferredDataLocation": str, "preferredLanguage": str,
			"theme": str, "resourceBehaviorOptions": strs, "resourceProvisioningOptions": strs, "creationOptions": strs,
			"id": fixed, "createdDateTime": fixed, "deletedDateTime": fixed, "renewedDateTime": fixed, "expirationDateTime": fixed, "mail": fixed,
			"proxyAddresses": fixed, "securityIdentifier": fixed, "onPremisesSyncEnabled": fixed, "onPremisesDomainName": fixed,
			"onPremisesLastSyncDateTime": fixed, "onPremisesNetBiosName": fixed, "onPremisesSamAccountName": fixed,
			"onPremisesSecurityIdentifier": fixed, "onPremisesProvisioningErrors": fixed, "membershipRule": fixed, "membershipRuleProcessingState": fixed,
		},
		filters: map[string]operand{
			"id": text, "displayName": text, "mailNickname": text, "mail": text, "description": text, "mailEnabled": flag, "securityEnabled": flag, "groupTypes": texts,
		},
	}
}

// applications (https://learn.microsoft.com/graph/api/resources/application).
func applicationKind() *kind {
	return &kind{
		name: "Application", odata: "application", set: "applications",
		properties: map[string]form{
			"description": str, "notes": str, "signInAudience": str, "groupMembershipClaims": str, "serviceManagementReference": str,
			"defaultRedirectUri": str, "samlMetadataUrl": str, "tokenEncryptionKeyId": str, "uniqueName": str, "nativeAuthenticationApisEnabled": str,
			"isFallbackPublicClient": boolean, "isDeviceOnlyAuthSupported": boolean, "oauth2RequirePostResponse": boolean, "tags": strs,
			"api": obj, "web": obj, "spa": obj, "publicClient": obj, "info": obj, "optionalClaims": obj, "parentalControlSettings": obj,
			"requestSignatureVerification": obj, "servicePrincipalLockConfiguration": obj, "authenticationBehaviors": obj,
			"appRoles": objs, "requiredResourceAccess": objs, "addIns": objs,
			"id": fixed, "appId": fixed, "createdDateTime": fixed, "deletedDateTime": fixed, "publisherDomain": fixed, "applicationTemplateId": fixed,
			"disabledByMicrosoftStatus": fixed, "certification": fixed, "verifiedPublisher": fixed, "passwordCredentials": fixed,
		},
		filters: map[string]operand{
			"id": text, "appId": text, "displayName": text, "identifierUris": texts, "signInAudience": text, "tags": texts, "uniqueName": text,
		},
	}
}

// service principals (https://learn.microsoft.com/graph/api/resources/serviceprincipal).
func principalKind() *kind {
	return &kind{
		name: "ServicePrincipal", odata: "servicePrincipal", set: "servicePrincipals",
		properties: map[string]form{
			"description": str, "notes": str, "loginUrl": str, "logoutUrl": str, "homepage": str, "preferredSingleSignOnMode": str,
			"preferredTokenSigningKeyThumbprint": str, "tokenEncryptionKeyId": str, "appRoleAssignmentRequired": boolean,
			"tags": strs, "notificationEmailAddresses": strs, "replyUrls": strs, "samlSingleSignOnSettings": obj, "customSecurityAttributes": obj,
			"addIns": objs,
			"id":     fixed, "appId": fixed, "createdDateTime": fixed, "deletedDateTime": fixed, "displayName": fixed, "appDisplayName": fixed,
			"appDescription": fixed, "appOwnerOrganizationId": fixed, "applicationTemplateId": fixed, "servicePrincipalType": fixed, "servicePrincipalNames": fixed,
			"signInAudience": fixed, "disabledByMicrosoftStatus": fixed, "alternativeNames": fixed, "info": fixed, "appRoles": fixed,
			"oauth2PermissionScopes": fixed, "resourceSpecificApplicationPermissions": fixed, "verifiedPublisher": fixed, "passwordCredentials": fixed,
		},
		filters: map[string]operand{
			"id": text, "appId": text, "displayName": text, "appDisplayName": text, "servicePrincipalType": text, "accountEnabled": flag,
			"servicePrincipalNames": texts, "alternativeNames": texts, "tags": texts,
		},
	}
}

// referenceKind is a list of objects of several types.
func referenceKind() *kind {
	return &kind{
		name: "DirectoryObject", odata: "directoryObject", set: "directoryObjects",
		filters: map[string]operand{"id": text, "displayName": text},
	}
}

// take puts a property that the directory keeps as it is into the map that
// holds those of an object, and takes it out again for null.
func (k *kind) take(kept *map[string]json.RawMessage, name string, value json.RawMessage) error {
	if annotation(name) {
		return nil
	}
	want, known := k.properties[name]
	switch {
	case !known:
		return noProperty.New(name, k.odata)
	case want == fixed:
		return readOnly.New(name)
	case string(value) == "null":
		delete(*kept, name)
		return nil
	case !want.holds(value):
		return badProperty.New(name, k.name)
	}
	next := maps.Clone(*kept)
	if next == nil {
		next = map[string]json.RawMessage{}
	}
	next[name] = slices.Clone(value)
	*kept = next
	return nil
}

func (f form) holds(value json.RawMessage) bool {
	var into any
	switch f {
	case str:
		into = new(string)
	case boolean:
		into = new(bool)
	case strs:
		into = new([]string)
	case obj:
		into = new(map[string]json.RawMessage)
	default:
		into = new([]map[string]json.RawMessage)
	}
	return json.Unmarshal(value, into) == nil
}

// fill adds what the directory keeps, and null or an empty list for the rest of
// the properties that v1.0 shows.
func (o object) fill(k *kind, kept map[string]json.RawMessage) object {
	for name, form := range k.properties {
		if _, set := o[name]; set {
			continue
		}
		switch value, found := kept[name]; {
		case found:
			o[name] = value
		case form == strs || form == objs:
			o[name] = []string{}
		default:
			o[name] = nil
		}
	}
	return o
}
