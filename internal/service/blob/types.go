package blob

import (
	"encoding/xml"
	"maps"
	"slices"
)

// containerPage is the answer of List Containers
// (https://learn.microsoft.com/rest/api/storageservices/list-containers2#response-body).
type containerPage struct {
	XMLName         xml.Name      `xml:"EnumerationResults"`
	ServiceEndpoint string        `xml:"ServiceEndpoint,attr"`
	Prefix          string        `xml:"Prefix,omitempty"`
	Marker          string        `xml:"Marker,omitempty"`
	MaxResults      string        `xml:"MaxResults,omitempty"`
	Containers      containerList `xml:"Containers"`
	NextMarker      string        `xml:"NextMarker"`
}

type containerList struct {
	Items []containerItem `xml:"Container"`
}

type containerItem struct {
	Name       string              `xml:"Name"`
	Properties containerProperties `xml:"Properties"`
	Metadata   *metadata           `xml:"Metadata"`
}

type containerProperties struct {
	LastModified string `xml:"Last-Modified"`
	ETag         string `xml:"Etag"`
	leaseProperties
	DefaultEncryptionScope      string `xml:"DefaultEncryptionScope"`
	DenyEncryptionScopeOverride bool   `xml:"DenyEncryptionScopeOverride"`
	HasImmutabilityPolicy       bool   `xml:"HasImmutabilityPolicy"`
	HasLegalHold                bool   `xml:"HasLegalHold"`
	ImmutableStorage            bool   `xml:"ImmutableStorageWithVersioningEnabled"`
}

// leaseProperties are a lease in listings.
type leaseProperties struct {
	LeaseStatus   string `xml:"LeaseStatus,omitempty"` // a snapshot has no lease
	LeaseState    string `xml:"LeaseState,omitempty"`
	LeaseDuration string `xml:"LeaseDuration,omitempty"`
}

// copyProperties are a copy in listings that include them.
type copyProperties struct {
	CopyID         string `xml:"CopyId,omitempty"`
	CopySource     string `xml:"CopySource,omitempty"`
	CopyStatus     string `xml:"CopyStatus,omitempty"`
	CopyProgress   string `xml:"CopyProgress,omitempty"`
	CopyCompletion string `xml:"CopyCompletionTime,omitempty"`
}

// blobPage is the answer of List Blobs
// (https://learn.microsoft.com/rest/api/storageservices/list-blobs#response-body).
type blobPage struct {
	XMLName         xml.Name    `xml:"EnumerationResults"`
	ServiceEndpoint string      `xml:"ServiceEndpoint,attr"`
	ContainerName   string      `xml:"ContainerName,attr"`
	Prefix          string      `xml:"Prefix,omitempty"`
	Marker          string      `xml:"Marker,omitempty"`
	MaxResults      string      `xml:"MaxResults,omitempty"`
	Delimiter       string      `xml:"Delimiter,omitempty"`
	Blobs           blobEntries `xml:"Blobs"`
	NextMarker      string      `xml:"NextMarker"`
}

type blobEntries struct {
	Entries []any // of blobItem and blobPrefix
}

type blobPrefix struct {
	XMLName xml.Name `xml:"BlobPrefix"`
	Name    encoded  `xml:"Name"`
}

type blobItem struct {
	XMLName    xml.Name       `xml:"Blob"`
	Name       encoded        `xml:"Name"`
	Snapshot   string         `xml:"Snapshot,omitempty"`
	Properties blobProperties `xml:"Properties"`
	Metadata   *metadata      `xml:"Metadata"`
	Tags       *tagsXML       `xml:"Tags"`
	OrMetadata struct{}       `xml:"OrMetadata"`
}

type blobProperties struct {
	CreationTime       string `xml:"Creation-Time"`
	LastModified       string `xml:"Last-Modified"`
	ETag               string `xml:"Etag"`
	ContentLength      int64  `xml:"Content-Length"`
	ContentType        string `xml:"Content-Type"`
	ContentEncoding    string `xml:"Content-Encoding"`
	ContentLanguage    string `xml:"Content-Language"`
	ContentCRC64       string `xml:"Content-CRC64"`
	ContentMD5         string `xml:"Content-MD5"`
	CacheControl       string `xml:"Cache-Control"`
	ContentDisposition string `xml:"Content-Disposition"`
	BlobType           string `xml:"BlobType"`
	AccessTier         string `xml:"AccessTier"`
	AccessTierInferred *bool  `xml:"AccessTierInferred"`
	TagCount           int    `xml:"TagCount,omitempty"`
	leaseProperties
	copyProperties
	ServerEncrypted bool `xml:"ServerEncrypted"`
}

// encoded is a name that XML may not be able to hold: it is then percent-encoded.
type encoded struct {
	Encoded bool   `xml:"Encoded,attr,omitempty"`
	Value   string `xml:",chardata"`
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

// blockLists is the answer of Get Block List
// (https://learn.microsoft.com/rest/api/storageservices/get-block-list#response-body).
type blockLists struct {
	XMLName     xml.Name   `xml:"BlockList"`
	Committed   *blockList `xml:"CommittedBlocks"`
	Uncommitted *blockList `xml:"UncommittedBlocks"`
}

type blockList struct {
	Blocks []blockItem `xml:"Block"`
}

type blockItem struct {
	Name string `xml:"Name"`
	Size int64  `xml:"Size"`
}
