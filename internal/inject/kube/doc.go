// Package kube is the webhook's connection to its cluster: it finds service
// accounts for inject's decision, keeps certificates in Secrets, has one replica
// lead, publishes the CA bundle in the webhook's own configuration, writes Events
// about warnings, and asks the API server what it knows of sidecar containers.
//
// It decides nothing about pods, and no other package of the webhook imports
// client-go. Of a service account only the metadata is ever fetched and only
// the annotations that inject reads are kept, so a cluster with many service
// accounts costs little memory. Everything else goes through the dynamic client:
// the typed ones, and client-go's leader election with them, bring the types of
// every Kubernetes API into the program.
package kube
