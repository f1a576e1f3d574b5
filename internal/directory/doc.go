// Package directory keeps who exists in Entra ID: tenants, applications,
// service principals, managed identities and their credentials (federated
// credentials, secrets, certificates), users with their passwords, and groups.
//
// It owns the records and the rules that hold among them: names, uniqueness,
// limits, one writer at a time per identity. Whether a token matches a
// federated credential is decided in federation, what a principal may do in
// access, and tokens are made in entra.
package directory
