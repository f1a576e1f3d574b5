package queue

import (
	"encoding/xml"
	"maps"
	"slices"

	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/storage"
)

// messageList is the answer of Put, Get and Peek Messages
// (https://learn.microsoft.com/rest/api/storageservices/get-messages#response-body).
type messageList struct {
	XMLName  xml.Name      `xml:"QueueMessagesList"`
	Messages []messageItem `xml:"QueueMessage"`
}

type messageItem struct {
	ID              string  `xml:"MessageId"`
	InsertionTime   string  `xml:"InsertionTime"`
	ExpirationTime  string  `xml:"ExpirationTime"`
	PopReceipt      string  `xml:"PopReceipt,omitempty"`
	TimeNextVisible string  `xml:"TimeNextVisible,omitempty"`
	DequeueCount    *int    `xml:"DequeueCount"`
	MessageText     *string `xml:"MessageText"`
}

func itemOf(m storage.Message) messageItem {
	return messageItem{ID: m.ID, InsertionTime: azapi.HTTPTime(m.Inserted), ExpirationTime: azapi.HTTPTime(m.Expires)}
}

// received is an item with what only readers of a message are told.
func received(m storage.Message) messageItem {
	item := itemOf(m)
	item.DequeueCount, item.MessageText = &m.Dequeued, &m.Text
	return item
}

// queuePage is the answer of List Queues
// (https://learn.microsoft.com/rest/api/storageservices/list-queues1#response-body).
type queuePage struct {
	XMLName         xml.Name  `xml:"EnumerationResults"`
	ServiceEndpoint string    `xml:"ServiceEndpoint,attr"`
	Prefix          string    `xml:"Prefix,omitempty"`
	Marker          string    `xml:"Marker,omitempty"`
	MaxResults      string    `xml:"MaxResults,omitempty"`
	Queues          queueList `xml:"Queues"`
	NextMarker      string    `xml:"NextMarker"`
}

type queueList struct {
	Items []queueItem `xml:"Queue"`
}

type queueItem struct {
	Name     string    `xml:"Name"`
	Metadata *metadata `xml:"Metadata"`
}

// metadata is written with its names as elements, in their order.
type metadata map[string]string

// MarshalXML implements xml.Marshaler.
func (m metadata) MarshalXML(e *xml.Encoder, start xml.StartElement) error {
	if err := e.EncodeToken(start); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(m)) {
		if err := e.EncodeElement(m[name], xml.StartElement{Name: xml.Name{Local: name}}); err != nil {
			return err
		}
	}
	return e.EncodeToken(start.End())
}
