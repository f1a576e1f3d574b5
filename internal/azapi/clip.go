package azapi

import "strings"

// maxText bounds, in bytes, each text that a client has a say in and that goes
// into a log line or back to a client: the longest ARM id and Azure's words around it.
const maxText = 3 << 10

func clip(text string) string {
	if len(text) <= maxText {
		return text
	}
	return strings.ToValidUTF8(text[:maxText], "") + "…"
}
