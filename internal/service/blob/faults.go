package blob

import (
	"github.com/aksess/aksess/internal/chain"
	"github.com/aksess/aksess/internal/fault"
)

// Refusals of the wire alone
// (https://learn.microsoft.com/rest/api/storageservices/blob-service-error-codes).
var (
	invalidRange = &fault.Kind{Code: "InvalidRange", Status: 416, Link: chain.LinkData,
		Format: "The range specified is invalid for the current size of the resource.",
		Why:    "the range begins behind the end of the blob", Fix: "ask for a range within the blob's size"}
	md5Mismatch = &fault.Kind{Code: "Md5Mismatch", Status: 400, Link: chain.LinkData,
		Format: "The MD5 value specified in the request did not match with the MD5 value calculated by the server.",
		Why:    "the content changed on its way, or the checksum is of something else", Fix: "send the content again"}
	invalidMD5 = &fault.Kind{Code: "InvalidMd5", Status: 400, Link: chain.LinkData,
		Format: "The MD5 value specified in the request is invalid. The MD5 value must be 128 bits and Base64-encoded.",
		Why:    "the checksum is malformed", Fix: "encode the 16 bytes of the MD5 in base64"}
	crc64Mismatch = &fault.Kind{Code: "Crc64Mismatch", Status: 400, Link: chain.LinkData,
		Format: "The CRC64 value specified in the request did not match with the CRC64 value calculated by the server.",
		Why:    "the content changed on its way, or the checksum is of something else", Fix: "send the content again"}
	missingLength = &fault.Kind{Code: "MissingContentLengthHeader", Status: 411, Link: chain.LinkData,
		Format: "The Content-Length header was not specified.", Why: "content is sent with its length", Fix: "send Content-Length"}
)
