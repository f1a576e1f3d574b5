package containerservice

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"regexp"
	"strings"

	"github.com/aksess/aksess/internal/arm"
	"github.com/aksess/aksess/internal/cluster/driver"
	"github.com/aksess/aksess/internal/directory"
	"github.com/aksess/aksess/internal/issuer"
	"github.com/aksess/aksess/internal/store"
)

// TypeCluster is the resource type of a cluster.
const TypeCluster = "Microsoft.ContainerService/managedClusters"

const kindHost = "containerservice.host" // API server's host name → host

// Driver runs what is behind the clusters. All its methods may be called again,
// after an interruption too.
type Driver interface {
	// Issuer is the issuer that signs the clusters' tokens, "" when they sign with
	// the keys that they are given.
	Issuer() string
	// Start brings a cluster up and returns when its API server is ready. For one
	// that runs it takes over changed keys.
	Start(ctx context.Context, spec driver.Spec) error
	// Stop ends a cluster and keeps its data.
	Stop(ctx context.Context, id string) error
	// Delete ends a cluster and removes its data.
	Delete(ctx context.Context, id string) error
	// Kubeconfig makes a user's kubeconfig, which stays the same over time.
	Kubeconfig(ctx context.Context, spec driver.Spec, user driver.User) ([]byte, error)
}

// Clusters keeps the clusters and answers for those without an API server. All
// fields but Driver and Log are required.
type Clusters struct {
	Store     store.Store
	Resources *arm.Resources
	Issuers   *issuer.Issuers
	Directory *directory.Directory
	Driver    Driver // nil: issuer only
	CA        []byte // PEM of the authority that signs for *.azmk8s.io, for kubeconfigs
	TenantID  string // of the subscription
	NewID     func() string
	Log       *slog.Logger

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
	IssuerID  string `json:"issuerId"`
	IssuerURL string `json:"issuerUrl"`
	Token     string `json:"token"` // of the issuer-only driver's one user
	FQDN      string `json:"fqdn"`
}

// New returns the service.
func New(c Clusters) *Clusters {
	c.hosts = store.Collection[host]{Store: c.Store, Kind: kindHost}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &c
}

// Types are the resource types of Microsoft.ContainerService.
func (s *Clusters) Types() []*arm.Type {
	return []*arm.Type{s.clusterType(), s.poolType(), maintenanceType()}
}

// clusterType is Microsoft.ContainerService/managedClusters
// (https://learn.microsoft.com/rest/api/aks/managed-clusters).
func (s *Clusters) clusterType() *arm.Type {
	t := &arm.Type{
		Name:         TypeCluster,
		DeleteStatus: 204, // at once; a 202 would owe the client an address to poll
		ValidName:    checkClusterName,
		Put:          s.put,
		Written:      s.written,
		Delete:       s.delete,
		Actions: []arm.PostAction{
			{Name: "listClusterAdminCredential", Handle: s.adminCredential},
			{Name: "listClusterUserCredential", Handle: s.userCredential},
			{Name: "listClusterMonitoringUserCredential", Handle: s.monitoringCredential},
			{Name: "start", Handle: s.startCluster},
			{Name: "stop", Handle: s.stopCluster},
			{Name: "rotateServiceAccountSigningKeys", Handle: s.rotateSigningKeys},
			{Name: "rotateClusterCertificates", Handle: rotateCertificates},
		},
		Operations: s.operations(),
	}
	if s.Driver != nil {
		t.Work, t.Read = s.work, s.read
	}
	return t
}

// clusterName has no length: a pattern that counts is compiled to as many copies.
var clusterName = regexp.MustCompile(`^[a-zA-Z0-9]([a-zA-Z0-9_-]*[a-zA-Z0-9])?$`)

func checkClusterName(name string) error {
	if len(name) > 63 || !clusterName.MatchString(name) {
		return invalid("resourceName", fmt.Sprintf("'%.64s' must be 1 to 63 letters, digits, underscores and hyphens and begin and end with a letter or digit", name))
	}
	return nil
}

func (s *Clusters) put(ctx context.Context, c arm.Change) error {
	if err := checkPatch(c); err != nil {
		return err
	}
	p, err := read(c.New)
	if err != nil {
		return err
	}
	before, err := readOld(c.Old)
	if err != nil {
		return err
	}
	if err := p.validate(before); err != nil {
		return err
	}
	merged, err := raw(c.New)
	if err != nil {
		return err
	}
	own, err := s.own(c, p)
	if err != nil {
		return err
	}
	f := filling{merged: merged, change: c, sent: p, own: own, issuerURL: s.issuerURL(own)}
	if err := f.fill(); err != nil {
		return err
	}
	if err := s.checkNodeGroup(ctx, c, merged); err != nil {
		return err
	}
	if err := s.identities(ctx, c, merged); err != nil {
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

// raw are the properties as they are, with members that nothing here knows.
func raw(r *arm.Resource) (map[string]any, error) {
	merged := map[string]any{}
	if err := r.Decode(&merged); err != nil {
		return nil, badCluster.New("The cluster's properties must be an object.")
	}
	return merged, nil
}

func ownOf(r *arm.Resource) (private, error) {
	var own private
	if err := json.Unmarshal(r.Private, &own); err != nil {
		return own, fmt.Errorf("reading the state of cluster %q: %w", r.Name, err)
	}
	return own, nil
}

// own returns the cluster's own state, made on create. Every cluster has an
// issuer; the profile says whether its URL is shown. The issuer is written with
// the cluster, so that neither is there without the other.
func (s *Clusters) own(c arm.Change, p properties) (private, error) {
	if c.Old != nil {
		return ownOf(c.Old)
	}
	created, write, err := s.Issuers.Prepare(c.New.Location, s.TenantID)
	if err != nil {
		return private{}, fmt.Errorf("creating the issuer of cluster %q: %w", c.New.Name, err)
	}
	c.Also(write)
	random := make([]byte, 36)
	rand.Read(random) // never fails: see crypto/rand.Read
	return private{
		IssuerID: created.ID, IssuerURL: created.URL, Token: base64.RawURLEncoding.EncodeToString(random[4:]),
		FQDN: strings.ToLower(p.prefix()) + "-" + hex.EncodeToString(random[:4]) + ".hcp." + c.New.Location + ".azmk8s.io",
	}, nil
}

// issuerURL is the issuer of the cluster's tokens: its own, or the one that the
// driver's cluster has.
func (s *Clusters) issuerURL(own private) string {
	if s.Driver != nil && s.Driver.Issuer() != "" {
		return s.Driver.Issuer()
	}
	return own.IssuerURL
}

// read shows the issuer of the driver that is behind the clusters now, which
// may be another one than when the cluster was written.
func (s *Clusters) read(_ context.Context, r *arm.Resource) error {
	p, err := read(r)
	if err != nil || !p.OIDCIssuerProfile.Enabled {
		return err
	}
	own, err := ownOf(r)
	if err != nil {
		return err
	}
	merged, err := raw(r)
	if err != nil {
		return err
	}
	merged["oidcIssuerProfile"] = map[string]any{"enabled": true, "issuerURL": s.issuerURL(own)}
	return r.SetProperties(merged)
}

// written makes the issuer's key, so that the first token finds it, and removes
// the identities of add-ons that were switched off.
func (s *Clusters) written(ctx context.Context, r *arm.Resource) error {
	own, err := ownOf(r)
	if err != nil {
		return err
	}
	if err := s.dropUnused(ctx, r); err != nil {
		return err
	}
	return s.Issuers.MakeKey(ctx, own.IssuerID)
}

// delete ends the cluster and its issuer: its tokens are no longer accepted.
func (s *Clusters) delete(ctx context.Context, r *arm.Resource) error {
	own, err := ownOf(r)
	if err != nil {
		return err
	}
	if s.Driver != nil {
		if err := s.Driver.Delete(ctx, own.IssuerID); err != nil {
			return err
		}
	}
	if err := s.dropIdentities(ctx, r); err != nil {
		return err
	}
	if err := s.Issuers.Delete(ctx, own.IssuerID); err != nil {
		return fmt.Errorf("deleting the issuer of cluster %q: %w", r.Name, err)
	}
	return s.hosts.Delete(ctx, own.FQDN, store.Always())
}
