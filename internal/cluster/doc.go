// Package cluster talks to Kubernetes clusters from outside: it reads a service
// account, requests its token as the kubelet does and keeps a file with a valid
// one. Every cluster that a kubeconfig leads to is the same to it, a local
// Azure's included.
//
// A cluster that somebody else runs can be [Attach]ed: it then is every cluster
// of the local Azure. Clusters that the local Azure runs itself are the
// neighbours' below: controlplane starts Kubernetes' own programs, kind
// containers, and driver is what they are told.
//
// What the annotations of a service account mean is inject's business; the
// command line decides which cluster is meant.
package cluster
