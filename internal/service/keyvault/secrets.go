package keyvault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/store"
)

const (
	maxValue   = 25 * 1024 // bytes
	maxBody    = 256 << 10 // bytes
	maxTags    = 15
	maxTagSize = 256 // characters, of a name and of a value
	maxType    = 255 // characters of a content type
)

var versionID = regexp.MustCompile(`^[0-9a-fA-F]{32}$`)

// key is where a secret is stored. Names compare without case.
func (v *Vault) key(name string) string { return v.UID + "/" + strings.ToLower(name) }

func (v *Vault) versionKey(name, id string) string {
	return v.key(name) + "/" + strings.ToLower(id)
}

// validName reports whether a secret can have the name: 1 to 127 letters,
// digits and hyphens. Every read asks, so it is no regular expression.
func validName(name string) bool {
	if len(name) < 1 || len(name) > 127 {
		return false
	}
	for i := range len(name) {
		c := name[i]
		if c != '-' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			return false
		}
	}
	return true
}

func nameOf(r *azapi.Request) (string, error) {
	name := r.Param("name")
	if !validName(name) {
		return "", badParameter.New(fmt.Sprintf("The request URI contains an invalid name: %.128s", name))
	}
	return name, nil
}

// set writes a new version of a secret.
func (s *Secrets) set(w http.ResponseWriter, r *azapi.Request) error {
	name, err := nameOf(r)
	if err != nil {
		return err
	}
	var body setRequest
	if err := r.DecodeJSON(&body); err != nil {
		return badParameter.New(err.Error())
	}
	if err := body.validate(); err != nil {
		return err
	}
	if body.Value == nil {
		return badParameter.New("The property \"value\" is required.")
	}
	vault := vaultFrom(r)
	next := version{ID: strings.ReplaceAll(s.NewID(), "-", ""), Value: *body.Value, Enabled: true, Created: r.Now.Unix(), Updated: r.Now.Unix()}
	body.apply(&next)
	written, err := s.write(r.Context(), vault, name, next, r.Now)
	if err != nil {
		return err
	}
	return azapi.WriteJSON(w, http.StatusOK, vault.whole(written, next))
}

// write stores a new version and makes it the current one, in one step.
func (s *Secrets) write(ctx context.Context, vault *Vault, name string, next version, now time.Time) (secret, error) {
	for {
		item, err := s.secrets.Get(ctx, vault.key(name))
		condition := store.Absent()
		if err == nil {
			condition = store.At(item.Version)
		} else if !errors.Is(err, store.ErrNotFound) {
			return secret{}, err
		}
		if item.Value.Name == "" {
			item.Value.Name = name
		}
		item.Value.Current = next
		head, err := s.secrets.PutOp(vault.key(name), item.Value, condition)
		if err != nil {
			return secret{}, err
		}
		body, err := s.versions.PutOp(vault.versionKey(name, next.ID), next, store.Absent())
		if err != nil {
			return secret{}, err
		}
		notDeleted := store.Op{Kind: kindDeleted, Key: vault.key(name), Check: true, If: store.Absent()}
		_, err = s.Store.Apply(ctx, notDeleted, head, body)
		var conflict *store.ConflictError
		if errors.As(err, &conflict) && conflict.Index == 0 {
			_, err := s.liveDeleted(ctx, vault, name, now)
			if err == nil {
				return secret{}, nameDeleted.New(name)
			}
			if !errors.Is(err, deletedNotFound) {
				return secret{}, err
			}
			continue // its retention has ended: it is purged now
		}
		if errors.Is(err, store.ErrConflict) {
			continue // another writer was first; the last one wins
		}
		return item.Value, err
	}
}

// get answers the newest version, or the one that the path names.
func (s *Secrets) get(w http.ResponseWriter, r *azapi.Request) error {
	name, err := nameOf(r)
	if err != nil {
		return err
	}
	vault, id := vaultFrom(r), r.Param("version")
	if id == "" {
		return s.getNewest(w, r, vault, name)
	}
	head, chosen, err := s.find(r.Context(), vault, name, id)
	if err != nil {
		return err
	}
	if !chosen.Value.Enabled {
		return secretDisabled.New()
	}
	return azapi.WriteJSON(w, http.StatusOK, vault.whole(head.Value, chosen.Value))
}

// getNewest is the read that every client makes most.
func (s *Secrets) getNewest(w http.ResponseWriter, r *azapi.Request, vault *Vault, name string) error {
	key := vault.key(name)
	doc, err := s.Store.Get(r.Context(), kindSecret, key)
	if errors.Is(err, store.ErrNotFound) {
		return secretNotFound.New(name)
	}
	if err != nil {
		return err
	}
	if answer, ok := s.answers.get(key, doc.Version, vault); ok {
		answer.write(w)
		return nil
	}
	var found secret
	if err := json.Unmarshal(doc.Value, &found); err != nil {
		return fmt.Errorf("decoding secret %q: %w", name, err)
	}
	if !found.Current.Enabled {
		return secretDisabled.New()
	}
	body, err := json.Marshal(vault.whole(found, found.Current))
	if err != nil {
		return err
	}
	s.answers.put(key, kept{version: doc.Version, vault: vault, body: body}).write(w)
	return nil
}

// find reads a secret and one of its versions, the newest with id "".
func (s *Secrets) find(ctx context.Context, vault *Vault, name, id string) (head store.Item[secret], chosen store.Item[version], err error) {
	if head, err = s.head(ctx, vault, name, id); err != nil {
		return head, chosen, err
	}
	if id == "" {
		id = head.Value.Current.ID
	}
	if !versionID.MatchString(id) {
		return head, chosen, badParameter.New(fmt.Sprintf("The request URI contains an invalid version: %.64s", id))
	}
	chosen, err = s.versions.Get(ctx, vault.versionKey(name, id))
	if errors.Is(err, store.ErrNotFound) {
		return head, chosen, secretNotFound.New(name + "/" + id)
	}
	return head, chosen, err
}

// head reads a secret; id is the version that was asked for, for the message.
func (s *Secrets) head(ctx context.Context, vault *Vault, name, id string) (store.Item[secret], error) {
	head, err := s.secrets.Get(ctx, vault.key(name))
	if errors.Is(err, store.ErrNotFound) {
		return head, secretNotFound.New(strings.TrimSuffix(fmt.Sprintf("%s/%.64s", name, id), "/"))
	}
	return head, err
}

// update changes the attributes, content type or tags of a version.
func (s *Secrets) update(w http.ResponseWriter, r *azapi.Request) error {
	name, err := nameOf(r)
	if err != nil {
		return err
	}
	var body setRequest
	if err := r.DecodeJSON(&body); err != nil {
		return badParameter.New(err.Error())
	}
	if err := body.validate(); err != nil {
		return err
	}
	vault := vaultFrom(r)
	for {
		head, chosen, err := s.find(r.Context(), vault, name, r.Param("version"))
		if err != nil {
			return err
		}
		body.apply(&chosen.Value)
		chosen.Value.Updated = r.Now.Unix()
		err = s.replace(r.Context(), head, chosen)
		if errors.Is(err, store.ErrConflict) {
			continue // another writer was first: apply the change to what it wrote
		}
		if err != nil {
			return err
		}
		return azapi.WriteJSON(w, http.StatusOK, vault.item(head.Value, chosen.Value, true))
	}
}

// replace writes a changed version, and the head when it is the current one,
// unless either changed since it was read.
func (s *Secrets) replace(ctx context.Context, head store.Item[secret], changed store.Item[version]) error {
	body, err := s.versions.PutOp(changed.Key, changed.Value, store.At(changed.Version))
	if err != nil {
		return err
	}
	live := store.Op{Kind: kindSecret, Key: head.Key, Check: true, If: store.Present()}
	if head.Value.Current.ID == changed.Value.ID {
		head.Value.Current = changed.Value
		if live, err = s.secrets.PutOp(head.Key, head.Value, store.At(head.Version)); err != nil {
			return err
		}
	}
	_, err = s.Store.Apply(ctx, live, body)
	return err
}

func (b *setRequest) validate() error {
	if b.Value != nil && len(*b.Value) > maxValue {
		return badParameter.New(fmt.Sprintf("The value of the secret is %d bytes long; the limit is %d.", len(*b.Value), maxValue))
	}
	if b.ContentType != nil && utf8.RuneCountInString(*b.ContentType) > maxType {
		return badParameter.New(fmt.Sprintf("The contentType is longer than %d characters.", maxType))
	}
	if len(b.Tags) > maxTags {
		return badParameter.New(fmt.Sprintf("The secret has %d tags; the limit is %d.", len(b.Tags), maxTags))
	}
	for name, value := range b.Tags {
		if utf8.RuneCountInString(name) > maxTagSize || utf8.RuneCountInString(value) > maxTagSize {
			return badParameter.New(fmt.Sprintf("The tag %.32q is longer than %d characters.", name, maxTagSize))
		}
	}
	a := b.Attributes
	if a != nil && a.NotBefore != nil && a.Expires != nil && *a.Expires < *a.NotBefore {
		return badParameter.New("The attribute exp is before nbf.")
	}
	return nil
}

// apply sets what the request names and leaves the rest.
func (b *setRequest) apply(v *version) {
	if b.ContentType != nil {
		v.ContentType = b.ContentType
	}
	if b.Tags != nil {
		v.Tags = b.Tags
	}
	if b.Attributes == nil {
		return
	}
	if b.Attributes.Enabled != nil {
		v.Enabled = *b.Attributes.Enabled
	}
	if b.Attributes.NotBefore != nil {
		v.NotBefore = b.Attributes.NotBefore
	}
	if b.Attributes.Expires != nil {
		v.Expires = b.Attributes.Expires
	}
}

func (v *Vault) baseURL() string {
	if v.base != "" {
		return v.base
	}
	return "https://" + strings.ToLower(v.Name) + hostSuffix
}

func (v *Vault) attributes(of version) attributes {
	level := "Recoverable+Purgeable"
	if !v.Purgeable {
		level = "Recoverable"
	}
	return attributes{
		Enabled: &of.Enabled, NotBefore: of.NotBefore, Expires: of.Expires, Created: of.Created, Updated: of.Updated,
		RecoveryLevel: level, RecoverableDays: v.Retention,
	}
}

// whole is the answer with the value.
func (v *Vault) whole(of secret, chosen version) bundle {
	b := v.item(of, chosen, true)
	b.Value = &chosen.Value
	return b
}

// item is a list entry, its id with or without the version.
func (v *Vault) item(of secret, chosen version, versioned bool) bundle {
	id := v.baseURL() + "/secrets/" + of.Name
	if versioned {
		id += "/" + chosen.ID
	}
	return bundle{ID: id, ContentType: chosen.ContentType, Attributes: v.attributes(chosen), Tags: chosen.Tags}
}

func unix(t *time.Time) int64 {
	if t == nil {
		return 0
	}
	return t.Unix()
}
