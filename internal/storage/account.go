package storage

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/aksess/aksess/internal/access"
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
}

// Private is the state of an account that is never sent.
type Private struct {
	UID      string `json:"uid"`
	TenantID string `json:"tenantId"`
	Keys     []Key  `json:"keys"`
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
	base.SharedKey = p.AllowSharedKeyAccess == nil || *p.AllowSharedKeyAccess
	base.Public = p.AllowPublicAccess != nil && *p.AllowPublicAccess
	base.Network = p.network()
	return &base, nil
}

func (p properties) network() access.Network {
	network := access.Network{PublicAccessDisabled: strings.EqualFold(p.PublicNetworkAccess, "Disabled"), Endpoint: "Microsoft.Storage"}
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
