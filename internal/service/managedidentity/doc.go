// Package managedidentity is Microsoft.ManagedIdentity in Resource Manager:
// user-assigned identities and their federated credentials, and the view of a
// resource's system-assigned identity.
//
// It owns the form of these resources. The principals and federated credentials
// themselves are kept, with their rules, in directory; the token service reads
// them there, so that what Resource Manager shows is what a token is matched with.
package managedidentity
