package blob

import (
	"net/http"
	"strings"

	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/storage"
	"github.com/aksess/aksess/internal/storageapi"
)

// container reads the container that the path names.
func (b *Blobs) container(r *azapi.Request) (storage.Container, error) {
	name := r.Param("container")
	if err := storage.CheckContainerName(name); err != nil {
		return storage.Container{}, err
	}
	return b.blobs.Container(r.Context(), storageapi.Of(r).Account, name)
}

// createContainer: https://learn.microsoft.com/rest/api/storageservices/create-container
func (b *Blobs) createContainer(w http.ResponseWriter, r *azapi.Request) error {
	level, err := publicAccessOf(r)
	if err != nil {
		return err
	}
	for name := range r.Header {
		if strings.EqualFold(name, "x-ms-default-encryption-scope") || strings.EqualFold(name, "x-ms-deny-encryption-scope-override") {
			return storage.NotServed.New("The header " + strings.ToLower(name))
		}
	}
	c, err := b.blobs.CreateContainer(r.Context(), storageapi.Of(r).Account, r.Param("container"), level, metadataOf(r.Header))
	if err != nil {
		return err
	}
	writeStamp(w.Header(), c.Version, c.Modified)
	w.WriteHeader(http.StatusCreated)
	return nil
}

// publicAccessOf is the access level of the header, "" for none.
func publicAccessOf(r *azapi.Request) (string, error) {
	switch level := r.Header.Get("x-ms-blob-public-access"); strings.ToLower(level) {
	case "":
		return "", nil
	case "blob":
		return "Blob", nil
	case "container":
		return "Container", nil
	default:
		return "", storageapi.BadHeader("x-ms-blob-public-access", level)
	}
}

// getACL: https://learn.microsoft.com/rest/api/storageservices/get-container-acl
func (b *Blobs) getACL(w http.ResponseWriter, r *azapi.Request) error {
	c, err := b.heldContainer(r)
	if err != nil {
		return err
	}
	writeStamp(w.Header(), c.Version, c.Modified)
	if c.PublicAccess != "" {
		w.Header().Set("x-ms-blob-public-access", strings.ToLower(c.PublicAccess))
	}
	return storageapi.WritePolicies(w, c.Policies)
}

// setACL replaces the access level and the stored access policies
// (https://learn.microsoft.com/rest/api/storageservices/set-container-acl).
func (b *Blobs) setACL(w http.ResponseWriter, r *azapi.Request) error {
	on, err := conditionsOf(r.Header)
	if err != nil {
		return err
	}
	level, err := publicAccessOf(r)
	if err != nil {
		return err
	}
	policies, err := storageapi.ReadPolicies(r)
	if err != nil {
		return err
	}
	name := r.Param("container")
	if err := storage.CheckContainerName(name); err != nil {
		return err
	}
	c, err := b.blobs.UpdateContainer(r.Context(), storageapi.Of(r).Account, name, on, func(c *storage.Container) error {
		c.PublicAccess, c.Policies = level, policies
		return nil
	})
	if err != nil {
		return err
	}
	writeStamp(w.Header(), c.Version, c.Modified)
	w.WriteHeader(http.StatusOK)
	return nil
}

// getContainer: https://learn.microsoft.com/rest/api/storageservices/get-container-properties
func (b *Blobs) getContainer(w http.ResponseWriter, r *azapi.Request) error {
	c, err := b.heldContainer(r)
	if err != nil {
		return err
	}
	h := w.Header()
	writeStamp(h, c.Version, c.Modified)
	writeMetadata(h, c.Metadata)
	if r.Query("comp") == "" {
		writeLease(h, c.Lease, r.Now)
		if c.PublicAccess != "" {
			h.Set("x-ms-blob-public-access", strings.ToLower(c.PublicAccess))
		}
		h.Set("x-ms-has-immutability-policy", "false")
		h.Set("x-ms-has-legal-hold", "false")
		h.Set("x-ms-default-encryption-scope", "$account-encryption-key")
		h.Set("x-ms-deny-encryption-scope-override", "false")
		h.Set("x-ms-immutable-storage-with-versioning-enabled", "false")
	}
	w.WriteHeader(http.StatusOK)
	return nil
}

// setContainerMetadata: https://learn.microsoft.com/rest/api/storageservices/set-container-metadata
func (b *Blobs) setContainerMetadata(w http.ResponseWriter, r *azapi.Request) error {
	on, err := conditionsOf(r.Header)
	if err != nil {
		return err
	}
	name := r.Param("container")
	if err := storage.CheckContainerName(name); err != nil {
		return err
	}
	c, err := b.blobs.UpdateContainer(r.Context(), storageapi.Of(r).Account, name, on, func(c *storage.Container) error {
		c.Metadata = metadataOf(r.Header)
		return nil
	})
	if err != nil {
		return err
	}
	writeStamp(w.Header(), c.Version, c.Modified)
	w.WriteHeader(http.StatusOK)
	return nil
}

// deleteContainer: https://learn.microsoft.com/rest/api/storageservices/delete-container.
// Azure holds the name for at least 30 seconds; here it is free at once.
func (b *Blobs) deleteContainer(w http.ResponseWriter, r *azapi.Request) error {
	on, err := conditionsOf(r.Header)
	if err != nil {
		return err
	}
	name := r.Param("container")
	if err := storage.CheckContainerName(name); err != nil {
		return err
	}
	if err := b.blobs.DeleteContainer(r.Context(), storageapi.Of(r).Account, name, on); err != nil {
		return err
	}
	w.WriteHeader(http.StatusAccepted)
	return nil
}

// heldContainer reads the container, on the lease that the request names.
func (b *Blobs) heldContainer(r *azapi.Request) (storage.Container, error) {
	held, err := leaseOf(r.Header, "x-ms-lease-id")
	if err != nil {
		return storage.Container{}, err
	}
	c, err := b.container(r)
	if err != nil {
		return c, err
	}
	return c, b.blobs.CheckLease(c, held)
}
