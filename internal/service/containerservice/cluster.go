package containerservice

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/aksess/aksess/internal/arm"
	"github.com/aksess/aksess/internal/chain"
	"github.com/aksess/aksess/internal/directory"
	"github.com/aksess/aksess/internal/issuer"
	"github.com/aksess/aksess/internal/store"
)

// TypeCluster is the resource type of a cluster.
const TypeCluster = "Microsoft.ContainerService/managedClusters"

const (
	defaultVersion = "1.36.3"
	kindHost       = "containerservice.host" // API server's host name → host
)

// Clusters keeps the clusters and answers for those without an API server.
type Clusters struct {
	Store     store.Store
	Resources *arm.Resources
	Issuers   *issuer.Issuers
	Directory *directory.Directory
	CA        []byte // PEM of the authority that signs for *.azmk8s.io, for kubeconfigs
	TenantID  string // of the subscription
	NewID     func() string

	hosts store.Collection[host]
}

// host is what the API server's name leads to.
type host struct {
	ResourceID string `json:"resourceId"`
	IssuerID   string `json:"issuerId"`
	Token      string `json:"token"` // of the cluster's administrator
	Version    string `json:"version"`
}

// private is the cluster's own state.
type private struct {
	IssuerID    string `json:"issuerId"`
	IssuerURL   string `json:"issuerUrl"`
	Token       string `json:"token"`
	FQDN        string `json:"fqdn"`
	PrincipalID string `json:"principalId"` // of the system-assigned identity
	KubeletID   string `json:"kubeletId"`
	KubeletApp  string `json:"kubeletApp"`
}

// New returns the service. All exported fields of c are required.
func New(c Clusters) *Clusters {
	c.hosts = store.Collection[host]{Store: c.Store, Kind: kindHost}
	return &c
}

var (
	clusterName = regexp.MustCompile(`^[a-zA-Z0-9]$|^[a-zA-Z0-9][a-zA-Z0-9_-]{0,61}[a-zA-Z0-9]$`)
	version     = regexp.MustCompile(`^[0-9]{1,3}\.[0-9]{1,3}(\.[0-9]{1,3})?$`)
	dnsPrefix   = regexp.MustCompile(`^[a-zA-Z0-9]$|^[a-zA-Z0-9][a-zA-Z0-9-]{0,52}[a-zA-Z0-9]$`)
)

// Type is the resource type Microsoft.ContainerService/managedClusters
// (https://learn.microsoft.com/rest/api/aks/managed-clusters).
func (s *Clusters) Type() *arm.Type {
	return &arm.Type{
		Name:         TypeCluster,
		DeleteStatus: 204, // at once; a 202 would owe the client an address to poll
		ValidName: func(name string) error {
			if !clusterName.MatchString(name) {
				return badCluster.New(fmt.Sprintf("The value of parameter resourceName is invalid. Error details: '%.64s' must be 1 to 63 letters, digits, underscores and hyphens and begin and end with a letter or digit. Please see https://aka.ms/aks-naming-rules for more details.", name))
			}
			return nil
		},
		Put:     s.put,
		Written: s.written,
		Delete:  s.delete,
		Actions: []arm.PostAction{
			{Name: "listClusterAdminCredential", Handle: s.adminCredential},
			{Name: "listClusterUserCredential", Handle: s.userCredential},
		},
	}
}

// properties are the members of a cluster that are understood; all others are kept.
type properties struct {
	KubernetesVersion    string `json:"kubernetesVersion"`
	DNSPrefix            string `json:"dnsPrefix"`
	NodeResourceGroup    string `json:"nodeResourceGroup"`
	DisableLocalAccounts bool   `json:"disableLocalAccounts"`
	AgentPoolProfiles    []map[string]any
	OIDCIssuerProfile    struct{ Enabled bool } `json:"oidcIssuerProfile"`
}

func (s *Clusters) put(_ context.Context, c arm.Change) error {
	p, err := read(c.New)
	if err != nil {
		return err
	}
	if err := p.validate(c.Old); err != nil {
		return err
	}
	merged := map[string]any{}
	if err := c.New.Decode(&merged); err != nil {
		return badCluster.New("The cluster's properties must be an object.")
	}
	own, err := s.own(c, p)
	if err != nil {
		return err
	}
	fill(merged, c, p, own)
	if err := s.identity(c, own); err != nil {
		return err
	}
	version, _ := merged["kubernetesVersion"].(string) // a string: see properties
	record, err := s.hosts.PutOp(own.FQDN, host{ResourceID: c.New.ID, IssuerID: own.IssuerID, Token: own.Token, Version: version}, store.Always())
	if err != nil {
		return err
	}
	c.Also(record)
	if c.New.Private, err = json.Marshal(own); err != nil {
		return err
	}
	return c.New.SetProperties(merged)
}

// read decodes a cluster's properties.
func read(r *arm.Resource) (properties, error) {
	var p properties
	err := r.Decode(&p)
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &kind) && kind.Field != "":
		return p, badCluster.New(fmt.Sprintf("The cluster's properties are not valid: the value of '%s' is a %s, which is not expected there.", kind.Field, kind.Value))
	case err != nil:
		return p, badCluster.New("The cluster's properties are not valid.")
	}
	return p, nil
}

// validate refuses what AKS refuses, changes of what is fixed at creation among
// it (https://learn.microsoft.com/azure/aks/use-oidc-issuer).
func (p properties) validate(old *arm.Resource) error {
	if !dnsPrefix.MatchString(p.DNSPrefix) {
		return badCluster.New(fmt.Sprintf("The value of parameter dnsPrefix is invalid: '%.64s' must be 1 to 54 letters, digits and hyphens.", p.DNSPrefix))
	}
	if p.KubernetesVersion != "" && !version.MatchString(p.KubernetesVersion) {
		return badCluster.New(fmt.Sprintf("The value of parameter kubernetesVersion is invalid: '%.64s' must be of the form 1.33 or 1.33.2.", p.KubernetesVersion))
	}
	if old == nil {
		return nil
	}
	before, err := read(old)
	switch {
	case err != nil:
		return err
	case before.DNSPrefix != p.DNSPrefix:
		return fixedProperty.New("dnsPrefix")
	case before.OIDCIssuerProfile.Enabled && !p.OIDCIssuerProfile.Enabled:
		return issuerStays.New()
	}
	return nil
}

// own returns the cluster's own state, made on create. Every cluster has an
// issuer; the profile says whether its URL is shown. The issuer is written with
// the cluster, so that neither is there without the other.
func (s *Clusters) own(c arm.Change, p properties) (private, error) {
	var own private
	if c.Old != nil {
		err := json.Unmarshal(c.Old.Private, &own)
		return own, err
	}
	created, write, err := s.Issuers.Prepare(c.New.Location, s.TenantID)
	if err != nil {
		return own, fmt.Errorf("creating the issuer of cluster %q: %w", c.New.Name, err)
	}
	c.Also(write)
	random := make([]byte, 36)
	rand.Read(random) // never fails: see crypto/rand.Read
	return private{
		IssuerID: created.ID, IssuerURL: created.URL, Token: base64.RawURLEncoding.EncodeToString(random[4:]),
		FQDN:        strings.ToLower(p.DNSPrefix) + "-" + hex.EncodeToString(random[:4]) + ".hcp." + c.New.Location + ".azmk8s.io",
		PrincipalID: s.NewID(), KubeletID: s.NewID(), KubeletApp: s.NewID(),
	}, nil
}

// written makes the issuer's key, so that the first token finds it.
func (s *Clusters) written(ctx context.Context, r *arm.Resource) error {
	var own private
	if err := json.Unmarshal(r.Private, &own); err != nil {
		return err
	}
	return s.Issuers.MakeKey(ctx, own.IssuerID)
}

// fill sets what AKS computes, and leaves what was sent.
func fill(merged map[string]any, c arm.Change, p properties, own private) {
	id, _ := chain.ParseID(c.New.ID) // parsed before it came here
	setDefault(merged, "kubernetesVersion", defaultVersion)
	merged["currentKubernetesVersion"] = merged["kubernetesVersion"]
	group := p.NodeResourceGroup
	if group == "" {
		group = "MC_" + id.ResourceGroup + "_" + c.New.Name + "_" + c.New.Location
	}
	merged["nodeResourceGroup"] = group
	merged["fqdn"] = own.FQDN
	merged["azurePortalFQDN"] = strings.Replace(own.FQDN, ".hcp.", ".portal.hcp.", 1)
	merged["provisioningState"] = "Succeeded"
	merged["powerState"] = map[string]any{"code": "Running"}
	setDefault(merged, "enableRBAC", true)
	setDefault(merged, "supportPlan", "KubernetesOfficial")
	setDefault(merged, "maxAgentPools", 100)
	if p.OIDCIssuerProfile.Enabled {
		merged["oidcIssuerProfile"] = map[string]any{"enabled": true, "issuerURL": own.IssuerURL}
	} else if merged["oidcIssuerProfile"] != nil {
		merged["oidcIssuerProfile"] = map[string]any{"enabled": false}
	}
	kubelet := "/subscriptions/" + id.Subscription + "/resourceGroups/" + group +
		"/providers/Microsoft.ManagedIdentity/userAssignedIdentities/" + c.New.Name + "-agentpool"
	merged["identityProfile"] = map[string]any{"kubeletidentity": map[string]any{
		"resourceId": kubelet, "clientId": own.KubeletApp, "objectId": own.KubeletID,
	}}
	network, ok := merged["networkProfile"].(map[string]any)
	if !ok {
		network = map[string]any{"networkPlugin": "azure"}
		merged["networkProfile"] = network
	}
	setDefault(network, "loadBalancerSku", "standard")
	setDefault(network, "outboundType", "loadBalancer")
	setDefault(network, "serviceCidr", "10.0.0.0/16")
	setDefault(network, "dnsServiceIP", "10.0.0.10")
	pools, _ := merged["agentPoolProfiles"].([]any)
	for _, entry := range pools {
		if pool, ok := entry.(map[string]any); ok {
			setDefault(pool, "mode", "System")
			setDefault(pool, "osType", "Linux")
			setDefault(pool, "type", "VirtualMachineScaleSets")
			setDefault(pool, "orchestratorVersion", merged["kubernetesVersion"])
			pool["currentOrchestratorVersion"] = pool["orchestratorVersion"]
			pool["provisioningState"] = "Succeeded"
			pool["powerState"] = map[string]any{"code": "Running"}
		}
	}
}

func setDefault(m map[string]any, name string, value any) {
	if m[name] == nil || m[name] == "" {
		m[name] = value
	}
}

// identity fills the ids of a system-assigned identity.
func (s *Clusters) identity(c arm.Change, own private) error {
	var sent map[string]any
	if len(c.New.Identity) == 0 || json.Unmarshal(c.New.Identity, &sent) != nil {
		return nil
	}
	if kind, _ := sent["type"].(string); strings.Contains(strings.ToLower(kind), "systemassigned") {
		sent["principalId"], sent["tenantId"] = own.PrincipalID, s.TenantID
	}
	encoded, err := json.Marshal(sent)
	c.New.Identity = encoded
	return err
}

// delete ends the cluster's issuer: its tokens are no longer accepted.
func (s *Clusters) delete(ctx context.Context, r *arm.Resource) error {
	var own private
	if err := json.Unmarshal(r.Private, &own); err != nil {
		return err
	}
	if err := s.Issuers.Delete(ctx, own.IssuerID); err != nil {
		return fmt.Errorf("deleting the issuer of cluster %q: %w", r.Name, err)
	}
	return s.hosts.Delete(ctx, own.FQDN, store.Always())
}

// expiryOf is when a token that lives so long ends, as TokenRequest's status says it.
func expiryOf(now time.Time, seconds int64) string {
	return now.Add(time.Duration(seconds) * time.Second).UTC().Format(time.RFC3339)
}
