package inject

import (
	"strconv"
	"strings"

	"github.com/aksess/aksess/internal/chain"
)

// podSettings is what a pod's own annotations ask for, checked.
type podSettings struct {
	skip       []string // containers to leave alone
	expiration int64    // seconds
	proxy      bool
	proxyPort  int64
	warnings   []string
}

func parseSettings(p *Pod, sa ServiceAccount, cfg Config) (podSettings, error) {
	annotations := p.Metadata.Annotations
	s := podSettings{skip: splitNames(annotations[chain.AnnotationSkipContainers])}
	var err error
	if value, ok := annotations[chain.AnnotationTokenExpiration]; ok {
		s.expiration, err = parseExpiration("the pod", value)
	} else {
		s.expiration, err = Expiration(sa)
	}
	if err != nil {
		return s, err
	}
	if s.proxy, err = parseProxy(annotations); err != nil {
		return s, err
	}
	port, hasPort := annotations[chain.AnnotationProxySidecarPort]
	s.proxyPort = int64(cfg.Proxy.port())
	switch {
	case hasPort && s.proxy:
		if s.proxyPort, err = parsePort(port); err != nil {
			return s, err
		}
	case hasPort:
		s.warnings = append(s.warnings, "annotation "+chain.AnnotationProxySidecarPort+" has no effect without "+
			chain.AnnotationInjectProxySidecar+`: "true"`)
	}
	for _, key := range [...]string{chain.AnnotationClientID, chain.AnnotationTenantID} {
		if _, ok := annotations[key]; ok {
			s.warnings = append(s.warnings, "annotation "+key+" has no effect on a pod: it belongs on the service account")
		}
	}
	return s, nil
}

// splitNames splits a list of container names. Upstream accepts ";" alone and
// silently skips nothing for the other two; no container name holds any of them.
func splitNames(value string) []string {
	var names []string
	for value != "" {
		name := value
		if i := strings.IndexAny(value, ";,:"); i >= 0 {
			name, value = value[:i], value[i+1:]
		} else {
			value = ""
		}
		if name = strings.TrimSpace(name); name != "" {
			names = append(names, name)
		}
	}
	return names
}

// parseProxy honours the value, where upstream looks at the key's presence only.
func parseProxy(annotations map[string]string) (bool, error) {
	value, ok := annotations[chain.AnnotationInjectProxySidecar]
	switch {
	case !ok, strings.EqualFold(value, "false"):
		return false, nil
	case strings.EqualFold(value, "true"):
		return true, nil
	}
	return false, invalid(`annotation %s of the pod has value %s: expected "true" or "false"`,
		chain.AnnotationInjectProxySidecar, quote(value))
}

// parsePort keeps upstream's wording after the name of the annotation.
func parsePort(value string) (int64, error) {
	const key = chain.AnnotationProxySidecarPort
	n, err := strconv.ParseInt(value, 10, 32)
	if err != nil {
		return 0, invalid("annotation %s of the pod has value %s: failed to parse proxy sidecar port: %v", key, quote(value), clipped(err))
	}
	if !validPort(n) {
		return 0, invalid("annotation %s of the pod has value %s: expected a port between 1 and 65535", key, quote(value))
	}
	return n, nil
}
