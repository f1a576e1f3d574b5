// Package e2e runs the programs of this repository against a real Kubernetes
// control plane.
//
// It owns the control plane's life: [StartCluster] makes the certificates and
// keys, starts etcd, kube-apiserver and kube-controller-manager on loopback as
// child processes, and ends them with the test. It owns the reference scenario
// in Azure ([StartAzure], [Azure.Deploy], [Scenario.DeployData]) and the few verbs
// that tests need against a cluster ([Cluster.Apply], [Cluster.Token], [Eventually]).
// Building the control plane is left to tools/kubernetes; what is expected of
// the webhook, the issuer and the token service is written in the tests.
//
// There is no node: pods are admitted and stored, and stay Pending. Those of
// test/node run; it takes the control plane and the scenario from here.
//
// It works on Linux only, where the kernel ends the child processes with a test
// that is killed.
package e2e
