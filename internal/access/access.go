package access

import (
	"net/netip"

	"github.com/aksess/aksess/internal/chain"
)

// Principal is who asks, as the access token names it.
type Principal struct {
	TenantID   string   // tid
	ObjectID   string   // oid: what role assignments and access policies name
	AppID      string   // appid: the client id
	ResourceID string   // xms_mirid: the ARM id of a managed identity, else ""
	Groups     []string // object ids of groups the principal is a member of
}

// Action is what an operation needs, in Azure's resource provider operations
// (https://learn.microsoft.com/azure/role-based-access-control/resource-provider-operations).
type Action struct {
	Name string // "Microsoft.KeyVault/vaults/secrets/getSecret/action"
	Data bool   // a data action: only dataActions of a role grant it
}

// Verdict is a decision with its explanation.
type Verdict struct {
	Allowed bool
	Link    chain.Link // the link that decided: access or firewall
	Reason  Reason     // why it was refused, for programs; "" when allowed
	By      string     // what allowed it: `role "Key Vault Secrets User" at /subscriptions/…`; "" when refused
	Looked  string     // when refused, what was looked at: "3 role assignments of 44444444-…, 1 at or above the scope"
	Nearest string     // when refused, the nearest miss and what differs; "" when there is none
	Fix     string     // when refused, the one thing to change
}

// Reason says why a verdict refuses. The text is stable: doctor and tests match it.
type Reason string

// Reasons of DecideRole, nearest miss first, then of DecidePolicy and of Admit.
const (
	ReasonCondition    Reason = "condition"        // all fits, but the condition of the assignment or of the role does not hold
	ReasonClientID     Reason = "client-id"        // the role is assigned to the client id instead of the principal id
	ReasonScope        Reason = "scope"            // the role fits, its scope does not contain the resource
	ReasonNotActions   Reason = "not-actions"      // the role takes the action away again
	ReasonPlane        Reason = "plane"            // the role grants the action in the other plane only
	ReasonRole         Reason = "role"             // roles at or above the scope, none has the action
	ReasonNoAssignment Reason = "no-assignment"    // nothing assigned at or above the scope
	ReasonNoPolicy     Reason = "no-policy"        // no access policy names the principal
	ReasonPermission   Reason = "permission"       // an access policy names the principal and lacks the permission
	ReasonNoPublic     Reason = "no-public-access" // public network access is disabled
	ReasonAddress      Reason = "address"          // no rule of the firewall covers the address
)

// Attributes is what the condition of a role assignment can ask about a request
// (https://learn.microsoft.com/azure/role-based-access-control/conditions-format#attributes).
// The zero value has none: a condition that asks for one does not hold.
type Attributes struct {
	// SubOperation tells requests of one action apart: "Blob.List", "Blob.Read.WithTagConditions".
	SubOperation string
	// Value returns the values of an attribute. source is "Resource", "Request",
	// "Principal" or "Environment"; name is as the condition spells it, in any
	// case, such as "Microsoft.Storage/storageAccounts/blobServices/containers:name".
	// It is not ok for what the request does not have. nil knows none. Numbers
	// are decimal, times RFC 3339, booleans true or false. It may be called
	// several times for one decision, and is not when no condition asks.
	Value func(source, name string) (values []string, ok bool)
}

// Permission is one permission set of a role definition. The strings may hold
// the wildcard * at any place.
type Permission struct {
	Actions          []string `json:"actions"`
	NotActions       []string `json:"notActions"`
	DataActions      []string `json:"dataActions"`
	NotDataActions   []string `json:"notDataActions"`
	Condition        string   `json:"condition,omitempty"`
	ConditionVersion string   `json:"conditionVersion,omitempty"`
}

// RoleDefinition is a built-in or custom role
// (https://learn.microsoft.com/rest/api/authorization/role-definitions).
type RoleDefinition struct {
	ID               string       `json:"id"`       // GUID
	Name             string       `json:"roleName"` // "Storage Blob Data Contributor"
	Type             string       `json:"type"`     // "BuiltInRole" or "CustomRole"
	Description      string       `json:"description"`
	Permissions      []Permission `json:"permissions"`
	AssignableScopes []string     `json:"assignableScopes"`
	CreatedOn        string       `json:"createdOn,omitempty"` // RFC 3339
	UpdatedOn        string       `json:"updatedOn,omitempty"` // RFC 3339
	CreatedBy        string       `json:"createdBy,omitempty"` // object id; "" of built-in roles
	UpdatedBy        string       `json:"updatedBy,omitempty"`
}

// Assignment gives a role to a principal at a scope
// (https://learn.microsoft.com/rest/api/authorization/role-assignments).
type Assignment struct {
	Name          string `json:"name"` // GUID
	Scope         string `json:"scope"`
	RoleID        string `json:"roleId"` // GUID of the role definition
	PrincipalID   string `json:"principalId"`
	PrincipalType string `json:"principalType"`
	Description   string `json:"description,omitempty"`
	Condition     string `json:"condition,omitempty"`
	Version       string `json:"conditionVersion,omitempty"`
	CreatedOn     string `json:"createdOn"` // RFC 3339
	UpdatedOn     string `json:"updatedOn"` // RFC 3339
	CreatedBy     string `json:"createdBy"`
	UpdatedBy     string `json:"updatedBy,omitempty"`
	Delegated     string `json:"delegatedManagedIdentityResourceId,omitempty"` // kept and returned, without effect
}

// ID is the assignment's ARM id.
func (a Assignment) ID() string {
	scope := a.Scope
	if scope == "/" {
		scope = ""
	}
	return scope + "/providers/Microsoft.Authorization/roleAssignments/" + a.Name
}

// Grant is an assignment with the role it gives.
type Grant struct {
	Assignment Assignment
	Role       RoleDefinition

	// What the Book makes beforehand, for decisions to come.
	by         string           // the text of a verdict that it allowed
	conditions *grantConditions // nil: none, or not compiled yet
}

// Policy is one access policy of a vault
// (https://learn.microsoft.com/rest/api/keyvault/keyvault/vaults, AccessPolicyEntry).
type Policy struct {
	TenantID      string
	ObjectID      string
	ApplicationID string              // compound identity; "" for most
	Permissions   map[string][]string // "secrets": ["get", "list"]; compared without case; "all" grants all
}

// Network is a resource's firewall (networkAcls of vaults and storage accounts).
type Network struct {
	PublicAccessDisabled bool
	DefaultDeny          bool
	TrustedServices      bool     // bypass AzureServices
	IPRules              []string // addresses or CIDR ranges, see ParseIPRule
	SubnetIDs            []string
	// Endpoint is the service endpoint without which a subnet's traffic does not
	// arrive as the subnet's, so that its rule does not admit it:
	// "Microsoft.KeyVault". "" for services that have none.
	Endpoint string
}

// Origin is where a request comes from, as its connection says.
type Origin struct {
	Address        netip.Addr
	SubnetID       string   // the virtual network's subnet that the address belongs to, when known
	Endpoints      []string // the services that the subnet has a service endpoint for: "Microsoft.KeyVault"
	TrustedService bool
}
