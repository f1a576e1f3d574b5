package keyvault

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/store"
)

// delete moves a secret to the deleted ones, from where it can be recovered
// until its retention ends.
func (s *Secrets) delete(w http.ResponseWriter, r *azapi.Request) error {
	name, err := nameOf(r)
	if err != nil {
		return err
	}
	vault := vaultFrom(r)
	for {
		item, err := s.secrets.Get(r.Context(), vault.key(name))
		if errors.Is(err, store.ErrNotFound) {
			return secretNotFound.New(name)
		}
		if err != nil {
			return err
		}
		deleted, purge := r.Now, r.Now.Add(time.Duration(vault.Retention)*24*time.Hour)
		gone := item.Value
		gone.Deleted, gone.Purge = &deleted, &purge
		put, err := s.deleted.PutOp(vault.key(name), gone, store.Absent())
		if err != nil {
			return err
		}
		_, err = s.Store.Apply(r.Context(), s.secrets.DeleteOp(vault.key(name), store.At(item.Version)), put)
		if errors.Is(err, store.ErrConflict) {
			continue
		}
		if err != nil {
			return err
		}
		return azapi.WriteJSON(w, http.StatusOK, vault.deletedBundle(gone))
	}
}

func (s *Secrets) getDeleted(w http.ResponseWriter, r *azapi.Request) error {
	item, vault, err := s.findDeleted(r)
	if err != nil {
		return err
	}
	return azapi.WriteJSON(w, http.StatusOK, vault.deletedBundle(item.Value))
}

// recover makes a deleted secret live again with all its versions.
func (s *Secrets) recover(w http.ResponseWriter, r *azapi.Request) error {
	item, vault, err := s.findDeleted(r)
	if err != nil {
		return err
	}
	back := item.Value
	back.Deleted, back.Purge = nil, nil
	put, err := s.secrets.PutOp(item.Key, back, store.Absent())
	if err != nil {
		return err
	}
	_, err = s.Store.Apply(r.Context(), s.deleted.DeleteOp(item.Key, store.At(item.Version)), put)
	var conflict *store.ConflictError
	switch {
	case errors.As(err, &conflict) && conflict.Index == 0:
		return deletedNotFound.New(back.Name) // recovered or purged by somebody else
	case errors.Is(err, store.ErrConflict):
		return nameTaken.New(back.Name)
	}
	if err != nil {
		return err
	}
	return azapi.WriteJSON(w, http.StatusOK, vault.item(back, back.Current, true))
}

// purge removes a deleted secret and its versions for good.
func (s *Secrets) purge(w http.ResponseWriter, r *azapi.Request) error {
	item, vault, err := s.findDeleted(r)
	if err != nil {
		return err
	}
	if !vault.Purgeable {
		return purgeProtected.New()
	}
	err = s.erase(r.Context(), item)
	if errors.Is(err, store.ErrConflict) {
		return deletedNotFound.New(item.Value.Name) // recovered or purged by somebody else
	}
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// erase removes a deleted secret with its versions, in one step up to 4095 of
// them. With more the secret itself goes last, so that versions which an
// interrupted purge leaves never turn up under a later secret of the name. It
// fails with store.ErrConflict when the secret changed since it was read.
func (s *Secrets) erase(ctx context.Context, item store.Item[secret]) error {
	versions, err := s.versions.All(ctx, item.Key+"/")
	if err != nil {
		return err
	}
	var ops []store.Op
	for _, v := range versions {
		ops = append(ops, s.versions.DeleteOp(v.Key, store.Always()))
	}
	ops = append(ops, s.deleted.DeleteOp(item.Key, store.At(item.Version)))
	for part := range slices.Chunk(ops, store.MaxOps) {
		if _, err := s.Store.Apply(ctx, part...); err != nil {
			return err
		}
	}
	return nil
}

// findDeleted reads the deleted secret of the path.
func (s *Secrets) findDeleted(r *azapi.Request) (store.Item[secret], *Vault, error) {
	vault := vaultFrom(r)
	name, err := nameOf(r)
	if err != nil {
		return store.Item[secret]{}, vault, err
	}
	item, err := s.liveDeleted(r.Context(), vault, name, r.Now)
	return item, vault, err
}

// liveDeleted reads a deleted secret. One whose retention has ended is purged
// now and not found.
func (s *Secrets) liveDeleted(ctx context.Context, vault *Vault, name string, now time.Time) (store.Item[secret], error) {
	item, err := s.deleted.Get(ctx, vault.key(name))
	if errors.Is(err, store.ErrNotFound) {
		return item, deletedNotFound.New(name)
	}
	if err != nil || !item.Value.lapsed(now) {
		return item, err
	}
	if err := s.erase(ctx, item); err != nil && !errors.Is(err, store.ErrConflict) {
		return item, err
	}
	return item, deletedNotFound.New(name)
}

// lapsed reports that the retention of a deleted secret has ended.
func (s secret) lapsed(now time.Time) bool { return s.Purge != nil && !now.Before(*s.Purge) }

func (v *Vault) deletedBundle(of secret) bundle {
	b := v.item(of, of.Current, true)
	b.RecoveryID = v.baseURL() + "/deletedsecrets/" + of.Name
	b.DeletedDate, b.ScheduledPurgeDate = unix(of.Deleted), unix(of.Purge)
	return b
}
