package containerservice

import (
	"github.com/aksess/aksess/internal/chain"
	"github.com/aksess/aksess/internal/fault"
)

// Refusals of the cluster as a resource.
var (
	badCluster = &fault.Kind{Code: "InvalidParameter", Status: 400,
		Format: "%s", Why: "the cluster's name or properties are not valid", Fix: "correct what the message names"}
	fixedProperty = &fault.Kind{Code: "PropertyChangeNotAllowed", Status: 409,
		Format: "Provisioning of resource(s) for the cluster failed. Error details: Changing property '%s' is not allowed.",
		Why:    "the property is fixed at creation", Fix: "keep the value, or create another cluster"}
	issuerStays = &fault.Kind{Code: "OIDCIssuerFeatureCannotBeDisabled", Status: 400,
		Format: "OIDC issuer feature cannot be disabled once it is enabled.",
		Why:    "workloads rely on the issuer", Fix: "leave oidcIssuerProfile.enabled as it is"}
	localAccountsDisabled = &fault.Kind{Code: "GetCredentialNotAllowed", Status: 400,
		Format: "Getting static credential is not allowed because this cluster is set to disable local accounts.",
		Why:    "the cluster has disableLocalAccounts", Fix: "use the user credential"}
)

// Refusals of the issuer-only API server, in Kubernetes' reasons.
var (
	unauthorized = &fault.Kind{Code: "Unauthorized", Name: "Cluster", Status: 401, Link: chain.LinkServiceAccount,
		Format: "Unauthorized", Why: "the request has no token of this cluster", Fix: "use the kubeconfig of listClusterAdminCredential"}
	clusterNotFound = &fault.Kind{Code: "NotFound", Name: "Cluster", Status: 404, Link: chain.LinkServiceAccount,
		Format: "no cluster answers to the host %q", Why: "the cluster does not exist or has another driver", Fix: "fetch its kubeconfig again"}
	invalidRequest = &fault.Kind{Code: "Invalid", Name: "TokenRequest", Status: 422, Link: chain.LinkServiceAccount,
		Format: "TokenRequest is invalid: %s", Why: "the request asks for what Kubernetes would refuse", Fix: "correct the field that the message names"}
	badObject = &fault.Kind{Code: "BadRequest", Name: "TokenRequest", Status: 400, Link: chain.LinkServiceAccount,
		Format: "%s", Why: "the body is not an object of the API", Fix: "send an authentication.k8s.io/v1 TokenRequest"}
	wrongPath = &fault.Kind{Code: "NotFound", Name: "Path", Status: 404, Link: chain.LinkServiceAccount,
		Format: "%q is no name of a namespace or service account", Why: "the name is not one that Kubernetes takes", Fix: "correct the name"}
	issuerOnly = &fault.Kind{Code: "NotImplemented", Name: "Cluster", Status: 501, Link: chain.LinkServiceAccount,
		Format: "%.20s %.500s: this cluster has the issuer-only driver, which answers service accounts and their tokens and runs no Kubernetes",
		Why:    "the cluster is an OIDC issuer without an API server", Fix: "use a cluster with a control plane, or attach one"}
)
