// Package resources is the part of Resource Manager that belongs to no resource
// type: subscriptions, tenants, locations, providers, resource groups, the
// generic lists of resources and the cloud's metadata.
//
// It owns the form of those answers. The mechanics (ids, tags, deletion of a
// group with all that is in it, paging) are arm's; the resource types belong to
// their services.
package resources
