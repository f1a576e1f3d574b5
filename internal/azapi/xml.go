package azapi

import (
	"encoding/xml"
	"strings"
)

const xmlDeclaration = `<?xml version="1.0" encoding="utf-8"?>`

// encodeXML writes v as Storage's clients read it. encoding/xml writes quotes
// and line breaks as numeric references, which the parser of the Azure SDK for
// JavaScript leaves as they are: it knows the named entities only. A carriage
// return stays a reference, as XML would read the character as a line feed.
func encodeXML(v any) ([]byte, error) {
	encoded, err := xml.Marshal(v)
	if err != nil {
		return nil, err
	}
	named := strings.NewReplacer("&#34;", "&quot;", "&#39;", "&apos;", "&#xA;", "\n", "&#x9;", "\t")
	return []byte(xmlDeclaration + named.Replace(string(encoded))), nil
}
