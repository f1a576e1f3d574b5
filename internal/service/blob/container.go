package blob

import (
	"net/http"
	"strings"

	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/storage"
)

// container reads the container that the path names.
func (b *Blobs) container(r *azapi.Request) (storage.Container, error) {
	name := r.Param("container")
	if err := storage.CheckContainerName(name); err != nil {
		return storage.Container{}, err
	}
	return b.blobs.Container(r.Context(), callOf(r).Account, name)
}

// createContainer: https://learn.microsoft.com/rest/api/storageservices/create-container
func (b *Blobs) createContainer(w http.ResponseWriter, r *azapi.Request) error {
	level := r.Header.Get("x-ms-blob-public-access")
	switch strings.ToLower(level) {
	case "":
	case "blob":
		level = "Blob"
	case "container":
		level = "Container"
	default:
		return badHeader("x-ms-blob-public-access", level)
	}
	for name := range r.Header {
		if strings.EqualFold(name, "x-ms-default-encryption-scope") || strings.EqualFold(name, "x-ms-deny-encryption-scope-override") {
			return storage.NotServed.New("The header " + strings.ToLower(name))
		}
	}
	c, err := b.blobs.CreateContainer(r.Context(), callOf(r).Account, r.Param("container"), level, metadataOf(r.Header))
	if err != nil {
		return err
	}
	writeStamp(w.Header(), c.Version, c.Modified)
	w.WriteHeader(http.StatusCreated)
	return nil
}

// getContainer: https://learn.microsoft.com/rest/api/storageservices/get-container-properties
func (b *Blobs) getContainer(w http.ResponseWriter, r *azapi.Request) error {
	if err := noLease(r); err != nil {
		return err
	}
	c, err := b.container(r)
	if err != nil {
		return err
	}
	h := w.Header()
	writeStamp(h, c.Version, c.Modified)
	writeMetadata(h, c.Metadata)
	if r.Query("comp") == "" {
		writeLease(h)
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
	if err := noLease(r); err != nil {
		return err
	}
	on, err := conditionsOf(r.Header)
	if err != nil {
		return err
	}
	name := r.Param("container")
	if err := storage.CheckContainerName(name); err != nil {
		return err
	}
	c, err := b.blobs.UpdateContainer(r.Context(), callOf(r).Account, name, on, func(c *storage.Container) error {
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
	if err := noLease(r); err != nil {
		return err
	}
	on, err := conditionsOf(r.Header)
	if err != nil {
		return err
	}
	name := r.Param("container")
	if err := storage.CheckContainerName(name); err != nil {
		return err
	}
	if err := b.blobs.DeleteContainer(r.Context(), callOf(r).Account, name, on); err != nil {
		return err
	}
	w.WriteHeader(http.StatusAccepted)
	return nil
}

func noLease(r *azapi.Request) error {
	if r.Header.Get("x-ms-lease-id") != "" {
		return noContainerLease.New()
	}
	return nil
}
