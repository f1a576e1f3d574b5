// Package controlplane runs Kubernetes control planes as child processes: etcd,
// kube-apiserver, kube-controller-manager and, where it is there,
// kube-scheduler. Service account tokens are signed with the key of the
// cluster's issuer in the local Azure, so that discovery document and keys that
// the local Azure serves are those of the tokens.
//
// # State
//
// A cluster keeps everything in a folder of its own, 0700: certificates, keys,
// the port of its API server and etcd's data. A restart finds the same cluster
// under the same address. Only loopback is listened on; etcd accepts the API
// server's certificate and no other.
//
// # Life
//
// [Driver.Start] returns when the API server is ready and its controllers work.
// From then on a child that ends is started again, later and later while it
// keeps ending. [Driver.Stop] ends the API server before etcd. On Linux the
// kernel ends the children when this process is killed.
//
// Issuers and their keys are made in issuer; connections to clusters of any
// kind are cluster's.
package controlplane
