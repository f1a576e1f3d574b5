// Package inject is the first link of the chain: it decides what the webhook
// does to a pod, and serves that decision to a Kubernetes API server.
//
// [Mutate] is the decision: a pod as JSON, its service account and a [Config]
// give a JSON patch, the warnings a user should see and a summary, or a
// [*Denied]. It is pure. The patch is built from the raw object and touches
// only what is ours (variables, mounts, volumes, the proxy's containers), so a
// field that this version has never heard of survives; it holds no remove
// operation and is empty for a pod that already has everything.
//
// [Suspect] is about what the webhook does not change: objects that look as if
// their pods were meant to take part. [Environment] and [Identities] say what a
// service account alone comes to, for programs outside of a pod.
//
// [Handler] serves the decision as an admission webhook, [Certificates] makes
// and renews the certificate it is served with, [Acceptance] knows whether API
// servers would accept it; [Warner] serves what Suspect says. What is observed
// of each request is [Reviewed]. Reading service accounts from a cluster, keeping
// certificates in it, publishing the CA bundle and writing Events is the work of
// the kube subpackage, counting that of metrics: this package imports nothing of
// Kubernetes, so that programs without a cluster can use it.
package inject
