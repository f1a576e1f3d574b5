// Package authorization is Microsoft.Authorization in Resource Manager: role
// definitions and role assignments at every scope.
//
// It owns the form of these resources and the questions that only Resource
// Manager can answer: whether the scope and the principal are there, whether the
// caller may write a role at each scope that it can be assigned at. The records
// and their rules are kept in access, where decisions read them.
package authorization
