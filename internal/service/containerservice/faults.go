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
	workloadNeedsIssuer = &fault.Kind{Code: "WorkloadIdentityRequiresOIDCIssuer", Status: 400,
		Format: "Workload identity requires the OIDC issuer to be enabled.",
		Why:    "a workload's tokens are exchanged by way of the cluster's issuer", Fix: "set oidcIssuerProfile.enabled"}
	tagsOnly = &fault.Kind{Code: "InvalidRequestContent", Status: 400,
		Format: "PATCH updates the tags of a managed cluster and nothing else; '%s' is not expected.",
		Why:    "AKS' PATCH is UpdateTags", Fix: "change other members by a PUT of the whole cluster"}
	poolTooNew = &fault.Kind{Code: "NodePoolMcVersionIncompatible", Status: 400,
		Format: "Node pool version %s and control plane version %s are incompatible. Minor version of node pool version %d is bigger than control plane version %d. For more information, please check https://aka.ms/version-skew-policy",
		Why:    "nodes must not be newer than their control plane", Fix: "upgrade the cluster first"}
	noIdentity = &fault.Kind{Code: "InvalidIdentity", Status: 400,
		Format: "The user assigned identity '%s' could not be found.",
		Why:    "a cluster can only have identities that are there", Fix: "create the identity first, or correct its id"}
	kubeletNeedsIdentity = &fault.Kind{Code: "CustomKubeletIdentityOnlySupportedOnUserAssignedMSICluster", Status: 400,
		Format: "Custom kubelet identity is only supported on clusters with a user assigned managed identity.",
		Why:    "only an identity that was made before the cluster can be allowed to use another one", Fix: "give the cluster an identity of type UserAssigned"}
	localAccountsDisabled = &fault.Kind{Code: "GetCredentialNotAllowed", Status: 400,
		Format: "Getting static credential is not allowed because this cluster is set to disable local accounts.",
		Why:    "the cluster has disableLocalAccounts", Fix: "use the user credential"}
	notAdministrator = &fault.Kind{Code: "Forbidden", Status: 403,
		Format: "The cluster behind this local Azure has the administrator's credential only, and the caller is not in a group of aadProfile.adminGroupObjectIDs.",
		Why:    "drivers that run no control plane of their own cannot make a user with fewer rights", Fix: "add the caller to a group of administrators, or use the driver control-plane"}
	underWay = &fault.Kind{Code: "OperationNotAllowed", Status: 409,
		Format: "Operation is not allowed because there is an in progress operation (%s) on the managed cluster '%s'.",
		Why:    "the cluster is being created or updated", Fix: "wait until its provisioningState is Succeeded"}
	notStarted = &fault.Kind{Code: "ControlPlaneNotReady", Status: 500,
		Format: "The control plane of the managed cluster '%s' did not become ready. The log of the local Azure says why.",
		Why:    "the programs of the cluster do not run", Fix: "see the log of aksess up and the files that it names, then PUT the cluster again"}
	notServed = &fault.Kind{Code: "NotImplemented", Name: "Operation", Status: 501,
		Format: "%s", Why: "aksess does not do this", Fix: "see the README of the service for what it does"}
	noSuchRole = &fault.Kind{Code: "InvalidParameter", Name: "AccessProfile", Status: 400,
		Format: "The value of parameter roleName is invalid. Error details: '%s' is none of clusterAdmin, clusterUser.",
		Why:    "a cluster has two access profiles", Fix: "ask for clusterAdmin or clusterUser"}
)

// invalid is AKS' refusal of one member.
func invalid(name, why string) *fault.Error {
	refusal := badCluster.New("The value of parameter " + name + " is invalid. Error details: " + why + ". Please see https://aka.ms/aks-naming-rules for more details.")
	refusal.Detail = name // the error's target
	return refusal
}

// missing is AKS' refusal of a member that is not there.
func missing(name string) *fault.Error {
	refusal := badCluster.New("Required parameter " + name + " is missing (null).")
	refusal.Detail = name
	return refusal
}

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
