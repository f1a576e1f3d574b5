// Package node passes requests of a pod on to the metadata service of the node
// that it runs on: which paths may pass, what of a request and of its answer
// goes through, and the bounds.
//
// What passes is built, not copied: a path that was found on the list letter by
// letter, a few parameters as they were understood, a few headers. So what was
// checked is what is sent, and a spelling that the node's service might read in
// another way never arrives there. Nothing below /metadata/identity passes, whatever the
// list says and however it is written: the node's identities are not the pod's.
//
// # What passes unless told otherwise
//
// Of the categories that Azure documents
// (https://learn.microsoft.com/azure/virtual-machines/instance-metadata-service#endpoint-categories):
// instance, versions, loadbalancer and scheduledevents, read only; programs ask
// them for region and zone, and for maintenance that is about to happen. Not
// attested: its documents are signed proof of being the node, towards third
// parties that take such proof. Not POST /metadata/scheduledevents, by which
// maintenance of the node is approved for everybody on it. What is not
// documented does not pass: that includes what the node's own agents use.
package node
