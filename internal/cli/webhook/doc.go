// Package webhook is the command line of aksess-webhook: it reads flags and
// environment, puts the parts of inject and inject/kube together, opens the
// listeners and ends in order.
//
// Flags and variables are those of upstream's webhook where it has them, so its
// manifests keep working; the rest is listed by --help. It decides nothing:
// what happens to a pod is inject's, how the cluster is asked is inject/kube's.
package webhook
