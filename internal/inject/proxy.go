package inject

import (
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/aksess/aksess/internal/chain"
)

// Names of the proxy's containers, as upstream gives them.
const (
	proxyName     = "azwi-proxy"
	proxyInitName = "azwi-proxy-init"
)

// proxyUID is the user and group that the proxy runs as, and that the init step
// exempts from redirection. It is fixed here because a pod-level runAsUser would
// otherwise send the proxy's own traffic back into the proxy, for ever.
const proxyUID = 1501

// proxyContainer is the part of a container that we write.
type proxyContainer struct {
	Name            string            `json:"name"`
	Image           string            `json:"image"`
	ImagePullPolicy string            `json:"imagePullPolicy"`
	Args            []string          `json:"args,omitempty"`
	Ports           []port            `json:"ports,omitempty"`
	Resources       Resources         `json:"resources,omitzero"`
	Env             []json.RawMessage `json:"env,omitempty"`
	VolumeMounts    []json.RawMessage `json:"volumeMounts,omitempty"`
	Lifecycle       *lifecycle        `json:"lifecycle,omitempty"`
	RestartPolicy   string            `json:"restartPolicy,omitempty"`
	SecurityContext securityContext   `json:"securityContext"`
}

type lifecycle struct {
	PostStart struct {
		Exec struct {
			Command []string `json:"command"`
		} `json:"exec"`
	} `json:"postStart"`
}

type securityContext struct {
	AllowPrivilegeEscalation *bool           `json:"allowPrivilegeEscalation,omitempty"`
	Privileged               bool            `json:"privileged,omitempty"`
	ReadOnlyRootFilesystem   bool            `json:"readOnlyRootFilesystem,omitempty"`
	RunAsNonRoot             bool            `json:"runAsNonRoot"`
	RunAsUser                int64           `json:"runAsUser"`
	RunAsGroup               int64           `json:"runAsGroup"`
	Capabilities             capabilities    `json:"capabilities"`
	SeccompProfile           *seccompProfile `json:"seccompProfile,omitempty"`
}

type capabilities struct {
	Add  []string `json:"add,omitempty"`
	Drop []string `json:"drop"`
}

type seccompProfile struct {
	Type string `json:"type"`
}

// checkProxy refuses pods whose proxy could not work.
func (m *mutation) checkProxy() error {
	const asked = "annotation " + chain.AnnotationInjectProxySidecar + " of the pod asks for the proxy"
	switch {
	case !m.settings.proxy:
		return nil
	case m.pod.Spec.HostNetwork:
		return invalid("%s: hostNetwork is set to true, cannot inject proxy sidecar", asked)
	case m.pod.windows():
		return forbidden("%s, which runs on Linux only; this is a Windows pod", asked)
	case m.cfg.Proxy.Image == "":
		return forbidden("%s, but this webhook has no proxy image configured", asked)
	}
	return nil
}

// patchProxy adds the proxy and its init step, which only redirection has,
// unless containers of those names are there. As a sidecar it goes before the user's init containers, the init
// step first of all, so that theirs are served as well. As an ordinary
// container it cannot serve them, and the redirection goes last.
func (m *mutation) patchProxy(volumes []mounted) {
	if !m.settings.proxy {
		return
	}
	inits, containers := m.pod.Spec.InitContainers, m.pod.Spec.Containers
	initAt := find(inits, proxyInitName)
	hasProxy := find(inits, proxyName) >= 0 || find(containers, proxyName) >= 0
	var proxy, init json.RawMessage
	if !hasProxy {
		proxy = encode(m.proxy(volumes))
		m.result.Summary.Proxy = true
	}
	if initAt < 0 && m.settings.proxyMode == ModeRedirect {
		init = encode(m.proxyInit())
		m.result.Summary.Proxy = true
	}
	if m.cfg.Proxy.Classic {
		m.prepend("/spec/containers", 0, containers != nil, proxy)
		if init != nil {
			m.appendTo("/spec/initContainers", inits != nil, []json.RawMessage{init})
		}
		return
	}
	m.prepend("/spec/initContainers", initAt+1, inits != nil, proxy)
	m.prepend("/spec/initContainers", 0, inits != nil || proxy != nil, init)
}

// prepend inserts value into an array at an index; nil inserts nothing.
func (m *mutation) prepend(path string, index int, exists bool, value json.RawMessage) {
	switch {
	case value == nil:
	case exists:
		m.op("add", path+"/"+strconv.Itoa(index), value)
	default:
		m.op("add", path, list(value))
	}
}

// resources of a container of the proxy. In a pod that has its own as a whole
// there are none: the API server refuses containers that together ask for more.
func (m *mutation) resources(configured *Resources) Resources {
	whole := m.pod.Spec.Resources
	switch {
	case len(whole.Requests)+len(whole.Limits) > 0:
		return Resources{}
	case configured == nil:
		return DefaultProxyResources()
	}
	return *configured
}

func (m *mutation) proxy(volumes []mounted) proxyContainer {
	portArg := fmt.Sprintf("--proxy-port=%d", m.settings.proxyPort)
	logArg := "--log-level=" + m.cfg.Proxy.logLevel()
	escalation := false
	c := proxyContainer{
		Name:            proxyName,
		Image:           m.cfg.Proxy.Image,
		ImagePullPolicy: m.cfg.Proxy.pullPolicy(),
		Args:            []string{portArg, logArg},
		Ports:           []port{{ContainerPort: m.settings.proxyPort}},
		Resources:       m.resources(m.cfg.Proxy.Resources),
		Env:             make([]json.RawMessage, 0, len(m.variables)),
		VolumeMounts:    make([]json.RawMessage, 0, len(volumes)),
		Lifecycle:       new(lifecycle),
		SecurityContext: securityContext{
			AllowPrivilegeEscalation: &escalation,
			ReadOnlyRootFilesystem:   true,
			RunAsNonRoot:             true,
			RunAsUser:                proxyUID,
			RunAsGroup:               proxyUID,
			Capabilities:             capabilities{Drop: []string{"ALL"}},
			SeccompProfile:           &seccompProfile{Type: "RuntimeDefault"},
		},
	}
	if pass := m.cfg.Proxy.Pass; pass != "" { // which upstream's proxy does not know
		c.Args = append(c.Args, "--pass="+pass)
	}
	c.Args = append(c.Args, m.ending()...)
	c.Lifecycle.PostStart.Exec.Command = []string{"/proxy", portArg, "--probe", logArg}
	if !m.cfg.Proxy.Classic {
		c.RestartPolicy = "Always"
	}
	for i := range volumes {
		volumes[i].used = true
		c.VolumeMounts = append(c.VolumeMounts, volumes[i].mount)
	}
	for i := range m.variables {
		c.Env = append(c.Env, m.variables[i].entry)
	}
	m.result.Summary.Variables += len(m.variables)
	m.result.Summary.Mounts += len(volumes)
	return c
}

// exempt is the user that the init step does not redirect: the proxy's, whose
// requests to the node's metadata service would come back to it. A proxy that
// passes nothing on makes none, and so nobody is exempt. Upstream's init step
// knows users only.
func (p Proxy) exempt() string {
	if p.Pass == passNothing && !p.PrivilegedInit {
		return "none"
	}
	return strconv.Itoa(proxyUID)
}

// proxyInit sets every value that a pod-level security context could set
// otherwise: it needs root, whatever the pod runs as.
func (m *mutation) proxyInit() proxyContainer {
	escalation := false
	c := proxyContainer{
		Name:            proxyInitName,
		Image:           m.cfg.Proxy.initImage(),
		ImagePullPolicy: m.cfg.Proxy.pullPolicy(),
		Args:            []string{"init"},
		Env: []json.RawMessage{
			encode(EnvVar{"PROXY_PORT", strconv.FormatInt(m.settings.proxyPort, 10)}),
			encode(EnvVar{"PROXY_UID", m.cfg.Proxy.exempt()}),
		},
		Resources: m.resources(m.cfg.Proxy.InitResources),
		SecurityContext: securityContext{
			AllowPrivilegeEscalation: &escalation,
			ReadOnlyRootFilesystem:   true,
			Capabilities:             capabilities{Add: []string{"NET_ADMIN"}, Drop: []string{"ALL"}},
			SeccompProfile:           &seccompProfile{Type: "RuntimeDefault"},
		},
	}
	if m.cfg.Proxy.PrivilegedInit { // iptables takes a lock in a file; seccomp has no hold on privileged containers
		c.SecurityContext = securityContext{Privileged: true, Capabilities: c.SecurityContext.Capabilities}
	}
	return c
}
