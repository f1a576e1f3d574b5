// Package graph serves Microsoft Graph's view of the directory: users, groups,
// applications, service principals and federated credentials on applications,
// to the depth that az and Terraform ask for.
//
// It owns Graph's wire: OData queries, the forms of objects, its errors, and
// who may read and write the directory. The records and the rules among them
// are the directory's, tokens are entra's.
package graph
