package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/aksess/aksess/internal/deploy"
)

// azure is a local Azure in a process of its own.
type azure struct {
	cmd            *exec.Cmd
	address        string
	TenantID       string
	SubscriptionID string
	CAFile         string
	State          string
	Deployer       struct{ ClientID, ClientSecret string }

	roots  *x509.CertPool
	client *deploy.Client
}

// start runs `aksess up` with one processor and waits until it answers. The
// caller stops it.
func start(ctx context.Context, o options, arguments ...string) (*azure, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	a := &azure{address: "127.0.0.1:" + port}
	a.cmd = exec.Command(filepath.Join(o.bin, "aksess"), append([]string{"up", "-o", "json", "--log-level", "error", "--listen", a.address}, arguments...)...)
	a.cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
	a.cmd.Stderr = os.Stderr
	out, err := a.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := a.cmd.Start(); err != nil {
		return nil, err
	}
	var report struct {
		TenantID, SubscriptionID, CAFile, State string
		Deployer                                struct{ ClientID, ClientSecret string }
	}
	if err := json.NewDecoder(out).Decode(&report); err != nil {
		a.stop()
		return nil, fmt.Errorf("aksess up said nothing of itself: %w", err)
	}
	a.TenantID, a.SubscriptionID, a.CAFile, a.State, a.Deployer = report.TenantID, report.SubscriptionID, report.CAFile, report.State, report.Deployer
	pem, err := os.ReadFile(a.CAFile)
	if err != nil {
		a.stop()
		return nil, err
	}
	a.roots = x509.NewCertPool()
	a.roots.AppendCertsFromPEM(pem)
	a.client = &deploy.Client{HTTP: a.http(4), TenantID: a.TenantID, ClientID: a.Deployer.ClientID, ClientSecret: a.Deployer.ClientSecret}
	return a, nil
}

func (a *azure) stop() {
	_ = a.cmd.Process.Signal(syscall.SIGTERM)
	_ = a.cmd.Wait()
}

// http is a client that reaches every host at the one listener, over TLS and HTTP/1.1.
func (a *azure) http(conns int) *http.Client {
	dial := func(ctx context.Context, network, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, a.address)
	}
	return &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{
		DialContext: dial, MaxIdleConnsPerHost: conns, MaxConnsPerHost: conns, DisableCompression: true,
		TLSClientConfig: &tls.Config{RootCAs: a.roots, MinVersion: tls.VersionTLS13, NextProtos: []string{"http/1.1"}},
	}}
}

func freePort() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer listener.Close()
	_, port, err := net.SplitHostPort(listener.Addr().String())
	return port, err
}

// m is a JSON object.
type m = map[string]any

// workload is an identity that a cluster's service account may use.
type workload struct {
	clientID, principalID string
	group                 string
	server, token         string // of the cluster
}

func (a *azure) workload(ctx context.Context) (*workload, error) {
	w := &workload{group: "/subscriptions/" + a.SubscriptionID + "/resourceGroups/bench"}
	cluster := w.group + "/providers/Microsoft.ContainerService/managedClusters/bench"
	identity := w.group + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/bench"
	var created struct {
		Properties struct {
			ClientID, PrincipalID string
			OIDCIssuerProfile     struct{ IssuerURL string }
		}
	}
	var credentials struct{ Kubeconfigs []struct{ Value []byte } }
	var kubeconfig struct {
		Clusters []struct{ Cluster struct{ Server string } }
		Users    []struct{ User struct{ Token string } }
	}
	put := func(id, version string, body any) error {
		return a.client.Manage(ctx, http.MethodPut, id, version, body, &created)
	}
	if err := put(w.group, "2023-07-01", m{"location": "westeurope"}); err != nil {
		return nil, err
	}
	if err := put(identity, "2024-11-30", m{"location": "westeurope"}); err != nil {
		return nil, err
	}
	w.clientID, w.principalID = created.Properties.ClientID, created.Properties.PrincipalID
	if err := put(cluster, "2025-10-01", m{"location": "westeurope", "properties": m{"dnsPrefix": "bench", "oidcIssuerProfile": m{"enabled": true}}}); err != nil {
		return nil, err
	}
	if err := put(identity+"/federatedIdentityCredentials/bench", "2024-11-30", m{"properties": m{
		"issuer": created.Properties.OIDCIssuerProfile.IssuerURL, "subject": "system:serviceaccount:bench:bench", "audiences": []string{"api://AzureADTokenExchange"},
	}}); err != nil {
		return nil, err
	}
	if err := a.client.Manage(ctx, http.MethodPost, cluster+"/listClusterAdminCredential", "2025-10-01", nil, &credentials); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(credentials.Kubeconfigs[0].Value, &kubeconfig); err != nil {
		return nil, err
	}
	w.server, w.token = kubeconfig.Clusters[0].Cluster.Server, kubeconfig.Users[0].User.Token
	return w, nil
}

// assertion requests one service account token.
func (a *azure) assertion(ctx context.Context, w *workload) (string, error) {
	var answer struct{ Status struct{ Token string } }
	err := a.client.Do(ctx, deploy.Call{
		Method: http.MethodPost, URL: w.server + "/api/v1/namespaces/bench/serviceaccounts/bench/token", Token: w.token,
		Body: m{"spec": m{"audiences": []string{"api://AzureADTokenExchange"}, "expirationSeconds": 3600}},
	}, &answer)
	return answer.Status.Token, err
}

// form is a token request with an assertion.
func form(clientID, assertion string) []byte {
	values := url.Values{
		"grant_type": {"client_credentials"}, "client_id": {clientID}, "scope": {"https://vault.azure.net/.default"},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}, "client_assertion": {assertion},
	}
	return []byte(values.Encode())
}

func post(address string, body []byte) (*http.Request, error) {
	request, err := http.NewRequest(http.MethodPost, address, bytes.NewReader(body))
	if err == nil {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return request, err
}

// vault makes a vault in role mode with one secret that the workload may read.
func (a *azure) vault(ctx context.Context, w *workload) error {
	id := w.group + "/providers/Microsoft.KeyVault/vaults/bench-kv"
	err := a.client.Manage(ctx, http.MethodPut, id, "2024-11-01", m{"location": "westeurope", "properties": m{
		"tenantId": a.TenantID, "sku": m{"family": "A", "name": "standard"}, "enableRbacAuthorization": true,
	}}, nil)
	if err != nil {
		return err
	}
	claims := struct{ OID string }{}
	token, err := a.client.Token(ctx, deploy.KeyVault)
	if err != nil {
		return err
	}
	if err := decode(token, &claims); err != nil {
		return err
	}
	for name, grant := range map[string][2]string{
		"11111111-1111-4111-8111-111111111111": {"b86a8fe4-44ce-4948-aee5-eccb2c155cd7", claims.OID},    // Key Vault Secrets Officer
		"22222222-2222-4222-8222-222222222222": {"4633458b-17de-408a-b874-0445c86b69e6", w.principalID}, // Key Vault Secrets User
	} {
		err := a.client.Manage(ctx, http.MethodPut, id+"/providers/Microsoft.Authorization/roleAssignments/"+name, "2022-04-01", m{"properties": m{
			"roleDefinitionId": "/providers/Microsoft.Authorization/roleDefinitions/" + grant[0], "principalId": grant[1], "principalType": "ServicePrincipal",
		}}, nil)
		if err != nil {
			return err
		}
	}
	return a.client.Do(ctx, deploy.Call{
		Method: http.MethodPut, URL: "https://bench-kv.vault.azure.net/secrets/name?api-version=7.4", Token: token,
		Body: m{"value": "a-secret-value-of-ordinary-length", "tags": m{"a": "b"}},
	}, nil)
}

// decode reads a token's claims; nobody relies on them.
func decode(token string, claims any) error {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return fmt.Errorf("a token of %d parts", len(parts))
	}
	payload, err := b64.DecodeString(parts[1])
	if err != nil {
		return err
	}
	return json.Unmarshal(payload, claims)
}
