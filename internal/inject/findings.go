package inject

import (
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/aksess/aksess/internal/chain"
)

// findings collects, over all containers, what upstream passes over in silence.
// Each becomes one warning, however many containers it is about.
type findings struct {
	withoutClient []string // would start without AZURE_CLIENT_ID
	withoutTenant []string
	withEnvFrom   []string // may bring an AZURE_* variable that ours wins over
	withSecret    []string // set a credential that the SDKs prefer
	ownProxy      []string // set a proxy of their own, so never reach the local Azure
	portClash     []string // declare the proxy's port
	proxyUser     []string // run as the proxy's user, so are not redirected
	halfEndpoint  []string // set one of the two variables that lead to an endpoint
	visited       int
}

// strayCredentials are read by the SDKs' environment credential, which comes
// before workload identity in every default chain.
func strayCredentials() [2]string {
	return [2]string{"AZURE_CLIENT_SECRET", "AZURE_CLIENT_CERTIFICATE_PATH"}
}

func (m *mutation) observe(c *container) {
	f := &m.findings
	f.visited++
	if m.id.nameless() && !c.hasEnv(chain.EnvClientID) {
		f.withoutClient = append(f.withoutClient, c.Name)
	}
	if m.id.tenantID == "" && !c.hasEnv(chain.EnvTenantID) {
		f.withoutTenant = append(f.withoutTenant, c.Name)
	}
	for _, from := range c.EnvFrom {
		if from.Prefix == "" || strings.HasPrefix("AZURE_", from.Prefix) || strings.HasPrefix(from.Prefix, "AZURE_") {
			f.withEnvFrom = append(f.withEnvFrom, c.Name)
			break
		}
	}
	for _, name := range strayCredentials() {
		if c.hasEnv(name) {
			f.withSecret = append(f.withSecret, c.Name)
			break
		}
	}
	if m.ownProxy(c) {
		f.ownProxy = append(f.ownProxy, c.Name)
	}
	if m.settings.endpoint() && c.hasEnv(chain.EnvIdentityEndpoint) != c.hasEnv(chain.EnvIdentityHeader) {
		f.halfEndpoint = append(f.halfEndpoint, c.Name)
	}
}

// observeBesideProxy looks at the containers that share a network with the
// proxy, those that are skipped included.
func (m *mutation) observeBesideProxy(containers []container) {
	f := &m.findings
	for i := range containers {
		c := &containers[i]
		if !m.settings.proxy || c.Name == proxyName || c.Name == proxyInitName {
			continue
		}
		if slices.ContainsFunc(c.Ports, func(p port) bool { return p.ContainerPort == m.settings.proxyPort }) {
			f.portClash = append(f.portClash, c.Name)
		}
		user := m.pod.Spec.SecurityContext.RunAsUser
		if c.SecurityContext.RunAsUser != nil {
			user = c.SecurityContext.RunAsUser
		}
		if user != nil && strconv.FormatInt(*user, 10) == m.cfg.Proxy.exempt() && m.settings.proxyMode == ModeRedirect {
			f.proxyUser = append(f.proxyUser, c.Name)
		}
	}
}

// observeOverlap warns about a mount above or below one of ours. Above, a
// read-only volume leaves the runtime no place for ours; below, ours leaves
// none for it.
func (m *mutation) observeOverlap(c *container, v *mounted) {
	for _, mount := range c.VolumeMounts {
		at := path.Clean(mount.MountPath)
		if !reserved(mount.Name) && (covers(at, v.mountPath) || covers(v.mountPath, at)) {
			m.warn("container " + quote(c.Name) + " mounts volume " + quote(mount.Name) + " at " + quote(mount.MountPath) +
				", which overlaps with " + v.mountPath + ": it may not start")
		}
	}
}

// checkSkipped warns about names that skip nothing.
func (m *mutation) checkSkipped() {
	var unknown []string
	for _, name := range m.settings.skip {
		switch {
		case name == proxyName && m.settings.proxy:
			m.warn("annotation " + chain.AnnotationSkipContainers + " names " + quote(proxyName) +
				", which is not skipped: the proxy needs the identity")
		case name == proxyInitName && m.settings.proxy:
		case find(m.pod.Spec.Containers, name) < 0 && find(m.pod.Spec.InitContainers, name) < 0:
			unknown = append(unknown, name)
		}
	}
	if len(unknown) > 0 {
		m.warn("annotation " + chain.AnnotationSkipContainers + " names " + quoteNames(unknown) + ": this pod has no such container")
	}
}

// checkInitContainers warns where the proxy starts after them.
func (m *mutation) checkInitContainers() {
	if !m.settings.proxy || !m.cfg.Proxy.Classic {
		return
	}
	var early []string
	for i := range m.pod.Spec.InitContainers {
		if name := m.pod.Spec.InitContainers[i].Name; !m.skips(name) && name != proxyName {
			early = append(early, name)
		}
	}
	if len(early) > 0 {
		m.warn("init container " + quoteNames(early) + " runs before the proxy, which is no sidecar here: it gets no token from it")
	}
}

// report turns the findings into warnings.
func (m *mutation) report() {
	f := &m.findings
	if len(f.withoutClient) > 0 {
		m.warn(m.id.missingClient(m.sa))
	}
	if len(f.withoutTenant) > 0 {
		m.warn(m.id.missingTenant(m.sa))
	}
	if len(f.withEnvFrom) > 0 {
		m.warn("envFrom of container " + quoteNames(f.withEnvFrom) + ": a variable from there does not override the AZURE_* variables set by the webhook")
	}
	if len(f.withSecret) > 0 {
		m.warn("container " + quoteNames(f.withSecret) + " sets AZURE_CLIENT_SECRET or AZURE_CLIENT_CERTIFICATE_PATH: the SDKs prefer it to workload identity")
	}
	if len(f.ownProxy) > 0 {
		m.warn("container " + quoteNames(f.ownProxy) + " sets HTTPS_PROXY itself: it does not reach the local Azure")
	}
	if len(f.portClash) > 0 {
		m.warn("container " + quoteNames(f.portClash) + " declares the port of the proxy: choose another with annotation " + chain.AnnotationProxySidecarPort)
	}
	if len(f.proxyUser) > 0 {
		m.warn("container " + quoteNames(f.proxyUser) + " runs as user " + strconv.Itoa(proxyUID) +
			", which is the proxy's: its requests for tokens go to the node's metadata service, not to the proxy")
	}
	if len(f.halfEndpoint) > 0 {
		m.warn("container " + quoteNames(f.halfEndpoint) + " sets one of " + chain.EnvIdentityEndpoint + " and " + chain.EnvIdentityHeader +
			": the other is not added, it does not reach the proxy")
	}
	if f.visited == 0 && len(m.settings.skip) > 0 {
		m.warn("annotation " + chain.AnnotationSkipContainers + " leaves no container with an identity")
	}
}
