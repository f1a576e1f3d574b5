package inject

import (
	"slices"
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
	proxyMode  ProxyMode
	binding    bool // tokens come from the cluster's own endpoint
	warnings   []string
}

// endpoint reports whether programs are told where the proxy is.
func (s *podSettings) endpoint() bool { return s.proxy && s.proxyMode == ModeEndpoint }

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
	if err := s.parseProxy(annotations, cfg); err != nil {
		return s, err
	}
	if err := s.parseBinding(annotations, cfg); err != nil {
		return s, err
	}
	for _, key := range accountAnnotations() {
		if _, ok := annotations[key]; ok {
			s.warnings = append(s.warnings, "annotation "+key+" has no effect on a pod: it belongs on the service account")
		}
	}
	for _, key := range unread(annotations, podKeys(cfg)) {
		s.warnings = append(s.warnings, unreadWarning(key, "the pod", podKeys(cfg)))
	}
	return s, nil
}

// podKeys are the annotations that are read from pods.
func podKeys(cfg Config) []string {
	keys := podAnnotations()
	keys[len(keys)-1] = cfg.TokenEndpoint.Annotation()
	return append(keys[:], chain.AnnotationTokenExpiration)
}

// unread returns the annotations, sorted and three at most, that look like those
// of workload identity and that nobody reads anywhere. Known are those read here.
func unread(annotations map[string]string, known []string) []string {
	var keys []string
	accounts := accountAnnotations()
	for key := range annotations {
		if strings.HasPrefix(key, chain.AnnotationPrefix) && key != chain.LabelUse &&
			!slices.Contains(known, key) && !slices.Contains(accounts[:], key) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys[:min(len(keys), 3)]
}

// unreadWarning names the annotation that begins most like the unread one.
func unreadWarning(key, of string, known []string) string {
	text, best := "nobody reads annotation "+quote(key)+" of "+of, len(chain.AnnotationPrefix)+2
	meant := ""
	for _, candidate := range known {
		same := 0
		for same < min(len(key), len(candidate)) && key[same] == candidate[same] {
			same++
		}
		if same > best {
			best, meant = same, candidate
		}
	}
	if meant != "" {
		text += ": " + meant + " may be meant"
	}
	return text
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

func (s *podSettings) parseProxy(annotations map[string]string, cfg Config) error {
	s.proxyPort, s.proxyMode = int64(cfg.Proxy.port()), cfg.Proxy.mode()
	var err error
	if s.proxy, err = parseFlag(annotations, chain.AnnotationInjectProxySidecar); err != nil {
		return err
	}
	port, hasPort := annotations[chain.AnnotationProxySidecarPort]
	mode, hasMode := annotations[chain.AnnotationProxySidecarMode]
	if !s.proxy {
		s.withoutProxy(chain.AnnotationProxySidecarPort, hasPort)
		s.withoutProxy(chain.AnnotationProxySidecarMode, hasMode)
		return nil
	}
	if hasPort {
		if s.proxyPort, err = parsePort(port); err != nil {
			return err
		}
	}
	if hasMode {
		if s.proxyMode = ProxyMode(mode); !s.proxyMode.valid() {
			return invalid(`annotation %s of the pod has value %s: expected "redirect" or "endpoint"`, chain.AnnotationProxySidecarMode, quote(mode))
		}
	}
	return nil
}

// withoutProxy warns about an annotation of a pod that does not ask for the proxy.
func (s *podSettings) withoutProxy(key string, there bool) {
	if there {
		s.warnings = append(s.warnings, "annotation "+key+" has no effect without "+chain.AnnotationInjectProxySidecar+`: "true"`)
	}
}

func (s *podSettings) parseBinding(annotations map[string]string, cfg Config) error {
	key := cfg.TokenEndpoint.Annotation()
	asked, err := parseFlag(annotations, key)
	if asked && cfg.TokenEndpoint == nil {
		s.warnings = append(s.warnings, "annotation "+key+" has no effect: this webhook has no token endpoint configured")
		return nil
	}
	s.binding = asked
	return err
}

// parseFlag honours the value. Upstream looks at the key's presence only for the
// proxy, and takes whatever is not "true" for "false" elsewhere.
func parseFlag(annotations map[string]string, key string) (bool, error) {
	value, ok := annotations[key]
	switch {
	case !ok, strings.EqualFold(value, "false"):
		return false, nil
	case strings.EqualFold(value, "true"):
		return true, nil
	}
	return false, invalid(`annotation %s of the pod has value %s: expected "true" or "false"`, key, quote(value))
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
