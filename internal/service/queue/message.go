package queue

import (
	"bytes"
	"encoding/xml"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/storage"
	"github.com/aksess/aksess/internal/storageapi"
)

// maxBody holds the largest text with every character escaped in XML.
const maxBody = 6*storage.MaxMessage + 4096 // bytes

const maxVisibility = int(storage.MaxVisibility / time.Second)

// put: https://learn.microsoft.com/rest/api/storageservices/put-message
func (q *Queues) put(w http.ResponseWriter, r *azapi.Request) error {
	name, err := nameOf(r)
	if err != nil {
		return err
	}
	expires, err := expiryOf(r)
	if err != nil {
		return err
	}
	delay, err := seconds(r, "visibilitytimeout", 0, 0)
	if err != nil {
		return err
	}
	if !r.Now.Add(delay).Before(expires) {
		return storageapi.BadQuery("visibilitytimeout", r.Query("visibilitytimeout"), "The visibility timeout must be less than the time to live.")
	}
	text, err := textOf(r)
	if err != nil {
		return err
	}
	if text == nil {
		return storageapi.BadXML("The body is not a QueueMessage.")
	}
	m, err := q.queues.Put(r.Context(), storageapi.Of(r).Account, name, *text, delay, expires)
	if err != nil {
		return err
	}
	item := itemOf(m)
	item.PopReceipt, item.TimeNextVisible = m.Receipt(), azapi.HTTPTime(m.Position.VisibleFrom())
	return azapi.WriteXML(w, http.StatusCreated, messageList{Messages: []messageItem{item}})
}

// expiryOf reads messagettl: seconds, or -1 for ever.
func expiryOf(r *azapi.Request) (time.Time, error) {
	text := r.Query("messagettl")
	if text == "" {
		return r.Now.Add(storage.DefaultTTL), nil
	}
	n, err := strconv.ParseInt(text, 10, 32)
	switch {
	case err != nil:
		return time.Time{}, storageapi.BadQuery("messagettl", text, "Invalid integer value.")
	case n == -1:
		return storage.Never(), nil
	case n < 1:
		return time.Time{}, storageapi.OutOfRange("messagettl", text, 1, 1<<31-1)
	}
	return r.Now.Add(time.Duration(n) * time.Second), nil
}

// seconds reads a visibility timeout.
func seconds(r *azapi.Request, name string, least int, otherwise time.Duration) (time.Duration, error) {
	text := r.Query(name)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(text)
	switch {
	case err != nil:
		return 0, storageapi.BadQuery(name, text, "Invalid integer value.")
	case n < least || n > maxVisibility:
		return 0, storageapi.OutOfRange(name, text, least, maxVisibility)
	}
	return time.Duration(n) * time.Second, nil
}

func countOf(r *azapi.Request) (int, error) {
	text := r.Query("numofmessages")
	if text == "" {
		return 1, nil
	}
	n, err := strconv.Atoi(text)
	switch {
	case err != nil:
		return 0, storageapi.BadQuery("numofmessages", text, "Invalid integer value.")
	case n < 1 || n > storage.MaxReceive:
		return 0, storageapi.OutOfRange("numofmessages", text, 1, storage.MaxReceive)
	}
	return n, nil
}

// receive: https://learn.microsoft.com/rest/api/storageservices/get-messages
func (q *Queues) receive(w http.ResponseWriter, r *azapi.Request) error {
	n, err := countOf(r)
	if err != nil {
		return err
	}
	invisible, err := seconds(r, "visibilitytimeout", 1, storage.DefaultInvisible)
	if err != nil {
		return err
	}
	queue, err := q.queue(r)
	if err != nil {
		return err
	}
	messages, err := q.queues.Receive(r.Context(), queue, n, invisible)
	if err != nil {
		return err
	}
	var answer messageList
	for _, m := range messages {
		item := received(m)
		item.PopReceipt, item.TimeNextVisible = m.Receipt(), azapi.HTTPTime(m.Position.VisibleFrom())
		answer.Messages = append(answer.Messages, item)
	}
	return azapi.WriteXML(w, http.StatusOK, answer)
}

// peek: https://learn.microsoft.com/rest/api/storageservices/peek-messages
func (q *Queues) peek(w http.ResponseWriter, r *azapi.Request) error {
	n, err := countOf(r)
	if err != nil {
		return err
	}
	queue, err := q.queue(r)
	if err != nil {
		return err
	}
	messages, err := q.queues.Peek(r.Context(), queue, n)
	if err != nil {
		return err
	}
	var answer messageList
	for _, m := range messages {
		answer.Messages = append(answer.Messages, received(m))
	}
	return azapi.WriteXML(w, http.StatusOK, answer)
}

// deleteMessage: https://learn.microsoft.com/rest/api/storageservices/delete-message2
func (q *Queues) deleteMessage(w http.ResponseWriter, r *azapi.Request) error {
	popReceipt, err := receiptOf(r)
	if err != nil {
		return err
	}
	queue, err := q.queue(r)
	if err != nil {
		return err
	}
	if err := q.queues.DeleteMessage(r.Context(), queue, r.Param("message"), popReceipt); err != nil {
		return notReceipt(r, err)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// update: https://learn.microsoft.com/rest/api/storageservices/update-message
func (q *Queues) update(w http.ResponseWriter, r *azapi.Request) error {
	popReceipt, err := receiptOf(r)
	if err != nil {
		return err
	}
	if r.Query("visibilitytimeout") == "" {
		return storageapi.MissingQuery("visibilitytimeout")
	}
	invisible, err := seconds(r, "visibilitytimeout", 0, 0)
	if err != nil {
		return err
	}
	text, err := textOf(r)
	if err != nil {
		return err
	}
	queue, err := q.queue(r)
	if err != nil {
		return err
	}
	m, err := q.queues.UpdateMessage(r.Context(), queue, r.Param("message"), popReceipt, invisible, text)
	if err != nil {
		return notReceipt(r, err)
	}
	w.Header().Set("x-ms-popreceipt", m.Receipt())
	w.Header().Set("x-ms-time-next-visible", azapi.HTTPTime(m.Position.VisibleFrom()))
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// clear: https://learn.microsoft.com/rest/api/storageservices/clear-messages
func (q *Queues) clear(w http.ResponseWriter, r *azapi.Request) error {
	name, err := nameOf(r)
	if err != nil {
		return err
	}
	if err := q.queues.Clear(r.Context(), storageapi.Of(r).Account, name); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func receiptOf(r *azapi.Request) (string, error) {
	text := r.Query("popreceipt")
	if text == "" {
		return "", storageapi.MissingQuery("popreceipt")
	}
	return text, nil
}

func notReceipt(r *azapi.Request, err error) error {
	if errors.Is(err, storage.ErrReceipt) {
		return storageapi.BadQuery("popreceipt", r.Query("popreceipt"), "Invalid pop receipt format.")
	}
	return err
}

// textOf reads <QueueMessage><MessageText>; nil without a body.
func textOf(r *azapi.Request) (*string, error) {
	body, err := r.ReadBody()
	var bad *azapi.ErrBody
	if errors.As(err, &bad) && bad.TooLarge {
		return nil, storageapi.TooLarge(storage.MaxMessage)
	}
	if err != nil {
		return nil, storage.InvalidInput.New().With(err)
	}
	return parseMessage(body)
}

func parseMessage(body []byte) (*string, error) {
	if len(bytes.TrimSpace(body)) == 0 {
		return nil, nil
	}
	var message struct {
		XMLName xml.Name `xml:"QueueMessage"`
		Text    *string  `xml:"MessageText"`
	}
	if err := xml.Unmarshal(bytes.TrimPrefix(body, []byte("\xef\xbb\xbf")), &message); err != nil || message.Text == nil {
		return nil, storageapi.BadXML("The body is not a QueueMessage with a MessageText.")
	}
	if len(*message.Text) > storage.MaxMessage {
		return nil, storageapi.TooLarge(storage.MaxMessage)
	}
	return message.Text, nil
}
