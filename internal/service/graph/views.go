package graph

import (
	"crypto/sha1" //nolint:gosec // the thumbprint by which certificates are known, no protection
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"strings"
	"time"

	"github.com/aksess/aksess/internal/directory"
)

// instant is how Graph writes a time; a zero one is null.
func instant(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC().Format(time.RFC3339)
}

// orNull is null for an empty text.
func orNull(text string) any {
	if text == "" {
		return nil
	}
	return text
}

// list is never null.
func list(values []string) []string {
	if values == nil {
		return []string{}
	}
	return values
}

func viewUser(u *directory.User) object {
	return object{
		"@odata.type": "#microsoft.graph.user",
		"id":          u.ObjectID, "displayName": u.DisplayName, "userPrincipalName": u.Name, "mail": orNull(u.Mail),
		"accountEnabled": !u.Disabled, "userType": "Member", "createdDateTime": instant(u.Created), "proxyAddresses": []string{},
		"passwordProfile": nil,
	}.fill(userKind(), u.Profile)
}

func viewGroup(g *directory.Group) object {
	return object{
		"@odata.type": "#microsoft.graph.group",
		"id":          g.ObjectID, "displayName": g.DisplayName, "description": orNull(g.Description), "mailNickname": orNull(g.MailNickname),
		"securityEnabled": g.SecurityEnabled, "mailEnabled": g.MailEnabled, "groupTypes": list(g.Types), "createdDateTime": instant(g.Created),
		"renewedDateTime": instant(g.Created), "proxyAddresses": []string{}, "onPremisesProvisioningErrors": []string{},
	}.fill(groupKind(), g.Profile)
}

// signInAudience is what an application says about who signs in with it.
func signInAudience(p *directory.Principal) any {
	if said, ok := p.Registration["signInAudience"]; ok {
		return said
	}
	return "AzureADMyOrg"
}

func viewApplication(p *directory.Principal, tenant directory.Tenant) object {
	o := object{
		"@odata.type": "#microsoft.graph.application",
		"id":          p.AppObjectID, "appId": p.AppID, "displayName": p.DisplayName, "identifierUris": list(p.IdentifierURIs),
		"signInAudience": signInAudience(p), "publisherDomain": orNull(tenant.Domain), "createdDateTime": instant(p.Created),
		"keyCredentials": viewKeys(p, false), "passwordCredentials": viewPasswords(p, false), "verifiedPublisher": emptyPublisher(),
	}
	// What Azure answers for structures that nobody set.
	for name, empty := range map[string]string{
		"api":                     `{"acceptMappedClaims":null,"knownClientApplications":[],"requestedAccessTokenVersion":null,"oauth2PermissionScopes":[],"preAuthorizedApplications":[]}`,
		"web":                     `{"homePageUrl":null,"logoutUrl":null,"redirectUris":[],"implicitGrantSettings":{"enableAccessTokenIssuance":false,"enableIdTokenIssuance":false},"redirectUriSettings":[]}`,
		"spa":                     `{"redirectUris":[]}`,
		"publicClient":            `{"redirectUris":[]}`,
		"info":                    `{"logoUrl":null,"marketingUrl":null,"privacyStatementUrl":null,"supportUrl":null,"termsOfServiceUrl":null}`,
		"parentalControlSettings": `{"countriesBlockedForMinors":[],"legalAgeGroupRule":"Allow"}`,
	} {
		o[name] = over(empty, p.Registration[name])
	}
	return o.fill(applicationKind(), p.Registration)
}

// over is a structure with the members that were set put over the empty one's.
func over(empty string, set json.RawMessage) any {
	var merged, changes map[string]json.RawMessage
	if json.Unmarshal([]byte(empty), &merged) != nil || len(set) == 0 {
		return json.RawMessage(empty)
	}
	if json.Unmarshal(set, &changes) != nil {
		return set
	}
	for name, value := range changes {
		merged[name] = value
	}
	return merged
}

func emptyPublisher() any {
	return json.RawMessage(`{"displayName":null,"verifiedPublisherId":null,"addedDateTime":null}`)
}

func viewPrincipal(p *directory.Principal) object {
	o := object{
		"@odata.type": "#microsoft.graph.servicePrincipal",
		"id":          p.ObjectID, "appId": p.AppID, "displayName": p.DisplayName, "appDisplayName": p.DisplayName, "accountEnabled": !p.Disabled,
		"servicePrincipalType": p.Type, "createdDateTime": instant(p.Created), "appOwnerOrganizationId": orNull(p.TenantID),
		"servicePrincipalNames": append([]string{p.AppID}, p.IdentifierURIs...), "alternativeNames": []string{},
		"appRoles": []string{}, "oauth2PermissionScopes": []string{}, "resourceSpecificApplicationPermissions": []string{},
		"keyCredentials": viewKeys(p, true), "passwordCredentials": viewPasswords(p, true), "verifiedPublisher": emptyPublisher(),
		"appRoleAssignmentRequired": false,
	}
	if p.Type == directory.TypeManagedIdentity {
		o["alternativeNames"], o["appDisplayName"], o["appOwnerOrganizationId"] = []string{"isExplicit=True", p.ResourceID}, nil, nil
		if !strings.Contains(strings.ToLower(p.ResourceID), "/microsoft.managedidentity/") {
			o["alternativeNames"] = []string{"isExplicit=False", p.ResourceID} // system-assigned
		}
	} else {
		o["signInAudience"], o["appDescription"] = signInAudience(p), p.Registration["description"]
		if roles, ok := p.Registration["appRoles"]; ok {
			o["appRoles"] = roles
		}
	}
	if required, ok := p.Service["appRoleAssignmentRequired"]; ok {
		o["appRoleAssignmentRequired"] = required
	}
	return o.fill(principalKind(), p.Service)
}

// viewKeys shows the certificates of the app registration or of the service
// principal, without the certificates themselves, as Graph does.
func viewKeys(p *directory.Principal, service bool) []object {
	keys := []object{}
	for _, c := range p.Certificates {
		if c.Service != service {
			continue
		}
		thumbprint := sha1.Sum(c.DER) //nolint:gosec // as above
		key := object{
			"keyId": c.ID, "displayName": orNull(c.Name), "type": "AsymmetricX509Cert", "usage": "Verify", "key": nil,
			"customKeyIdentifier": strings.ToUpper(hex.EncodeToString(thumbprint[:])), "startDateTime": nil, "endDateTime": nil,
		}
		if parsed, err := x509.ParseCertificate(c.DER); err == nil {
			key["startDateTime"], key["endDateTime"] = instant(parsed.NotBefore), instant(parsed.NotAfter)
			if c.Name == "" {
				key["displayName"] = orNull(parsed.Subject.String())
			}
		}
		keys = append(keys, key)
	}
	return keys
}

func viewPasswords(p *directory.Principal, service bool) []object {
	passwords := []object{}
	for i := range p.Secrets {
		if p.Secrets[i].Service == service {
			passwords = append(passwords, viewPassword(&p.Secrets[i]))
		}
	}
	return passwords
}

func viewPassword(s *directory.Secret) object {
	return object{
		"keyId": s.ID, "displayName": orNull(s.Name), "hint": s.Hint, "secretText": nil, "customKeyIdentifier": nil,
		"startDateTime": instant(s.Starts), "endDateTime": instant(s.Expires),
	}
}

func viewCredential(c directory.FederatedCredential) object {
	return object{
		"id": c.ID, "name": c.Name, "issuer": c.Issuer, "subject": c.Subject, "audiences": list(c.Audiences), "description": orNull(c.Description),
	}
}

// viewObject shows whatever an id names.
func viewObject(o directory.Object) object {
	switch {
	case o.User != nil:
		return viewUser(o.User).only(userKind().shown)
	case o.Group != nil:
		return viewGroup(o.Group)
	default:
		return viewPrincipal(o.Principal)
	}
}
