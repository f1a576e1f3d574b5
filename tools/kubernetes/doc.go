// Package kubernetes pins the Kubernetes release whose real control plane the
// end-to-end tests run against, and nothing else: it is the go.mod beside this
// file that matters. The script build compiles the programs listed in tools.go
// from that module graph, so a machine with Go needs no download of released
// binaries. Starting and stopping what it builds belongs to test/e2e.
package kubernetes
