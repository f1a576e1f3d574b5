package inject

import (
	"encoding/json"
	"fmt"
	"path"

	"github.com/aksess/aksess/internal/chain"
)

// Pod is the narrow view of a pod that a decision needs. Everything else in
// the object is neither decoded nor touched.
type Pod struct {
	Metadata metadata `json:"metadata"`
	Spec     spec     `json:"spec"`
}

type metadata struct {
	Name         string            `json:"name"`
	GenerateName string            `json:"generateName"`
	Labels       map[string]string `json:"labels"`
	Annotations  map[string]string `json:"annotations"`
	Owners       []Owner           `json:"ownerReferences"`
}

type spec struct {
	ServiceAccountName    string                `json:"serviceAccountName"`
	OldServiceAccount     string                `json:"serviceAccount"`
	RestartPolicy         string                `json:"restartPolicy"`
	HostNetwork           bool                  `json:"hostNetwork"`
	HostPID               bool                  `json:"hostPID"`
	ShareProcessNamespace *bool                 `json:"shareProcessNamespace"`
	OS                    struct{ Name string } `json:"os"`
	NodeSelector          map[string]string     `json:"nodeSelector"`
	SecurityContext       user                  `json:"securityContext"`
	Resources             podResources          `json:"resources"`
	Volumes               []volume              `json:"volumes"`
	InitContainers        []container           `json:"initContainers"`
	Containers            []container           `json:"containers"`
}

type volume struct {
	Name      string          `json:"name"`
	Projected json.RawMessage `json:"projected"`
}

type container struct {
	Name            string     `json:"name"`
	Env             []envName  `json:"env"`
	EnvFrom         []envFrom  `json:"envFrom"`
	VolumeMounts    []mountRef `json:"volumeMounts"`
	Ports           []port     `json:"ports"`
	SecurityContext user       `json:"securityContext"`
}

// podResources are those of the pod as a whole, which its containers share.
type podResources struct {
	Limits   map[string]json.RawMessage `json:"limits"`
	Requests map[string]json.RawMessage `json:"requests"`
}

// user is the part of a security context that says who a process runs as.
type user struct {
	RunAsUser *int64 `json:"runAsUser"` // nil: the pod's, or the image's
}

type envName struct {
	Name string `json:"name"`
}

type envFrom struct {
	Prefix string `json:"prefix"`
}

type mountRef struct {
	Name      string `json:"name"`
	MountPath string `json:"mountPath"`
}

type port struct {
	ContainerPort int64 `json:"containerPort"`
}

// ParsePod reads the narrow view from a pod's JSON.
func ParsePod(raw []byte) (*Pod, error) {
	if pod := readPod(raw); pod != nil {
		return pod, nil
	}
	pod := new(Pod)
	if err := json.Unmarshal(raw, pod); err != nil {
		return nil, fmt.Errorf("reading pod: %w", err)
	}
	return pod, nil
}

// ServiceAccountName is the name of the pod's service account, "default" if it names none.
func (p *Pod) ServiceAccountName() string {
	switch {
	case p.Spec.ServiceAccountName != "":
		return p.Spec.ServiceAccountName
	case p.Spec.OldServiceAccount != "":
		return p.Spec.OldServiceAccount
	}
	return chain.DefaultServiceAccount
}

// DisplayName is the pod's name, or for a pod that the API server has yet to
// name its prefix: "wi-api-7c5d9f7b9b- (prefix)".
func (p *Pod) DisplayName() string {
	if p.Metadata.Name == "" && p.Metadata.GenerateName != "" {
		return p.Metadata.GenerateName + " (prefix)"
	}
	return p.Metadata.Name
}

// Skipped says why the pod is none of the webhook's business; it is empty for
// a pod that takes part in workload identity.
func (p *Pod) Skipped() string {
	_, why := p.skipped()
	return why
}

func (p *Pod) skipped() (Cause, string) {
	use, labelled := p.Metadata.Labels[chain.LabelUse]
	switch {
	case !labelled:
		return CauseNoLabel, "the pod has no label " + chain.LabelUse
	case use != "true":
		return CauseLabelValue, fmt.Sprintf(`label %s of the pod has value %s: only "true" takes part`, chain.LabelUse, quote(use))
	}
	if _, mirror := p.Metadata.Annotations[chain.AnnotationMirrorPod]; mirror {
		return CauseMirrorPod, "the pod mirrors a static pod, which cannot have a projected service account token"
	}
	return CauseNone, ""
}

// owner is the object that controls the pod, or nil.
func (p *Pod) owner() *Owner {
	for i := range p.Metadata.Owners {
		if p.Metadata.Owners[i].Controller {
			return &p.Metadata.Owners[i]
		}
	}
	return nil
}

// windows reports whether the pod can only run on a Windows node.
func (p *Pod) windows() bool {
	return p.Spec.OS.Name == "windows" || p.Spec.NodeSelector["kubernetes.io/os"] == "windows"
}

func (c *container) hasEnv(name string) bool {
	for i := range c.Env {
		if c.Env[i].Name == name {
			return true
		}
	}
	return false
}

// mountAt returns the name of the volume that the container mounts at the path.
func (c *container) mountAt(mountPath string) (volume string, ok bool) {
	for i := range c.VolumeMounts {
		if path.Clean(c.VolumeMounts[i].MountPath) == mountPath {
			return c.VolumeMounts[i].Name, true
		}
	}
	return "", false
}

func find(containers []container, name string) int {
	for i := range containers {
		if containers[i].Name == name {
			return i
		}
	}
	return -1
}
