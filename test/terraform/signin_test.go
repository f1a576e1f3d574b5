package terraform_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"math/big"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"software.sslmate.com/src/go-pkcs12"

	"github.com/aksess/aksess/internal/deploy"
)

const (
	graph     = "https://graph.microsoft.com"
	roleOwner = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635"

	privateResources = 19 // the scenario's without sample data

	// The service account that signs Terraform in as a workload.
	deployerSubject = "system:serviceaccount:ci:terraform"
	deployerAccount = "sa/terraform"
)

// object is a JSON object.
type object = map[string]any

// signIns are the ways in which the provider signs in, each with what has to be
// there first. They prepare a workspace that has no credentials yet.
var signIns = map[string]struct {
	options func(t *testing.T) []string
	prepare func(t *testing.T, w *workspace)
}{
	"client_secret":      {prepare: withSecret},
	"client_certificate": {prepare: withCertificate},
	"oidc_token":         {prepare: withToken},
	"oidc_token_file":    {prepare: withTokenFile},
	"workload_identity":  {prepare: withWorkloadIdentity},
	"managed_identity":   {options: machineIdentity, prepare: withManagedIdentity},
	"az_login":           {prepare: withAz},
	"metadata_host":      {prepare: withMetadataHost},
}

// TestSignIn applies, plans and destroys the scenario with each way of signing in.
func TestSignIn(t *testing.T) {
	t.Parallel()
	for name, signIn := range signIns {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var options []string
			if signIn.options != nil {
				options = signIn.options(t)
			}
			w := scenario(t, startAzure(t, options...))
			w.write("private_override.tf", privateVault)
			w.environ = append(w.environ, "ARM_TENANT_ID="+w.azure.TenantID, "ARM_SUBSCRIPTION_ID="+w.azure.SubscriptionID)
			signIn.prepare(t, w)
			w.apply(counts{added: privateResources})
			w.planIsEmpty()
			w.destroy(privateResources)
		})
	}
}

func (w *workspace) set(variables ...string) { w.environ = append(w.environ, variables...) }

func withSecret(_ *testing.T, w *workspace) {
	w.set("ARM_CLIENT_ID="+w.azure.Deployer.ClientID, "ARM_CLIENT_SECRET="+w.azure.Deployer.ClientSecret)
}

// withCertificate registers a certificate with the deployer's application.
func withCertificate(t *testing.T, w *workspace) {
	key, err := rsa.GenerateKey(rand.Reader, 2048) // with an EC key the provider makes signatures that are not RFC 7518's
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "terraform"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	const password = "terraform"
	bundle, err := pkcs12.Modern.Encode(key, certificate, nil, password)
	if err != nil {
		t.Fatal(err)
	}
	w.write("client.pfx", string(bundle))
	a := w.azure
	a.graph("PATCH", a.application(), object{"keyCredentials": []object{{
		"type": "AsymmetricX509Cert", "usage": "Verify", "key": base64.StdEncoding.EncodeToString(der),
	}}}, nil)
	w.set("ARM_CLIENT_ID="+a.Deployer.ClientID, "ARM_CLIENT_CERTIFICATE_PATH="+filepath.Join(w.dir, "client.pfx"), "ARM_CLIENT_CERTIFICATE_PASSWORD="+password)
}

// graph asks Microsoft Graph as the deployer.
func (a *azure) graph(method, path string, body, into any) {
	a.t.Helper()
	token, err := a.client.Token(a.t.Context(), graph)
	if err == nil {
		err = a.client.Do(a.t.Context(), deploy.Call{Method: method, URL: graph + path, Token: token, Body: body}, into)
	}
	if err != nil {
		a.t.Fatalf("%s %s: %v", method, path, err)
	}
}

// application is the deployer's application in Microsoft Graph.
func (a *azure) application() (path string) {
	a.t.Helper()
	var found struct {
		Value []struct{ ID string }
	}
	a.graph("GET", "/v1.0/applications?$filter="+url.QueryEscape("appId eq '"+a.Deployer.ClientID+"'"), nil, &found)
	if len(found.Value) != 1 {
		a.t.Fatalf("the deployer's application: got %d, want 1", len(found.Value))
	}
	return "/v1.0/applications/" + found.Value[0].ID
}

// put writes a resource as the deployer.
func (a *azure) put(id, version string, body, into any) {
	a.t.Helper()
	if err := a.client.Manage(a.t.Context(), "PUT", id, version, body, into); err != nil {
		a.t.Fatalf("PUT %s: %v", id, err)
	}
}

// ciCluster makes a cluster, in a group of its own, whose service account runs
// Terraform, and returns its issuer.
func (a *azure) ciCluster() (issuer string) {
	a.t.Helper()
	a.put(a.subscription()+"/resourceGroups/ci", "2023-07-01", object{"location": "westeurope"}, nil)
	var cluster struct {
		Properties struct{ OIDCIssuerProfile struct{ IssuerURL string } }
	}
	a.put(a.subscription()+"/resourceGroups/ci/providers/Microsoft.ContainerService/managedClusters/ci", "2025-10-01", object{
		"location": "westeurope", "identity": object{"type": "SystemAssigned"}, "properties": object{
			"dnsPrefix": "ci", "oidcIssuerProfile": object{"enabled": true},
			"agentPoolProfiles": []object{{"name": "system", "mode": "System", "count": 1, "vmSize": "Standard_DS2_v2"}},
		},
	}, &cluster)
	return cluster.Properties.OIDCIssuerProfile.IssuerURL
}

// trust lets the cluster's service account sign in as the deployer's application.
func (a *azure) trust() {
	a.t.Helper()
	a.graph("POST", a.application()+"/federatedIdentityCredentials", object{
		"name": "ci-cluster", "issuer": a.ciCluster(), "subject": deployerSubject, "audiences": []string{"api://AzureADTokenExchange"},
	}, nil)
}

// asWorkload runs a program as the cluster's service account.
func (a *azure) asWorkload(dir, clientID string, environ []string, program ...string) *exec.Cmd {
	args := append([]string{"exec", "--state", a.state, "--cluster", "ci", "-n", "ci", "--client-id", clientID, "--tenant-id", a.TenantID, deployerAccount, "--"}, program...)
	cmd := exec.CommandContext(a.t.Context(), filepath.Join(a.bin, "aksess"), args...)
	cmd.Dir, cmd.Env = dir, append(clean(a.t), environ...)
	return cmd
}

// assertion is a token of the service account.
func (a *azure) assertion() string {
	a.t.Helper()
	token, err := a.asWorkload("", a.Deployer.ClientID, nil, "sh", "-c", `cat "$AZURE_FEDERATED_TOKEN_FILE"`).Output()
	if err != nil {
		a.t.Fatalf("requesting a token of the service account: %v", err)
	}
	return string(token)
}

func withToken(_ *testing.T, w *workspace) {
	w.azure.trust()
	w.set("ARM_USE_OIDC=true", "ARM_CLIENT_ID="+w.azure.Deployer.ClientID, "ARM_OIDC_TOKEN="+w.azure.assertion())
}

func withTokenFile(_ *testing.T, w *workspace) {
	w.azure.trust()
	w.write("token", w.azure.assertion())
	w.set("ARM_USE_OIDC=true", "ARM_CLIENT_ID="+w.azure.Deployer.ClientID, "ARM_OIDC_TOKEN_FILE_PATH="+filepath.Join(w.dir, "token"))
}

// identity makes a managed identity that owns the subscription.
func (a *azure) identity() (clientID string) {
	a.t.Helper()
	var made struct {
		Properties struct{ ClientID, PrincipalID string }
	}
	id := a.subscription() + "/resourceGroups/ci/providers/Microsoft.ManagedIdentity/userAssignedIdentities/terraform"
	a.put(id, "2024-11-30", object{"location": "westeurope"}, &made)
	a.put(a.subscription()+"/providers/Microsoft.Authorization/roleAssignments/00000000-0000-4000-8000-000000000001", "2022-04-01", object{"properties": object{
		"roleDefinitionId": a.subscription() + "/providers/Microsoft.Authorization/roleDefinitions/" + roleOwner, "principalId": made.Properties.PrincipalID,
	}}, nil)
	return made.Properties.ClientID
}

// withWorkloadIdentity runs Terraform as a pod would run it: as a service
// account whose tokens a managed identity trusts.
func withWorkloadIdentity(_ *testing.T, w *workspace) {
	issuer := w.azure.ciCluster()
	clientID := w.azure.identity()
	w.azure.put(w.azure.subscription()+"/resourceGroups/ci/providers/Microsoft.ManagedIdentity/userAssignedIdentities/terraform/federatedIdentityCredentials/ci-cluster",
		"2024-11-30", object{"properties": object{"issuer": issuer, "subject": deployerSubject, "audiences": []string{"api://AzureADTokenExchange"}}}, nil)
	w.set("ARM_USE_AKS_WORKLOAD_IDENTITY=true", "GO_AZURE_SDK_SKIP_POLLING_DELAY=true")
	w.wrap = func(dir string, environ []string, program ...string) *exec.Cmd {
		return w.azure.asWorkload(dir, clientID, environ, program...)
	}
}

// machineIdentity are the options of a local Azure whose machine has an
// identity that does not exist yet.
func machineIdentity(*testing.T) []string {
	const subscription = "5ab5c210-0000-4000-8000-00000000c0de"
	return []string{"--subscription", subscription, "--machine-identity",
		"/subscriptions/" + subscription + "/resourceGroups/ci/providers/Microsoft.ManagedIdentity/userAssignedIdentities/terraform"}
}

func withManagedIdentity(_ *testing.T, w *workspace) {
	w.azure.put(w.azure.subscription()+"/resourceGroups/ci", "2023-07-01", object{"location": "westeurope"}, nil)
	w.set("ARM_USE_MSI=true", "ARM_CLIENT_ID="+w.azure.identity(), "ARM_MSI_ENDPOINT="+w.azure.ProxyURL+"/metadata/identity/oauth2/token")
}

// withAz signs the newest az in, and lets the provider ask it.
func withAz(t *testing.T, w *workspace) {
	az := os.Getenv("AZ_BIN_DIR")
	if az == "" {
		t.Fatal("AZ_BIN_DIR names no folder with az; make e2e-terraform sets it")
	}
	w.set("AZURE_CONFIG_DIR="+filepath.Join(w.dir, "az"), "PATH="+az+string(os.PathListSeparator)+os.Getenv("PATH"))
	login := w.azure.command(w.dir, w.environ, "az", "login", "--service-principal", "--tenant", w.azure.TenantID,
		"--username", w.azure.Deployer.ClientID, "--password="+w.azure.Deployer.ClientSecret)
	if printed, err := login.CombinedOutput(); err != nil {
		t.Fatalf("az login: %v\n%s", err, printed)
	}
	w.set("ARM_USE_CLI=true")
}

// withMetadataHost leaves the proxy out: the provider is told by what `aksess tf`
// prints to use local names, which resolve to this machine in a mount namespace
// with an /etc/hosts of its own.
func withMetadataHost(t *testing.T, w *workspace) {
	if os.Getuid() != 0 {
		t.Skip("an /etc/hosts of its own takes root")
	}
	have, err := os.ReadFile("/etc/hosts")
	if err != nil {
		t.Fatal(err)
	}
	names := []string{"management", "login", "graph", "ch-widemo-dev-kv.vault", "ch-widemo-dev-appconf.azconfig", "chwidemodevst.blob.core", "chwidemodevst.queue.core"}
	w.write("hosts", string(have)+"\n127.0.0.1 "+strings.Join(names, ".aksess.localhost ")+".aksess.localhost\n")
	provider, err := exec.CommandContext(t.Context(), filepath.Join(w.azure.bin, "aksess"), "tf", "--state", w.azure.state).Output()
	if err != nil {
		t.Fatalf("aksess tf: %v", err)
	}
	w.write("provider_override.tf", string(provider))
	w.set("SSL_CERT_FILE="+w.azure.CAFile, "GO_AZURE_SDK_SKIP_POLLING_DELAY=true")
	w.wrap = func(dir string, environ []string, program ...string) *exec.Cmd {
		script := []string{"--mount", "sh", "-c", `mount --bind "$0" /etc/hosts && exec "$@"`, filepath.Join(w.dir, "hosts")}
		cmd := exec.CommandContext(t.Context(), "unshare", append(script, program...)...)
		cmd.Dir, cmd.Env = dir, append(clean(t), environ...)
		return cmd
	}
}
