package arm

import (
	"errors"
	"testing"

	"github.com/aksess/aksess/internal/fault"
)

func TestSpelling(t *testing.T) {
	for properties, refused := range map[string]bool{
		``: false, `null`: false, `[]`: false, `{}`: false, `{"a":1,"b":2}`: false,
		`{"a":{"b":1},"b":{"b":1}}`:                              false,
		`{"networkAcls":{},"networkACLs":{}}`:                    true,
		`{"a":{"defaultAction":"Deny","DefaultAction":"Allow"}}`: true,
		"{\"k\":1,\"\u212a\":2}":                                 true,
		`{"tags":{"Team":"a","team":"b"}}`:                       false,
		`{"pools":[{"labels":{"A":"1","a":"2"}}]}`:               false, // Kubernetes' own names
	} {
		err := checkSpelling(&Resource{Properties: []byte(properties)})
		var coded *fault.Error
		if (err != nil) != refused || refused && (!errors.As(err, &coded) || coded.Kind != InvalidContent) {
			t.Errorf("%s: got %v, want refused %v", properties, err, refused)
		}
	}
}
