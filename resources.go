package aksess

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/google/uuid"

	"github.com/aksess/aksess/internal/access"
	"github.com/aksess/aksess/internal/chain"
	"github.com/aksess/aksess/internal/deploy"
)

const (
	location      = "westeurope"
	apiIdentities = "2024-11-30"
	apiClusters   = "2025-10-01"
	apiRoles      = "2022-04-01"
	apiVaults     = "2024-11-01"
)

// object is a JSON object.
type object = map[string]any

// Cluster is an AKS cluster without Kubernetes: an OIDC issuer that signs
// service accounts' tokens.
type Cluster struct {
	ID        string // ARM id
	IssuerURL string // the tokens' iss, with its trailing slash

	server, token string
}

// CreateCluster creates a cluster with an OIDC issuer in a resource group.
func (a *Azure) CreateCluster(ctx context.Context, group, name string) (Cluster, error) {
	cluster := Cluster{ID: group + "/providers/Microsoft.ContainerService/managedClusters/" + name}
	var created struct {
		Properties struct {
			OIDCIssuerProfile struct{ IssuerURL string }
		}
	}
	body := object{"location": location, "properties": object{"dnsPrefix": name, "oidcIssuerProfile": object{"enabled": true}}}
	if err := a.Manage(ctx, http.MethodPut, cluster.ID, apiClusters, body, &created); err != nil {
		return cluster, fmt.Errorf("creating cluster %q: %w", name, err)
	}
	cluster.IssuerURL = created.Properties.OIDCIssuerProfile.IssuerURL
	var credentials struct{ Kubeconfigs []struct{ Value []byte } }
	if err := a.Manage(ctx, http.MethodPost, cluster.ID+"/listClusterAdminCredential", apiClusters, nil, &credentials); err != nil {
		return cluster, fmt.Errorf("reading the credential of cluster %q: %w", name, err)
	}
	var kubeconfig struct {
		Clusters []struct{ Cluster struct{ Server string } }
		Users    []struct{ User struct{ Token string } }
	}
	if len(credentials.Kubeconfigs) == 0 {
		return cluster, fmt.Errorf("cluster %q gave no kubeconfig", name)
	}
	if err := json.Unmarshal(credentials.Kubeconfigs[0].Value, &kubeconfig); err != nil {
		return cluster, fmt.Errorf("reading the kubeconfig of cluster %q: %w", name, err)
	}
	if len(kubeconfig.Clusters) == 0 || len(kubeconfig.Users) == 0 {
		return cluster, fmt.Errorf("the kubeconfig of cluster %q names no cluster or no user", name)
	}
	cluster.server, cluster.token = kubeconfig.Clusters[0].Cluster.Server, kubeconfig.Users[0].User.Token
	return cluster, nil
}

// ServiceAccountToken returns the token that the cluster would project into a
// pod of the service account, for the audience of Azure's token exchange and an hour.
func (a *Azure) ServiceAccountToken(ctx context.Context, cluster Cluster, namespace, name string) (string, error) {
	var answer struct{ Status struct{ Token string } }
	err := a.deployer.Do(ctx, deploy.Call{
		Method: http.MethodPost, URL: cluster.server + "/api/v1/namespaces/" + namespace + "/serviceaccounts/" + name + "/token", Token: cluster.token,
		Body: object{"kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1", "spec": object{
			"audiences": []string{chain.TokenAudience}, "expirationSeconds": chain.DefaultTokenExpiration,
		}},
	}, &answer)
	if err != nil {
		return "", fmt.Errorf("requesting a token of %s/%s: %w", namespace, name, err)
	}
	return answer.Status.Token, nil
}

// Identity is a user-assigned managed identity.
type Identity struct {
	ID          string // ARM id
	ClientID    string // what the service account's annotation names
	PrincipalID string // what role assignments and access policies name
}

// CreateIdentity creates a managed identity in a resource group.
func (a *Azure) CreateIdentity(ctx context.Context, group, name string) (Identity, error) {
	identity := Identity{ID: group + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/" + name}
	var created struct {
		Properties struct{ ClientID, PrincipalID string }
	}
	if err := a.Manage(ctx, http.MethodPut, identity.ID, apiIdentities, object{"location": location}, &created); err != nil {
		return identity, fmt.Errorf("creating identity %q: %w", name, err)
	}
	identity.ClientID, identity.PrincipalID = created.Properties.ClientID, created.Properties.PrincipalID
	return identity, nil
}

// Federate makes an identity trust the tokens of one service account of a
// cluster, through a federated credential of that name.
func (a *Azure) Federate(ctx context.Context, identity Identity, name string, cluster Cluster, namespace, serviceAccount string) error {
	err := a.Manage(ctx, http.MethodPut, identity.ID+"/federatedIdentityCredentials/"+name, apiIdentities, object{"properties": object{
		"issuer": cluster.IssuerURL, "subject": chain.Subject(namespace, serviceAccount), "audiences": []string{chain.TokenAudience},
	}}, nil)
	if err != nil {
		return fmt.Errorf("creating federated credential %q: %w", name, err)
	}
	return nil
}

// Assign gives a principal a built-in role, by its name, at a scope. It returns
// the assignment's id, which Manage deletes.
func (a *Azure) Assign(ctx context.Context, principalID, role, scope string) (string, error) {
	definition, ok := access.BuiltinRole(role)
	if !ok {
		return "", fmt.Errorf("there is no built-in role %q", role)
	}
	id := scope + "/providers/Microsoft.Authorization/roleAssignments/" + uuid.NewString()
	err := a.Manage(ctx, http.MethodPut, id, apiRoles, object{"properties": object{
		"roleDefinitionId": "/subscriptions/" + a.SubscriptionID + "/providers/Microsoft.Authorization/roleDefinitions/" + definition.ID,
		"principalId":      principalID, "principalType": "ServicePrincipal",
	}}, nil)
	if err != nil {
		return "", fmt.Errorf("assigning role %q at %q: %w", role, scope, err)
	}
	return id, nil
}

// Vault is a key vault.
type Vault struct {
	ID  string // ARM id
	URL string // https://NAME.vault.azure.net
}

// CreateVault creates a vault in role mode, which anyone may reach: access is by
// role assignments alone. The deployer becomes Key Vault Secrets Officer.
func (a *Azure) CreateVault(ctx context.Context, group, name string) (Vault, error) {
	vault := Vault{ID: group + "/providers/Microsoft.KeyVault/vaults/" + name, URL: "https://" + name + ".vault.azure.net"}
	err := a.Manage(ctx, http.MethodPut, vault.ID, apiVaults, object{"location": location, "properties": object{
		"tenantId": a.TenantID, "sku": object{"family": "A", "name": "standard"}, "enableRbacAuthorization": true,
	}}, nil)
	if err != nil {
		return vault, fmt.Errorf("creating vault %q: %w", name, err)
	}
	_, err = a.Assign(ctx, a.DeployerID(), "Key Vault Secrets Officer", vault.ID)
	return vault, err
}

// SetSecret writes a secret as the deployer.
func (a *Azure) SetSecret(ctx context.Context, vault Vault, name, value string) error {
	token, err := a.deployer.Token(ctx, deploy.KeyVault)
	if err != nil {
		return err
	}
	err = a.deployer.Do(ctx, deploy.Call{
		Method: http.MethodPut, URL: vault.URL + "/secrets/" + name + "?api-version=7.4", Token: token, Body: object{"value": value},
	}, nil)
	if err != nil {
		return fmt.Errorf("setting secret %q: %w", name, err)
	}
	return nil
}

// Secret reads a secret with an access token, as an SDK would. The error of a
// refusal holds Azure's code and text.
func (a *Azure) Secret(ctx context.Context, vault Vault, name, accessToken string) (string, error) {
	var bundle struct{ Value string }
	err := a.deployer.Do(ctx, deploy.Call{Method: http.MethodGet, URL: vault.URL + "/secrets/" + name + "?api-version=7.4", Token: accessToken}, &bundle)
	return bundle.Value, err
}

// Exchange presents a service account's token to the token service, as the
// identity with that client id, and returns an access token for a resource such
// as https://vault.azure.net. A refusal is a *TokenError.
func (a *Azure) Exchange(ctx context.Context, clientID, assertion, resource string) (string, error) {
	token, err := a.deployer.Assert(ctx, clientID, assertion, resource)
	var refused *deploy.Error
	if !errors.As(err, &refused) {
		return token.AccessToken, err
	}
	failure := &TokenError{Status: refused.Status}
	var body struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}
	if json.Unmarshal([]byte(refused.Body), &body) == nil {
		failure.Kind, failure.Description = body.Error, body.Description
		failure.Code, _, _ = strings.Cut(body.Description, ":")
	}
	return "", failure
}

// TokenError is a refusal of the token service (RFC 6749, section 5.2).
type TokenError struct {
	Status      int    // HTTP status
	Kind        string // OAuth's error: "invalid_client"
	Code        string // "AADSTS700213"
	Description string // Entra ID's text
}

func (e *TokenError) Error() string { return e.Kind + ": " + e.Description }
