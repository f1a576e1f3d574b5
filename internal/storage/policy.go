package storage

// StoredPolicy is a stored access policy of a container or queue: what a shared
// access signature that names it is limited to
// (https://learn.microsoft.com/rest/api/storageservices/define-stored-access-policy).
type StoredPolicy struct {
	ID          string `json:"id"`
	Start       string `json:"start,omitempty"` // as they were sent
	Expiry      string `json:"expiry,omitempty"`
	Permissions string `json:"permissions,omitempty"`
}
