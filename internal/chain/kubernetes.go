package chain

import (
	"fmt"
	"strings"
)

// Labels and annotations of Azure workload identity on Kubernetes objects
// (https://azure.github.io/azure-workload-identity/docs/topics/service-account-labels-and-annotations.html).
const (
	LabelUse = "azure.workload.identity/use" // on the pod; exactly "true"

	// AnnotationPrefix begins all of them.
	AnnotationPrefix = "azure.workload.identity/"

	AnnotationClientID           = "azure.workload.identity/client-id"                        // on the service account
	AnnotationTenantID           = "azure.workload.identity/tenant-id"                        // on the service account
	AnnotationTokenExpiration    = "azure.workload.identity/service-account-token-expiration" // seconds; the pod's wins
	AnnotationSkipContainers     = "azure.workload.identity/skip-containers"                  // on the pod
	AnnotationInjectProxySidecar = "azure.workload.identity/inject-proxy-sidecar"             // on the pod
	AnnotationProxySidecarPort   = "azure.workload.identity/proxy-sidecar-port"               // on the pod

	// AnnotationClientIDs lists further identities of a service account under
	// names, "storage=GUID,vault=GUID". Upstream has nothing like it.
	AnnotationClientIDs = "azure.workload.identity/client-ids"
	// AnnotationProxySidecarMode says how programs reach the proxy: "redirect" or
	// "endpoint". It is on the pod; upstream has nothing like it.
	AnnotationProxySidecarMode = "azure.workload.identity/proxy-sidecar-mode"

	// AnnotationUsePrefix begins the annotation of a pod that takes its tokens
	// through the cluster's own endpoint; what follows is the cluster's choice.
	AnnotationUsePrefix = LabelUse + "-"

	// AnnotationMirrorPod marks the API server's copy of a static pod
	// (https://kubernetes.io/docs/reference/labels-annotations-taints/#kubernetes-io-config-mirror).
	AnnotationMirrorPod = "kubernetes.io/config.mirror"
	// AnnotationLocalAzureCA carries the certificate authority of a local Azure
	// into a pod, PEM, from where the downward API projects it into a file.
	AnnotationLocalAzureCA = "aksess.github.io/local-azure-ca"
)

// Environment variables that Azure's SDKs read for workload identity.
const (
	EnvClientID           = "AZURE_CLIENT_ID" // EnvClientID_NAME holds a further identity's
	EnvTenantID           = "AZURE_TENANT_ID"
	EnvFederatedTokenFile = "AZURE_FEDERATED_TOKEN_FILE"
	EnvAuthorityHost      = "AZURE_AUTHORITY_HOST"
)

// Environment variables by which SDKs find a managed identity's endpoint on App
// Service (https://learn.microsoft.com/azure/app-service/overview-managed-identity#rest-endpoint-reference).
// Both are there or neither.
const (
	EnvIdentityEndpoint = "IDENTITY_ENDPOINT"
	EnvIdentityHeader   = "IDENTITY_HEADER" // a secret that requests carry
)

// Environment variables by which SDKs find a cluster's own token endpoint, which
// AKS calls identity bindings. Of the two about trust there is one at most; with
// neither, the system's roots are trusted.
const (
	EnvKubernetesTokenProxy = "AZURE_KUBERNETES_TOKEN_PROXY"
	EnvKubernetesSNIName    = "AZURE_KUBERNETES_SNI_NAME"
	EnvKubernetesCAFile     = "AZURE_KUBERNETES_CA_FILE"
	EnvKubernetesCAData     = "AZURE_KUBERNETES_CA_DATA"
)

// Where the projected token is mounted. Upstream moved it in v1.6.0; programs
// that hard-coded the old path still look there.
const (
	TokenMountPath = "/var/run/secrets/azure/wi"
	TokenPath      = "token/azure-identity-token"
	TokenFile      = TokenMountPath + "/" + TokenPath
	// KubernetesCAPath is the certificate authority of a cluster's own token
	// endpoint, beside the token.
	KubernetesCAPath  = "ca-cert/ca.crt"
	KubernetesCAFile  = TokenMountPath + "/" + KubernetesCAPath
	OldTokenMountPath = "/var/run/secrets/azure/tokens"
	OldTokenPath      = "azure-identity-token"
	OldTokenFile      = OldTokenMountPath + "/" + OldTokenPath
)

// Where the certificate authority of a local Azure is mounted.
const (
	LocalAzureMountPath = "/var/run/secrets/aksess"
	LocalAzureCAFile    = LocalAzureMountPath + "/ca.crt"
)

// Values that both sides of the handshake must agree on.
const (
	// TokenAudience is the audience of a federated assertion in Azure's public cloud.
	TokenAudience = "api://AzureADTokenExchange"
	// BindingAudience is the audience of a token for AKS's identity bindings, and
	// BindingSuffix ends the annotation that asks for them.
	BindingAudience = "api://AKSIdentityBinding"
	BindingSuffix   = "identity-binding"
	// PublicAuthorityHost is the token service of Azure's public cloud.
	PublicAuthorityHost = "https://login.microsoftonline.com/"

	DefaultTokenExpiration = 3600  // seconds
	MinTokenExpiration     = 3600  // seconds
	MaxTokenExpiration     = 86400 // seconds
	DefaultProxyPort       = 8000

	// ProxyTokenPath is where the proxy answers the protocol of App Service.
	ProxyTokenPath = "/msi/token"

	// MaxFederatedCredentials is Entra ID's limit for one identity
	// (https://learn.microsoft.com/entra/workload-id/workload-identity-federation-considerations).
	MaxFederatedCredentials = 20
)

// DefaultServiceAccount is the service account of a pod that names none.
const DefaultServiceAccount = "default"

const subjectPrefix = "system:serviceaccount:"

// Subject returns the `sub` that Kubernetes puts into the tokens of a service account.
func Subject(namespace, name string) string {
	return subjectPrefix + namespace + ":" + name
}

// ParseSubject splits a Kubernetes subject into namespace and service account
// name. It fails on anything that [Subject] could not have made.
func ParseSubject(subject string) (namespace, name string, err error) {
	rest, ok := strings.CutPrefix(subject, subjectPrefix)
	namespace, name, found := strings.Cut(rest, ":")
	if !ok || !found || namespace == "" || name == "" || strings.ContainsAny(name, ": ") || strings.Contains(namespace, " ") {
		return "", "", fmt.Errorf("subject %q is not of the form system:serviceaccount:NAMESPACE:NAME", subject)
	}
	return namespace, name, nil
}
