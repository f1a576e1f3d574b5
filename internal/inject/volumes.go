package inject

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"reflect"
	"strconv"

	"github.com/aksess/aksess/internal/chain"
)

// Names of the volumes that the webhook adds.
const (
	// volumePrefix and 30 digits of a hash make the longest name Kubernetes allows, 63 bytes.
	volumePrefix = "azure-workload-identity-reserved-"
	// oldVolumeName is upstream's volume before v1.6.0.
	oldVolumeName = "azure-identity-token"
	caVolumeName  = "aksess-local-azure-ca"
)

// VolumeName returns the name of the token's volume in a pod. All pods of a
// ReplicaSet share it, since only their prefix is known when they are admitted.
func VolumeName(p *Pod) string {
	sum := sha256.Sum256([]byte(p.DisplayName()))
	return volumePrefix + hex.EncodeToString(sum[:15])
}

// reserved reports whether the name can only have been given by a webhook of
// this kind.
func reserved(name string) bool {
	return len(name) == len(volumePrefix)+30 && name[:len(volumePrefix)] == volumePrefix || name == caVolumeName
}

// projectedVolume and below are the parts of the Kubernetes API that we write.
type projectedVolume struct {
	Name      string    `json:"name"`
	Projected projected `json:"projected"`
}

type projected struct {
	Sources []volumeSource `json:"sources"`
}

type volumeSource struct {
	ServiceAccountToken *tokenSource       `json:"serviceAccountToken,omitempty"`
	ConfigMap           *configMapSource   `json:"configMap,omitempty"`
	DownwardAPI         *downwardSource    `json:"downwardAPI,omitempty"`
	ClusterTrustBundle  *trustBundleSource `json:"clusterTrustBundle,omitempty"`
}

type tokenSource struct {
	Audience          string `json:"audience"`
	ExpirationSeconds int64  `json:"expirationSeconds"`
	Path              string `json:"path"`
}

type configMapSource struct {
	Name  string      `json:"name"`
	Items []keyToPath `json:"items"`
}

type trustBundleSource struct {
	SignerName    string         `json:"signerName"`
	LabelSelector *LabelSelector `json:"labelSelector,omitempty"`
	Path          string         `json:"path"`
}

type keyToPath struct {
	Key  string `json:"key"`
	Path string `json:"path"`
}

type downwardSource struct {
	Items []downwardItem `json:"items"`
}

type downwardItem struct {
	Path     string   `json:"path"`
	FieldRef fieldRef `json:"fieldRef"`
}

type fieldRef struct {
	APIVersion string `json:"apiVersion"`
	FieldPath  string `json:"fieldPath"`
}

// mounted is a volume of ours and where containers mount it.
type mounted struct {
	volume    projectedVolume
	mountPath string
	mount     json.RawMessage // the volumeMounts entry
	existing  int             // index in the pod's volumes, -1 if absent
	used      bool            // a container mounts it, or it is wanted regardless
}

type volumeMount struct {
	Name      string `json:"name"`
	MountPath string `json:"mountPath"`
	ReadOnly  bool   `json:"readOnly"`
}

func newMounted(p *Pod, name, mountPath string, sources ...volumeSource) mounted {
	m := mounted{
		volume:    projectedVolume{Name: name, Projected: projected{Sources: sources}},
		mountPath: mountPath,
		mount:     encode(volumeMount{Name: name, MountPath: mountPath, ReadOnly: true}),
		existing:  -1,
	}
	for i := range p.Spec.Volumes {
		if p.Spec.Volumes[i].Name == name {
			m.existing = i
		}
	}
	return m
}

// upToDate reports whether the pod's volume of that name projects what ours
// would. Defaults that the API server fills in (defaultMode) do not count.
func (m *mounted) upToDate(p *Pod) bool {
	var have projected
	raw := p.Spec.Volumes[m.existing].Projected
	return len(raw) > 0 && json.Unmarshal(raw, &have) == nil && reflect.DeepEqual(have, m.volume.Projected)
}

// volumes returns what is to be mounted into the pod's containers.
func (m *mutation) volumes() []mounted {
	token := func(path string) volumeSource {
		return volumeSource{ServiceAccountToken: &tokenSource{
			Audience: m.audience(), ExpirationSeconds: m.settings.expiration, Path: path,
		}}
	}
	// Upstream adds the volume even when every container is skipped.
	sources := []volumeSource{token(chain.TokenPath)}
	if m.settings.binding {
		if ca, ok := m.cfg.TokenEndpoint.source(); ok {
			sources = append(sources, ca)
		}
	}
	current := newMounted(m.pod, VolumeName(m.pod), chain.TokenMountPath, sources...)
	current.used = true
	all := append(make([]mounted, 0, 3), current)
	if !m.cfg.NoOldTokenPath {
		old := newMounted(m.pod, oldVolumeName, chain.OldTokenMountPath, token(chain.OldTokenPath))
		// The name was never reserved: a volume that differs is the user's own.
		if old.existing < 0 || old.upToDate(m.pod) {
			all = append(all, old)
		} else {
			m.warn("volume " + quote(oldVolumeName) + " is the pod's own: the token is not mounted at " + chain.OldTokenMountPath)
		}
	}
	if l := m.cfg.LocalAzure; l != nil {
		all = append(all, newMounted(m.pod, caVolumeName, chain.LocalAzureMountPath, l.source()))
	}
	return all
}

func (l *LocalAzure) source() volumeSource {
	if l.CAConfigMap == "" {
		return volumeSource{DownwardAPI: &downwardSource{Items: []downwardItem{{
			Path:     caFile,
			FieldRef: fieldRef{APIVersion: "v1", FieldPath: "metadata.annotations['" + chain.AnnotationLocalAzureCA + "']"},
		}}}}
	}
	items := []keyToPath{{Key: caFile, Path: caFile}}
	if l.TrustStoreKey != "" {
		items = append(items, keyToPath{Key: l.TrustStoreKey, Path: l.TrustStoreKey})
	}
	return volumeSource{ConfigMap: &configMapSource{Name: l.CAConfigMap, Items: items}}
}

// caFile is the last element of chain.LocalAzureCAFile.
const caFile = "ca.crt"

// patchVolumes adds the volumes in use and brings those of a reserved name up
// to date.
func (m *mutation) patchVolumes(all []mounted) {
	var missing []json.RawMessage
	for i := range all {
		v := &all[i]
		switch {
		case !v.used:
			continue
		case v.existing < 0:
			missing = append(missing, encode(v.volume))
		case !v.upToDate(m.pod):
			m.op("replace", "/spec/volumes/"+strconv.Itoa(v.existing), encode(v.volume))
		default:
			continue
		}
		m.result.Summary.Volumes++
	}
	m.appendTo("/spec/volumes", m.pod.Spec.Volumes != nil, missing)
}
