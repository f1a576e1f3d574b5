// Package driver is what a cluster's driver is told: which cluster to run and
// for whom a kubeconfig is. It owns these words only. The drivers are its
// neighbours in cluster, controlplane and kind; which one a local Azure uses is
// app's decision, and when a cluster starts and stops is containerservice's.
package driver

import (
	"errors"
	"slices"
	"strings"
)

// ErrNotAdministrator: the driver has an administrator's credential and no
// other, and the user is none.
var ErrNotAdministrator = errors.New("the cluster has the administrator's credential only, which the user has no right to")

// SystemMasters is the group whose members may do everything in a cluster
// (https://kubernetes.io/docs/reference/access-authn-authz/rbac/#user-facing-roles).
const SystemMasters = "system:masters"

// Spec is a cluster as it has to run.
type Spec struct {
	ID   string // GUID of the issuer; names the cluster's state
	Name string // of the resource, for kubeconfigs and messages
	FQDN string // the API server's name in Azure, for its certificate

	// IssuerURL is the tokens' iss, byte for byte, with its trailing slash.
	IssuerURL  string
	SigningKey []byte // signs service account tokens; PKCS #8 PEM, a secret
	PublicKeys []byte // PEM of all keys that the issuer publishes, SigningKey's among them

	ServiceCIDR string   // of the cluster's services, "10.0.0.0/16"
	AdminGroups []string // groups, by their object ids, whose members administer the cluster
}

// User is whom a kubeconfig is for.
type User struct {
	Name    string   // of the kubeconfig's user and of its certificate: "clusterAdmin_rg_blue"
	Context string   // of the kubeconfig's context: "blue"
	Groups  []string // what the user may do is decided by these; SystemMasters may do everything
}

// Administers reports whether a user is an administrator of the cluster: in
// SystemMasters or in one of its AdminGroups. A driver that has one credential,
// which may do everything, gives it to administrators only.
func (s Spec) Administers(u User) bool {
	return slices.ContainsFunc(u.Groups, func(group string) bool {
		return group == SystemMasters || slices.ContainsFunc(s.AdminGroups, func(admins string) bool { return strings.EqualFold(admins, group) })
	})
}
