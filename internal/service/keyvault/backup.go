package keyvault

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/aksess/aksess/internal/arm"
	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/chain"
	"github.com/aksess/aksess/internal/store"
)

const (
	maxBackup    = 500      // versions (https://learn.microsoft.com/azure/key-vault/general/backup#limitations)
	maxRestore   = 24 << 20 // bytes of a restore's body
	maxSealed    = 12 << 20 // bytes of a backup before it is sealed, so that maxRestore takes it back
	backupForm   = "akv1"   // the first bytes of a backup; another form gets others
	backupKeyLen = 32       // AES-256
)

// backup is what a backup holds: a secret with all its versions.
type backup struct {
	Name     string    `json:"name"`
	Current  string    `json:"current"` // id of the newest version
	Versions []version `json:"versions"`
}

// backup answers a blob that only a vault of the same subscription and
// geography takes back, as Azure's
// (https://learn.microsoft.com/rest/api/keyvault/secrets/backup-secret).
func (s *Secrets) backup(w http.ResponseWriter, r *azapi.Request) error {
	name, err := nameOf(r)
	if err != nil {
		return err
	}
	vault := vaultFrom(r)
	head, err := s.head(r.Context(), vault, name, "")
	if err != nil {
		return err
	}
	items, err := s.versions.All(r.Context(), vault.key(name)+"/")
	if err != nil {
		return err
	}
	if len(items) > maxBackup {
		return badParameter.New(fmt.Sprintf("The secret has %d versions; a backup takes at most %d.", len(items), maxBackup))
	}
	held := backup{Name: head.Value.Name, Current: head.Value.Current.ID}
	for _, item := range items {
		held.Versions = append(held.Versions, item.Value)
	}
	plain, err := json.Marshal(held)
	if err != nil {
		return err
	}
	if len(plain) > maxSealed {
		return badParameter.New(fmt.Sprintf("The versions of the secret are larger than %d bytes together, the limit of a backup.", maxSealed))
	}
	sealer, bound, err := s.sealer(r.Context(), vault)
	if err != nil {
		return err
	}
	sealed := sealer.Seal([]byte(backupForm), nil, plain, bound)
	return azapi.WriteJSON(w, http.StatusOK, map[string]string{"value": base64.RawURLEncoding.EncodeToString(sealed)})
}

// restore writes a backup's secret with the versions that it had. The name must
// be free (https://learn.microsoft.com/rest/api/keyvault/secrets/restore-secret).
func (s *Secrets) restore(w http.ResponseWriter, r *azapi.Request) error {
	var body struct {
		Value string `json:"value"`
	}
	if err := r.DecodeJSON(&body); err != nil {
		return badParameter.New(err.Error())
	}
	vault := vaultFrom(r)
	sealer, bound, err := s.sealer(r.Context(), vault)
	if err != nil {
		return err
	}
	held, newest, err := unseal(sealer, bound, body.Value)
	if err != nil {
		return badParameter.New("The backup is not valid: " + err.Error() + ".")
	}
	written := secret{Name: held.Name, Current: newest}
	if err := s.writeBack(r, vault, written, held.Versions); err != nil {
		return err
	}
	return azapi.WriteJSON(w, http.StatusOK, vault.item(written, newest, true))
}

// writeBack writes a secret with its versions unless the name is taken.
func (s *Secrets) writeBack(r *azapi.Request, vault *Vault, back secret, versions []version) error {
	key := vault.key(back.Name)
	head, err := s.secrets.PutOp(key, back, store.Absent())
	if err != nil {
		return err
	}
	ops := []store.Op{{Kind: kindDeleted, Key: key, Check: true, If: store.Absent()}, head}
	for _, v := range versions {
		op, err := s.versions.PutOp(vault.versionKey(back.Name, v.ID), v, store.Always())
		if err != nil {
			return err
		}
		ops = append(ops, op)
	}
	for {
		_, err := s.Store.Apply(r.Context(), ops...)
		var conflict *store.ConflictError
		switch {
		case errors.As(err, &conflict) && conflict.Index == 0:
			if _, err := s.liveDeleted(r.Context(), vault, back.Name, r.Now); err == nil {
				return nameDeleted.New(back.Name)
			} else if !errors.Is(err, deletedNotFound) {
				return err
			} // its retention has ended: it is purged now
		case errors.Is(err, store.ErrConflict):
			return nameTaken.New(back.Name)
		default:
			return err
		}
	}
}

var (
	errNotBackup = errors.New("it is not one that a vault of this subscription and geography gave")
	errBackup    = errors.New("its content is not a secret")
)

// unseal opens a backup and returns it with its newest version. The errors'
// texts are safe to show.
func unseal(sealer cipher.AEAD, bound []byte, text string) (backup, version, error) {
	sealed, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(text, "="))
	if err != nil || !strings.HasPrefix(string(sealed[:min(len(sealed), len(backupForm))]), backupForm) {
		return backup{}, version{}, errNotBackup
	}
	plain, err := sealer.Open(nil, nil, sealed[len(backupForm):], bound)
	if err != nil {
		return backup{}, version{}, errNotBackup
	}
	var held backup
	if err := json.Unmarshal(plain, &held); err != nil || !validName(held.Name) || len(held.Versions) > maxBackup {
		return backup{}, version{}, errBackup
	}
	newest := slices.IndexFunc(held.Versions, func(v version) bool { return v.ID == held.Current })
	malformed := slices.ContainsFunc(held.Versions, func(v version) bool { return !versionID.MatchString(v.ID) })
	if newest < 0 || malformed {
		return backup{}, version{}, errBackup
	}
	return held, held.Versions[newest], nil
}

// sealer returns what seals the backups of a vault's subscription, and what
// binds them to it and its geography.
func (s *Secrets) sealer(ctx context.Context, vault *Vault) (cipher.AEAD, []byte, error) {
	id, err := chain.ParseID(vault.ID)
	if err != nil {
		return nil, nil, err
	}
	subscription := strings.ToLower(id.Subscription)
	key, err := s.backupKey(ctx, subscription)
	if err != nil {
		return nil, nil, fmt.Errorf("reading the key of backups: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, nil, err
	}
	sealer, err := cipher.NewGCMWithRandomNonce(block)
	return sealer, []byte(backupForm + "/" + subscription + "/" + geography(vault.Location)), err
}

// backupKey returns the key of a subscription's backups, which the first one makes.
func (s *Secrets) backupKey(ctx context.Context, subscription string) ([]byte, error) {
	item, err := s.keys.Get(ctx, subscription)
	if !errors.Is(err, store.ErrNotFound) {
		return item.Value, err
	}
	key := make([]byte, backupKeyLen)
	rand.Read(key) // never fails: see crypto/rand.Read
	_, err = s.keys.Put(ctx, subscription, key, store.Absent())
	if errors.Is(err, store.ErrConflict) { // another request made one first
		item, err = s.keys.Get(ctx, subscription)
		key = item.Value
	}
	return key, err
}

// geography is the group of regions that a location is in.
func geography(location string) string {
	locations := arm.Locations()
	at := slices.IndexFunc(locations, func(l arm.Location) bool { return l.Name == location })
	if at < 0 {
		return location
	}
	return locations[at].Geography
}
