// Package keyvault serves Azure Key Vault: the vault as a resource of Resource
// Manager and, under *.vault.azure.net, its secrets with versions, soft delete,
// recovery and purge.
//
// It owns vaults and secrets, the order and the texts of the vault's refusals.
// Roles, access policies and network rules are decided in access.
package keyvault
