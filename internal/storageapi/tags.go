package storageapi

import (
	"strings"

	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/storage"
)

// PermitTags refuses a request that reads or writes index tags beside what its
// operation is decided about, unless the caller may do that action too: a
// signature needs the permission t, and who has a token the role.
func PermitTags(r *azapi.Request, action azapi.Action) error {
	if r.Caller.Scheme == schemeSAS && !Of(r).tags {
		return storage.AuthorizationPermissionMismatch.New().Because("the signature lacks the permission t, for tags")
	}
	if r.Caller.Key != "" {
		return nil
	}
	verdict, err := r.Allowed(r.Context(), action, r.Scope())
	if err != nil {
		return err
	}
	if !verdict.Allowed {
		return storage.AuthorizationPermissionMismatch.New().Because(verdict.Nearest)
	}
	return nil
}

// setsTags reports whether a write sets tags.
func setsTags(r *azapi.Request) bool {
	switch r.Operation.Name {
	case "PutBlob", "PutBlockList":
		return strings.TrimSpace(r.Header.Get("x-ms-tags")) != ""
	}
	return false
}
