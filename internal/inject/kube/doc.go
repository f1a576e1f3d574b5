// Package kube is the webhook's connection to its cluster: it finds service
// accounts for inject's decision, publishes the CA bundle in the webhook's own
// configuration, and asks the API server what it knows of sidecar containers.
//
// It decides nothing about pods, and no other package of the webhook imports
// client-go. Of a service account only the metadata is ever fetched and only
// the annotations that inject reads are kept, so a cluster with many service
// accounts costs little memory.
package kube
