package blob

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/storage"
	"github.com/aksess/aksess/internal/storageapi"
)

// maxListBody holds 50,000 ids of 64 bytes each in base64 with their elements.
const maxListBody = 8 << 20 // bytes

// putBlock: https://learn.microsoft.com/rest/api/storageservices/put-block
func (b *Blobs) putBlock(w http.ResponseWriter, r *azapi.Request) error {
	if r.Header.Get("x-ms-copy-source") != "" {
		return b.putBlockFromURL(w, r)
	}
	id := r.Query("blockid")
	if id == "" {
		return storageapi.With(storage.MissingRequiredQueryParameter.New(), "QueryParameterName", "blockid")
	}
	held, err := leaseOf(r.Header, "x-ms-lease-id")
	if err != nil {
		return err
	}
	size, err := sizeOf(r, maxPutBlock)
	if err != nil {
		return err
	}
	if size == 0 {
		return storageapi.BadHeader("Content-Length", "0")
	}
	c, err := b.container(r)
	if err != nil {
		return err
	}
	staged, err := b.blobs.Stage(r.Context(), c, r.Body, size)
	if err != nil {
		return err
	}
	if err = verify(r.Header, staged); err == nil {
		err = b.blobs.PutBlock(r.Context(), c, r.Param("blob"), id, storage.Conditions{LeaseID: held}, staged)
	}
	if err != nil {
		b.blobs.Discard(r.Context(), staged)
		return err
	}
	writeSums(w.Header(), staged)
	w.WriteHeader(http.StatusCreated)
	return nil
}

// putBlockList: https://learn.microsoft.com/rest/api/storageservices/put-block-list
func (b *Blobs) putBlockList(w http.ResponseWriter, r *azapi.Request) error {
	write, err := writeOf(r)
	if err != nil {
		return err
	}
	body, err := r.ReadBody()
	var bad *azapi.ErrBody
	if errors.As(err, &bad) && bad.TooLarge {
		return storageapi.TooLarge(maxListBody)
	}
	if err != nil {
		return storage.InvalidInput.New().With(err)
	}
	list, err := parseBlockList(bytes.NewReader(body))
	if err != nil {
		return err
	}
	c, err := b.container(r)
	if err != nil {
		return err
	}
	written, err := b.blobs.Commit(r.Context(), c, write, list)
	if err != nil {
		return err
	}
	writeStamp(w.Header(), written.Version, written.Modified)
	w.Header().Set("x-ms-request-server-encrypted", "true")
	w.WriteHeader(http.StatusCreated)
	return nil
}

// parseBlockList reads <BlockList> with Latest, Uncommitted and Committed in
// any order, which is why it is no struct.
func parseBlockList(r io.Reader) ([]storage.ListedBlock, error) {
	d := xml.NewDecoder(r)
	root, err := nextElement(d)
	if err != nil || root == nil || root.Name.Local != "BlockList" {
		return nil, storageapi.BadXML("The body is not a BlockList.")
	}
	var list []storage.ListedBlock
	for {
		element, err := nextElement(d)
		if err != nil {
			return nil, storageapi.BadXML("The block list is not well formed.")
		}
		if element == nil {
			return list, atEnd(d)
		}
		from, known := choiceOf(element.Name.Local)
		if !known {
			return nil, storageapi.BadXML("The element " + storageapi.Clip(element.Name.Local) + " is not one of Latest, Uncommitted, Committed.")
		}
		var id string
		if err := d.DecodeElement(&id, element); err != nil {
			return nil, storageapi.BadXML("The block list is not well formed.")
		}
		list = append(list, storage.ListedBlock{ID: strings.TrimSpace(id), From: from})
	}
}

func choiceOf(element string) (storage.Choice, bool) {
	switch element {
	case "Latest":
		return storage.Latest, true
	case "Uncommitted":
		return storage.Uncommitted, true
	case "Committed":
		return storage.Committed, true
	default:
		return 0, false
	}
}

// nextElement returns the next element, or nil at the end of the one around it.
func nextElement(d *xml.Decoder) (*xml.StartElement, error) {
	for {
		token, err := d.Token()
		if err != nil {
			return nil, err
		}
		switch t := token.(type) {
		case xml.StartElement:
			return &t, nil
		case xml.EndElement:
			return nil, nil
		}
	}
}

func atEnd(d *xml.Decoder) error {
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if _, text := token.(xml.CharData); err != nil || !text {
			return storageapi.BadXML("Something follows the block list.")
		}
	}
}

// getBlockList: https://learn.microsoft.com/rest/api/storageservices/get-block-list
func (b *Blobs) getBlockList(w http.ResponseWriter, r *azapi.Request) error {
	kind := strings.ToLower(r.Query("blocklisttype"))
	switch kind {
	case "", "committed", "uncommitted", "all":
	default:
		return storageapi.BadQuery("blocklisttype", kind, "It must be one of committed, uncommitted, all.")
	}
	held, err := leaseOf(r.Header, "x-ms-lease-id")
	if err != nil {
		return err
	}
	c, err := b.container(r)
	if err != nil {
		return err
	}
	blob, committed, uncommitted, err := b.blobs.BlockLists(r.Context(), c, r.Param("blob"), storage.Conditions{LeaseID: held})
	if err != nil {
		return err
	}
	if blob.Version != 0 {
		writeStamp(w.Header(), blob.Version, blob.Modified)
	}
	var answer blockLists
	if kind != "uncommitted" {
		answer.Committed = listOf(committed)
	}
	if kind == "uncommitted" || kind == "all" {
		answer.Uncommitted = listOf(uncommitted)
	}
	return azapi.WriteXML(w, http.StatusOK, answer)
}

func listOf(parts []storage.Part) *blockList {
	list := &blockList{}
	for _, part := range parts {
		list.Blocks = append(list.Blocks, blockItem{Name: part.ID, Size: part.Size})
	}
	return list
}
