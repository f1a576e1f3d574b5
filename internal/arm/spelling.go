package arm

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// checkSpelling refuses properties in which a member is there in two spellings,
// on their own level and on the next: to Azure they are one member, and which of
// the two counts would depend on who reads them. A firewall that was written
// "networkACLs" must not be open because "networkAcls" was assumed beside it.
// Tags keep their case.
func checkSpelling(r *Resource) error {
	members := map[string]json.RawMessage{}
	if len(r.Properties) == 0 || json.Unmarshal(r.Properties, &members) != nil {
		return nil // the type says what else is wrong
	}
	if err := spelledOnce(members); err != nil {
		return err
	}
	for name, value := range members {
		inner := map[string]json.RawMessage{}
		if strings.EqualFold(name, "tags") || len(value) == 0 || value[0] != '{' || json.Unmarshal(value, &inner) != nil {
			continue
		}
		if err := spelledOnce(inner); err != nil {
			return err
		}
	}
	return nil
}

func spelledOnce(members map[string]json.RawMessage) error {
	seen := make(map[string]string, len(members))
	for _, name := range slices.Sorted(maps.Keys(members)) {
		folded := strings.ToLower(name)
		if other, twice := seen[folded]; twice {
			return InvalidContent.New(fmt.Sprintf("'%.100s' and '%.100s' are two spellings of one member; write the second", other, name))
		}
		seen[folded] = name
	}
	return nil
}
