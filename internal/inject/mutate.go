package inject

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/aksess/aksess/internal/chain"
)

// Mutate decides what the webhook does to a pod, given as JSON, that runs as
// the service account. A pod without the label, or one that mirrors a static
// pod, comes back with [Result.Skipped] set and an empty patch. The error is a
// [*Denied] when the pod must not be admitted, anything else when the JSON is
// no pod.
func Mutate(pod []byte, sa ServiceAccount, cfg Config) (Result, error) {
	p, err := ParsePod(pod)
	if err != nil {
		return Result{}, err
	}
	return p.Mutate(sa, cfg)
}

// Mutate is the decision for a pod that is already parsed; see the function of
// the same name.
func (p *Pod) Mutate(sa ServiceAccount, cfg Config) (Result, error) {
	if why := p.Skipped(); why != "" {
		result := Result{Skipped: why}
		if use, labelled := p.Metadata.Labels[chain.LabelUse]; labelled && use != "true" {
			result.Warnings = []string{why}
		}
		return result, nil
	}
	m := mutation{pod: p, sa: sa, cfg: cfg}
	if err := m.run(); err != nil {
		return Result{}, err
	}
	return m.result, nil
}

// mutation is one decision under way.
type mutation struct {
	pod      *Pod
	sa       ServiceAccount
	cfg      Config
	id       identity
	settings podSettings
	result   Result

	variables []variable // to set, in order
	// identityVars of them are for every container; the rest are the local Azure's.
	identityVars int
	missing      []json.RawMessage // of the container at hand

	findings findings
}

func (m *mutation) run() error {
	var err error
	if m.id, err = identify(m.sa, m.cfg); err != nil {
		return err
	}
	if m.settings, err = parseSettings(m.pod, m.sa, m.cfg); err != nil {
		return err
	}
	if err := m.checkProxy(); err != nil {
		return err
	}
	m.result.Warnings = append(m.id.warnings, m.settings.warnings...)
	m.result.Token = Token{Audience: m.audience(), Expiration: m.settings.expiration, File: chain.TokenFile}
	m.result.Patch = make([]Operation, 0, 8+6*(len(m.pod.Spec.Containers)+len(m.pod.Spec.InitContainers)))
	m.prepareVariables()
	m.checkSkipped()
	m.checkInitContainers()
	m.observeBesideProxy(m.pod.Spec.InitContainers)
	m.observeBesideProxy(m.pod.Spec.Containers)
	volumes := m.volumes()
	m.patchContainers("/spec/initContainers", m.pod.Spec.InitContainers, volumes)
	m.patchContainers("/spec/containers", m.pod.Spec.Containers, volumes)
	m.patchProxy(volumes) // inserts at the front: after the patches that count containers
	m.patchVolumes(volumes)
	m.patchCA(volumes)
	m.report()
	return nil
}

// audience of the pod's token.
func (m *mutation) audience() string {
	if m.settings.binding {
		return m.cfg.TokenEndpoint.audience()
	}
	return m.cfg.audience()
}

func (m *mutation) patchContainers(path string, containers []container, volumes []mounted) {
	for i := range containers {
		c := &containers[i]
		if m.skips(c.Name) {
			continue
		}
		m.observe(c)
		m.patchContainer(path+"/"+strconv.Itoa(i), c, volumes)
	}
}

func (m *mutation) patchContainer(path string, c *container, volumes []mounted) {
	before := len(m.result.Patch)
	variables := m.variables
	if m.ownProxy(c) {
		// With our authority but its own proxy it would trust nobody it can reach.
		variables, volumes = variables[:m.identityVars], volumes[:len(volumes)-1]
	}
	m.missing = m.missing[:0]
	for i := range variables {
		if v := &variables[i]; !c.hasEnv(v.name) && !slices.ContainsFunc(v.rivals, c.hasEnv) {
			m.missing = append(m.missing, v.entry)
		}
	}
	m.appendTo(path+"/env", c.Env != nil, m.missing)
	m.result.Summary.Variables += len(m.missing)

	var missingMounts [4]json.RawMessage
	mounts := missingMounts[:0]
	for i := range volumes {
		v := &volumes[i]
		name, ok := c.mountAt(v.mountPath)
		switch {
		case !ok:
			m.observeOverlap(c, v)
			mounts = append(mounts, v.mount)
			v.used = true
		case name == v.volume.Name:
			v.used = true
		default:
			m.warn("container " + quote(c.Name) + " mounts its own volume " + quote(name) + " at " + v.mountPath +
				": ours is not mounted there")
		}
	}
	m.appendTo(path+"/volumeMounts", c.VolumeMounts != nil, mounts)
	m.result.Summary.Mounts += len(mounts)
	if len(m.result.Patch) > before {
		m.result.Summary.Containers++
	}
}

// ownProxy reports whether the container has a proxy of its own where ours
// would go. After a first admission the variable is ours, and so is the mount.
func (m *mutation) ownProxy(c *container) bool {
	if m.cfg.LocalAzure == nil || !c.hasEnv("HTTPS_PROXY") && !c.hasEnv("https_proxy") {
		return false
	}
	name, ok := c.mountAt(chain.LocalAzureMountPath)
	return !ok || name != caVolumeName
}

// patchCA puts the local Azure's certificate where the downward API finds it.
func (m *mutation) patchCA(volumes []mounted) {
	l := m.cfg.LocalAzure
	if l == nil || l.CAConfigMap != "" || !volumes[len(volumes)-1].used {
		return
	}
	ca := string(l.CA)
	have, ok := m.pod.Metadata.Annotations[chain.AnnotationLocalAzureCA]
	switch {
	case m.pod.Metadata.Annotations == nil:
		m.op("add", "/metadata/annotations", encode(map[string]string{chain.AnnotationLocalAzureCA: ca}))
	case !ok:
		m.op("add", "/metadata/annotations/"+escapePointer(chain.AnnotationLocalAzureCA), encode(ca))
	case have != ca:
		m.op("replace", "/metadata/annotations/"+escapePointer(chain.AnnotationLocalAzureCA), encode(ca))
	}
}

// skips reports whether a container is left alone: on the user's word, or
// because it is the proxy's init step, which runs with more rights than any
// other container and needs no identity.
func (m *mutation) skips(name string) bool {
	return name == proxyInitName || name != proxyName && slices.Contains(m.settings.skip, name)
}

func (m *mutation) op(op, path string, value json.RawMessage) {
	m.result.Patch = append(m.result.Patch, Operation{Op: op, Path: path, Value: value})
}

// appendTo adds values to the end of an array, or the array itself if the
// object has none.
func (m *mutation) appendTo(path string, exists bool, values []json.RawMessage) {
	switch {
	case len(values) == 0:
	case exists:
		path += "/-"
		for _, v := range values {
			m.op("add", path, v)
		}
	default:
		m.op("add", path, list(values...))
	}
}

func (m *mutation) warn(text string) {
	m.result.Warnings = append(m.result.Warnings, text)
}

// covers reports whether a mount at outer hides or holds what is mounted at inner.
func covers(outer, inner string) bool {
	return outer == "/" || strings.HasPrefix(inner, outer+"/")
}
