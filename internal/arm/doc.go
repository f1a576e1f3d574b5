// Package arm is Resource Manager's mechanics: resources under case-insensitive
// ids, resource groups, tags, ETags, the PUT/PATCH/GET/DELETE/list of a resource
// type and its answers.
//
// A resource type is a value of Type, one file in its service's folder; arm
// makes the operations of the host management.azure.com from the list of types.
// What a type validates and computes is the service's business, who may do it
// is decided in access by the actions that arm derives from the type's name.
package arm
