package node

import (
	"net/http"
	"strings"
)

// parameters pass to the node: those that Azure documents for its categories but
// identity, and extended, which cloud-init sends. The node's service does without
// any other.
func parameters() []string { return []string{"api-version", "format", "nonce", "extended"} }

// requestHeaders pass to the node. Everything else is the pod's own business.
func requestHeaders() []string {
	return []string{"Accept", "Content-Type", "User-Agent", "If-None-Match", "X-Ms-Client-Request-Id"}
}

// responseHeaders pass from the node.
func responseHeaders() []string {
	return []string{"Content-Type", "Etag", "Last-Modified", "Retry-After", "Cache-Control", "Server", "Date", "X-Ms-Request-Id"}
}

// copyHeaders copies the named ones, unless the header Connection lists them:
// those are for one hop (https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1).
func copyHeaders(to, from http.Header, names []string) {
	oneHop := map[string]bool{}
	for _, list := range from["Connection"] {
		for name := range strings.SplitSeq(list, ",") {
			oneHop[http.CanonicalHeaderKey(strings.TrimSpace(name))] = true
		}
	}
	for _, name := range names {
		if values := from[name]; len(values) > 0 && !oneHop[name] {
			to[name] = values
		}
	}
}
