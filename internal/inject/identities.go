package inject

import (
	"regexp"
	"strings"

	"github.com/aksess/aksess/internal/chain"
)

// Identity is one of the identities that a service account names. All of them
// share the tenant and the projected token.
type Identity struct {
	Name     string // as the annotation has it; "" for that of AZURE_CLIENT_ID
	ClientID string
	Variable string // environment variable with the client id: AZURE_CLIENT_ID, AZURE_CLIENT_ID_NAME
}

// identityName is what a variable can be named after.
var identityName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]{0,39}$`)

// maxIdentities bounds the variables of a container.
const maxIdentities = 20

// Identities returns the identities of a service account: the one of the
// annotation client-id, if there is one, then those of client-ids in their
// order. The error is a [*Denied].
func Identities(sa ServiceAccount) ([]Identity, error) {
	id, err := identify(sa, Config{})
	if err != nil {
		return nil, err
	}
	if id.clientID == "" {
		return id.others, nil
	}
	return append([]Identity{{ClientID: id.clientID, Variable: chain.EnvClientID}}, id.others...), nil
}

// parseIdentities reads "storage=GUID,vault=GUID". Commas, semicolons and ends
// of lines separate.
func parseIdentities(sa ServiceAccount) ([]Identity, error) {
	const key = chain.AnnotationClientIDs
	value := sa.Annotations[key]
	if value == "" {
		return nil, nil
	}
	var identities []Identity
	seen := map[string]string{} // name by variable
	for _, entry := range strings.FieldsFunc(value, func(r rune) bool { return strings.ContainsRune(",;\n", r) }) {
		if entry = strings.TrimSpace(entry); entry == "" {
			continue
		}
		identity, ok := parseIdentity(entry)
		switch other, taken := seen[identity.Variable]; {
		case !ok:
			return nil, invalid("annotation %s of service account %s has entry %s: expected NAME=GUID, a name of up to 40 letters, digits, - and _ that begins with a letter",
				key, sa, quote(entry))
		case taken:
			return nil, invalid("annotation %s of service account %s has entries %s and %s: both would be %s",
				key, sa, quote(other), quote(identity.Name), identity.Variable)
		case len(identities) == maxIdentities:
			return nil, invalid("annotation %s of service account %s has more than %d entries", key, sa, maxIdentities)
		}
		seen[identity.Variable] = identity.Name
		identities = append(identities, identity)
	}
	return identities, nil
}

func parseIdentity(entry string) (Identity, bool) {
	name, clientID, _ := strings.Cut(entry, "=")
	name, clientID = strings.TrimSpace(name), strings.TrimSpace(clientID)
	if !identityName.MatchString(name) || !chain.IsGUID(clientID) {
		return Identity{}, false
	}
	variable := chain.EnvClientID + "_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
	return Identity{Name: name, ClientID: clientID, Variable: variable}, true
}
