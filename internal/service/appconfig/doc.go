// Package appconfig serves Azure App Configuration: the store as a resource of
// Resource Manager and, under *.azconfig.io, its settings with labels, filters,
// locks, conditional reads, pages, history and snapshots.
//
// It owns stores, their access keys and settings, and the wire habits that its clients depend on
// (Sync-Token on every answer, page ETags, the shape of next links). Who may
// read is decided in access; Key Vault references are resolved by the client.
package appconfig
