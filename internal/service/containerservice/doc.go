// Package containerservice serves Azure Kubernetes Service: the cluster as a
// resource of Resource Manager, which owns an OIDC issuer, and, under
// *.azmk8s.io, the API server of clusters that have no other: the issuer-only
// driver answers the two requests that workload identity needs (read a service
// account, TokenRequest) and refuses every other one clearly.
//
// Keys, tokens and discovery documents are made in issuer; clusters with a real
// API server are driven from cluster.
package containerservice
