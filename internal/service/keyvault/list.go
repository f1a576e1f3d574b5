package keyvault

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/store"
)

const pageSize = 25 // the most that Azure puts on a page, and its default

func (s *Secrets) list(w http.ResponseWriter, r *azapi.Request) error {
	vault := vaultFrom(r)
	return listPage(w, r, s.secrets, vault.UID+"/", func(of secret) (bundle, bool) { return vault.item(of, of.Current, false), true })
}

func (s *Secrets) listDeleted(w http.ResponseWriter, r *azapi.Request) error {
	vault := vaultFrom(r)
	return listPage(w, r, s.deleted, vault.UID+"/", func(of secret) (bundle, bool) {
		b := vault.deletedBundle(of)
		b.ID = vault.baseURL() + "/secrets/" + of.Name
		return b, !of.lapsed(r.Now)
	})
}

func (s *Secrets) listVersions(w http.ResponseWriter, r *azapi.Request) error {
	name, err := nameOf(r)
	if err != nil {
		return err
	}
	vault := vaultFrom(r)
	head, err := s.head(r.Context(), vault, name, "")
	if err != nil {
		return err
	}
	return listPage(w, r, s.versions, vault.key(name)+"/", func(v version) (bundle, bool) { return vault.item(head.Value, v, true), true })
}

// listPage answers one page of documents below prefix. The continuation is the
// last key of the page without the prefix, so that no caller can leave its vault.
// bundleOf says whether the document is shown; a page may be short or empty.
func listPage[T any](w http.ResponseWriter, r *azapi.Request, from store.Collection[T], prefix string, bundleOf func(T) (bundle, bool)) error {
	limit := pageSize
	if text := r.Query("maxresults"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > pageSize {
			return badParameter.New(fmt.Sprintf("The query parameter maxresults has the invalid value %.20q; it must be between 1 and %d.", text, pageSize))
		}
		limit = n
	}
	query := store.Query{Prefix: prefix, Limit: limit}
	if token := r.Query("$skiptoken"); token != "" {
		after, err := base64.RawURLEncoding.DecodeString(token)
		if err != nil {
			return badParameter.New("The query parameter $skiptoken is not one that this vault gave.")
		}
		query.After = prefix + string(after)
	}
	items, more, err := from.List(r.Context(), query)
	if err != nil {
		return err
	}
	answer := page{Value: make([]bundle, 0, len(items))}
	for _, item := range items {
		if b, shown := bundleOf(item.Value); shown {
			answer.Value = append(answer.Value, b)
		}
	}
	if more {
		last := strings.TrimPrefix(items[len(items)-1].Key, prefix)
		next := nextLink(r, base64.RawURLEncoding.EncodeToString([]byte(last)), limit)
		answer.NextLink = &next
	}
	return azapi.WriteJSON(w, http.StatusOK, answer)
}

// nextLink is absolute and keeps the vault's host: clients follow it as it is.
func nextLink(r *azapi.Request, token string, limit int) string {
	return r.BaseURL() + r.URL.EscapedPath() + "?api-version=" + url.QueryEscape(r.Version) +
		"&$skiptoken=" + token + "&maxresults=" + strconv.Itoa(limit)
}
