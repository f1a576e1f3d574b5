// Package deploy makes the reference scenario as a deployer does: with the
// Azure SDK's Resource Manager clients, a client secret and nothing else. It
// then writes the data that the workload reads.
package deploy

import (
	"context"
	"fmt"

	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
)

// Names of the scenario.
const (
	Location       = "westeurope"
	Group          = "ch-widemo-dev-rg"
	Vault          = "ch-widemo-dev-kv"
	Store          = "ch-widemo-dev-appconf"
	Account        = "chwidemodevst"
	Identity       = "ch-widemo-dev-aks-uai"
	SecondIdentity = "ch-widemo-dev-second-uai"
	Cluster        = "ch-widemo-dev-aks-blue"
	Namespace      = "widemo"
	ServiceAccount = "wi-demo-sa"
	Container      = "widemo"
	Queue          = "orders"
	SharedLabel    = "shared"
	Label          = "dev-euw-001"
)

// Address is where callers on this machine are seen to come from.
const Address = "203.0.113.10"

// Deployer is who makes the scenario and in which subscription.
type Deployer struct {
	TenantID       string `json:"tenantId"`
	SubscriptionID string `json:"subscriptionId"`
	ClientID       string `json:"clientId"`
	ClientSecret   string `json:"clientSecret"`
}

// Scenario is what the workload needs to know of what was made.
type Scenario struct {
	ClientID    string `json:"clientId"`    // of the workload's identity
	PrincipalID string `json:"principalId"` // of the same
	ResourceID  string `json:"resourceId"`  // of the same
	IssuerURL   string `json:"issuerUrl"`
	Token       string `json:"token"`      // of the service account, as the kubelet would project it
	Foreign     string `json:"foreign"`    // the token of a service account that no identity trusts
	APIServer   string `json:"apiServer"`  // of the cluster's kubeconfig
	AdminToken  string `json:"adminToken"` // of the same
}

// Secret is the value of the scenario's secret: distinctive, so that a search
// finds it wherever it should not be.
const Secret = "canary-7d1f0c52b4e94a3f-not-a-secret"

type deployment struct {
	Deployer
	made       Scenario
	credential *azidentity.ClientSecretCredential
	objectID   string // the deployer's
	kubeconfig []byte
}

// Run makes everything in the order in which things need each other.
func Run(ctx context.Context, as Deployer) (Scenario, error) {
	credential, err := azidentity.NewClientSecretCredential(as.TenantID, as.ClientID, as.ClientSecret, nil)
	if err != nil {
		return Scenario{}, err
	}
	d := &deployment{Deployer: as, credential: credential}
	for _, step := range []struct {
		name string
		do   func(context.Context) error
	}{
		{"whoami", d.whoami},
		{"group", d.group},
		{"identity", d.identity},
		{"cluster", d.cluster},
		{"credential", d.federatedCredential},
		{"vault", d.vault},
		{"store", d.store},
		{"storage", d.storage},
		{"denied", d.denied},
		{"roles", d.roles},
		{"secrets", d.secrets},
		{"settings", d.settings},
		{"blob", d.blob},
		{"tokens", d.tokens},
	} {
		if err := step.do(ctx); err != nil {
			return Scenario{}, fmt.Errorf("%s: %w", step.name, err)
		}
	}
	return d.made, nil
}
