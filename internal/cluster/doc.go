// Package cluster talks to Kubernetes clusters from outside: it reads a service
// account, requests its token as the kubelet does and keeps a file with a valid
// one. Every cluster that a kubeconfig leads to is the same to it, a local
// Azure's included.
//
// What the annotations of a service account mean is inject's business; the
// command line decides which cluster is meant.
package cluster
