package storage

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/aksess/aksess/internal/access"
	"github.com/aksess/aksess/internal/storage/signature"
)

// TypeAccount is the resource type of a storage account.
const TypeAccount = "Microsoft.Storage/storageAccounts"

// Account is a storage account as the data planes need it.
type Account struct {
	ID        string // ARM id
	Name      string
	Location  string
	TenantID  string
	UID       string // tells an account from an earlier one of the same name; begins the keys of its records
	SharedKey bool   // allowSharedKeyAccess: keys, and what is signed with them, are admitted
	Public    bool   // allowBlobPublicAccess: containers may be marked public
	Network   access.Network

	secrets    []secret
	delegation []byte // what user delegation keys are made of
}

// secret is a key as signatures need it.
type secret struct {
	name  string
	value []byte
}

// Private is the state of an account that is never sent.
type Private struct {
	UID      string `json:"uid"`
	TenantID string `json:"tenantId"`
	Keys     []Key  `json:"keys"`
	// Delegation is what user delegation keys are made of; a new one ends them all.
	Delegation string `json:"delegation,omitempty"`
}

// Key is one access key of an account.
type Key struct {
	Name    string `json:"name"`    // "key1" or "key2"
	Value   string `json:"value"`   // 64 bytes in base64
	Created string `json:"created"` // RFC 3339
}

// properties are the members of an account that the data planes understand
// (https://learn.microsoft.com/rest/api/storagerp/storage-accounts/get-properties).
type properties struct {
	AllowSharedKeyAccess *bool        `json:"allowSharedKeyAccess"`
	AllowPublicAccess    *bool        `json:"allowBlobPublicAccess"`
	PublicNetworkAccess  string       `json:"publicNetworkAccess"`
	NetworkACLs          *networkACLs `json:"networkAcls"`
}

type networkACLs struct {
	Bypass        string `json:"bypass"` // "None", or names separated by commas
	DefaultAction string `json:"defaultAction"`
	IPRules       []struct {
		Value string `json:"value"`
	} `json:"ipRules"`
	VirtualNetworkRules []struct {
		ID string `json:"id"`
	} `json:"virtualNetworkRules"`
}

// DecodeAccount completes base, which has the resource's id, name and location,
// from the resource's properties and private state.
func DecodeAccount(base Account, propertiesJSON, privateJSON []byte) (*Account, error) {
	var p properties
	var own Private
	if err := json.Unmarshal(propertiesJSON, &p); err != nil {
		return nil, fmt.Errorf("decoding the properties of account %q: %w", base.Name, err)
	}
	if err := json.Unmarshal(privateJSON, &own); err != nil {
		return nil, fmt.Errorf("decoding the private state of account %q: %w", base.Name, err)
	}
	if own.UID == "" {
		return nil, errors.New("account " + base.Name + " has no unique id")
	}
	base.UID, base.TenantID = own.UID, own.TenantID
	base.secrets, base.delegation = nil, []byte(own.UID+own.Delegation)
	for _, key := range own.Keys {
		value, err := base64.StdEncoding.DecodeString(key.Value)
		if err != nil {
			return nil, fmt.Errorf("decoding %s of account %q: it is not base64", key.Name, base.Name)
		}
		base.secrets = append(base.secrets, secret{key.Name, value})
	}
	base.SharedKey = p.AllowSharedKeyAccess == nil || *p.AllowSharedKeyAccess
	base.Public = p.AllowPublicAccess != nil && *p.AllowPublicAccess
	base.Network = p.network()
	return &base, nil
}

func (p properties) network() access.Network {
	// Closed when it is not plainly open: also SecuredByPerimeter, as there are no
	// network security perimeters whose rules would let anyone in.
	open := p.PublicNetworkAccess == "" || strings.EqualFold(p.PublicNetworkAccess, "Enabled")
	network := access.Network{PublicAccessDisabled: !open, Endpoint: "Microsoft.Storage"}
	if p.NetworkACLs == nil {
		return network
	}
	network.DefaultDeny = strings.EqualFold(p.NetworkACLs.DefaultAction, "Deny")
	network.TrustedServices = p.NetworkACLs.Bypass == "" || strings.Contains(strings.ToLower(p.NetworkACLs.Bypass), "azureservices")
	for _, rule := range p.NetworkACLs.IPRules {
		network.IPRules = append(network.IPRules, rule.Value)
	}
	for _, rule := range p.NetworkACLs.VirtualNetworkRules {
		network.SubnetIDs = append(network.SubnetIDs, rule.ID)
	}
	return network
}

// SignedBy returns the name of the account's key that made the signature of one
// of the texts, or "" when none did. All keys are tried, so that the time it
// takes tells nothing about them.
func (a *Account) SignedBy(texts []string, sent string) string {
	found := ""
	for _, key := range a.secrets {
		if signature.Verify(key.value, texts, sent) {
			found = key.name
		}
	}
	return found
}

// DelegationKey returns a user delegation key of the account.
func (a *Account) DelegationKey(d signature.Delegation) []byte { return d.Value(a.delegation) }

// ContainerID is the ARM id of a container, or with name "" of the blob service.
func (a *Account) ContainerID(name string) string {
	id := a.ID + "/blobServices/default"
	if name == "" {
		return id
	}
	return id + "/containers/" + name
}

// QueueID is the ARM id of a queue, or with name "" of the queue service.
func (a *Account) QueueID(name string) string {
	id := a.ID + "/queueServices/default"
	if name == "" {
		return id
	}
	return id + "/queues/" + name
}

// ServiceID is the ARM id of one of the account's services: "file", "table".
func (a *Account) ServiceID(service string) string {
	return a.ID + "/" + service + "Services/default"
}
