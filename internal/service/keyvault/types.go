package keyvault

import "time"

// Kinds of stored documents. Keys begin with the vault's UID.
const (
	kindSecret  = "keyvault.secret"  // UID/name → secret, whose Current is the newest version
	kindVersion = "keyvault.version" // UID/name/version → version
	kindDeleted = "keyvault.deleted" // UID/name → secret, waiting for recovery or purge

	kindContacts  = "keyvault.contacts"  // UID/contacts → contacts
	kindBackupKey = "keyvault.backupkey" // subscription → the key that seals its backups
)

// secret is one secret as it is stored.
type secret struct {
	Name    string     `json:"name"` // as first written
	Current version    `json:"current"`
	Deleted *time.Time `json:"deleted,omitempty"`
	Purge   *time.Time `json:"purge,omitempty"` // when the retention ends
}

// version is one value of a secret.
type version struct {
	ID          string            `json:"id"` // 32 hexadecimal digits
	Value       string            `json:"value"`
	ContentType *string           `json:"contentType,omitempty"`
	Enabled     bool              `json:"enabled"`
	NotBefore   *int64            `json:"nbf,omitempty"` // Unix seconds
	Expires     *int64            `json:"exp,omitempty"` // Unix seconds
	Created     int64             `json:"created"`       // Unix seconds
	Updated     int64             `json:"updated"`       // Unix seconds
	Tags        map[string]string `json:"tags,omitempty"`
}

// attributes are a version's management attributes on the wire
// (https://learn.microsoft.com/rest/api/keyvault/secrets/get-secret/get-secret#secretattributes).
type attributes struct {
	Enabled         *bool  `json:"enabled,omitempty"`
	NotBefore       *int64 `json:"nbf,omitempty"`
	Expires         *int64 `json:"exp,omitempty"`
	Created         int64  `json:"created,omitempty"`
	Updated         int64  `json:"updated,omitempty"`
	RecoveryLevel   string `json:"recoveryLevel,omitempty"`
	RecoverableDays int    `json:"recoverableDays,omitempty"`
}

// bundle is a secret on the wire: whole, as a list item (no value) or deleted.
type bundle struct {
	Value              *string           `json:"value,omitempty"`
	ContentType        *string           `json:"contentType,omitempty"`
	ID                 string            `json:"id"`
	Attributes         attributes        `json:"attributes"`
	Tags               map[string]string `json:"tags,omitempty"`
	RecoveryID         string            `json:"recoveryId,omitempty"`
	DeletedDate        int64             `json:"deletedDate,omitempty"`
	ScheduledPurgeDate int64             `json:"scheduledPurgeDate,omitempty"`
}

// setRequest is the body of SetSecret and UpdateSecret.
type setRequest struct {
	Value       *string           `json:"value"`
	ContentType *string           `json:"contentType"`
	Attributes  *attributes       `json:"attributes"`
	Tags        map[string]string `json:"tags"`
}

// page is a list answer.
type page struct {
	Value    []bundle `json:"value"`
	NextLink *string  `json:"nextLink"`
}
