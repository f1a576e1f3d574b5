package queue

import (
	"encoding/base64"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/storage"
	"github.com/aksess/aksess/internal/storageapi"
)

const (
	metaPrefix = "X-Ms-Meta-"
	maxPage    = 5000 // queues, also the default
	maxText    = 1024 // bytes of a prefix or marker
)

// metadataOf reads x-ms-meta-*. HTTP/2 and Go's server do not keep the case of
// header names, so names of metadata are lower case here.
func metadataOf(h http.Header) map[string]string {
	var metadata map[string]string
	for name, values := range h {
		rest, ok := strings.CutPrefix(name, metaPrefix)
		if !ok {
			continue
		}
		if metadata == nil {
			metadata = map[string]string{}
		}
		metadata[strings.ToLower(rest)] = strings.Join(values, ",")
	}
	return metadata
}

// nameOf returns the queue's name of the path, which one can have.
func nameOf(r *azapi.Request) (string, error) {
	name := r.Param("queue")
	return name, storage.CheckQueueName(name)
}

// queue reads the queue that the path names.
func (q *Queues) queue(r *azapi.Request) (storage.Queue, error) {
	name, err := nameOf(r)
	if err != nil {
		return storage.Queue{}, err
	}
	return q.queues.Queue(r.Context(), storageapi.Of(r).Account, name)
}

// createQueue: https://learn.microsoft.com/rest/api/storageservices/create-queue4
func (q *Queues) createQueue(w http.ResponseWriter, r *azapi.Request) error {
	_, created, err := q.queues.Create(r.Context(), storageapi.Of(r).Account, r.Param("queue"), metadataOf(r.Header))
	if err != nil {
		return err
	}
	if created {
		w.WriteHeader(http.StatusCreated)
		return nil
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// deleteQueue: https://learn.microsoft.com/rest/api/storageservices/delete-queue3.
// Azure holds the name for at least 30 seconds; here it is free at once.
func (q *Queues) deleteQueue(w http.ResponseWriter, r *azapi.Request) error {
	name, err := nameOf(r)
	if err != nil {
		return err
	}
	if err := q.queues.Delete(r.Context(), storageapi.Of(r).Account, name); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// getMetadata: https://learn.microsoft.com/rest/api/storageservices/get-queue-metadata
func (q *Queues) getMetadata(w http.ResponseWriter, r *azapi.Request) error {
	queue, err := q.queue(r)
	if err != nil {
		return err
	}
	count, err := q.queues.Count(r.Context(), queue)
	if err != nil {
		return err
	}
	h := w.Header()
	for name, value := range queue.Metadata {
		h["x-ms-meta-"+name] = []string{value}
	}
	h.Set("x-ms-approximate-messages-count", strconv.Itoa(count))
	w.WriteHeader(http.StatusOK)
	return nil
}

// setMetadata: https://learn.microsoft.com/rest/api/storageservices/set-queue-metadata
func (q *Queues) setMetadata(w http.ResponseWriter, r *azapi.Request) error {
	name, err := nameOf(r)
	if err != nil {
		return err
	}
	if _, err := q.queues.SetMetadata(r.Context(), storageapi.Of(r).Account, name, metadataOf(r.Header)); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// pageOf reads prefix, marker and maxresults.
func pageOf(r *azapi.Request) (storage.Page, error) {
	page := storage.Page{Prefix: r.Query("prefix"), Limit: maxPage}
	if !utf8.ValidString(page.Prefix) || len(page.Prefix) > maxText {
		return page, storageapi.BadQuery("prefix", page.Prefix, "The prefix is not one of a name.")
	}
	if text := r.Query("maxresults"); text != "" {
		n, err := strconv.Atoi(text)
		switch {
		case err != nil:
			return page, storageapi.BadQuery("maxresults", text, "Invalid integer value.")
		case n < 1:
			return page, storageapi.OutOfRange("maxresults", text, 1, maxPage)
		}
		page.Limit = min(n, maxPage)
	}
	after, err := base64.RawURLEncoding.DecodeString(r.Query("marker"))
	if err != nil || len(after) > maxText {
		return page, storageapi.BadQuery("marker", r.Query("marker"), "The marker is not one that this service gave.")
	}
	page.After = string(after)
	return page, nil
}

// listQueues: https://learn.microsoft.com/rest/api/storageservices/list-queues1
func (q *Queues) listQueues(w http.ResponseWriter, r *azapi.Request) error {
	page, err := pageOf(r)
	if err != nil {
		return err
	}
	found, next, err := q.queues.List(r.Context(), storageapi.Of(r).Account, page)
	if err != nil {
		return err
	}
	answer := queuePage{
		ServiceEndpoint: r.BaseURL() + "/", Prefix: r.Query("prefix"), Marker: r.Query("marker"),
		MaxResults: r.Query("maxresults"), NextMarker: base64.RawURLEncoding.EncodeToString([]byte(next)),
	}
	sets := strings.Split(strings.ToLower(strings.Join(r.QueryValues("include"), ",")), ",")
	for _, queue := range found {
		item := queueItem{Name: queue.Name}
		if slices.Contains(sets, "metadata") {
			m := metadata(queue.Metadata)
			item.Metadata = &m
		}
		answer.Queues.Items = append(answer.Queues.Items, item)
	}
	return azapi.WriteXML(w, http.StatusOK, answer)
}

// getACL: https://learn.microsoft.com/rest/api/storageservices/get-queue-acl
func (q *Queues) getACL(w http.ResponseWriter, r *azapi.Request) error {
	queue, err := q.queue(r)
	if err != nil {
		return err
	}
	return storageapi.WritePolicies(w, queue.Policies)
}

// setACL: https://learn.microsoft.com/rest/api/storageservices/set-queue-acl
func (q *Queues) setACL(w http.ResponseWriter, r *azapi.Request) error {
	name, err := nameOf(r)
	if err != nil {
		return err
	}
	policies, err := storageapi.ReadPolicies(r)
	if err != nil {
		return err
	}
	if err := q.queues.SetPolicies(r.Context(), storageapi.Of(r).Account, name, policies); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
