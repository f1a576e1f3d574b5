package inject

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"github.com/aksess/aksess/internal/chain"
)

// TokenEndpoint is a cluster's own endpoint for tokens, which pods use instead
// of the token service when they ask for it by annotation. AKS calls that
// identity bindings: no federated credential is needed for each service account.
type TokenEndpoint struct {
	ProxyURL string // https URL
	SNIName  string // server name for TLS; the URL's host when empty
	Suffix   string // pods ask with chain.AnnotationUsePrefix + Suffix; chain.BindingSuffix when empty
	Audience string // audience of their projected token; chain.BindingAudience when empty

	// The certificate authority of the endpoint comes from one place at most;
	// from none, programs trust what their system trusts.

	CAData      string // the certificate itself, PEM, in a variable
	CAConfigMap string // name of a ConfigMap in every pod's namespace with the key ca.crt
	CASigner    string // signer of ClusterTrustBundles
	// CALabels select among that signer's bundles; nil selects all.
	CALabels *LabelSelector
}

// LabelSelector is Kubernetes' selector of objects by their labels.
type LabelSelector struct {
	MatchLabels      map[string]string  `json:"matchLabels,omitempty"`
	MatchExpressions []LabelRequirement `json:"matchExpressions,omitempty"`
}

// LabelRequirement is one expression of a LabelSelector.
type LabelRequirement struct {
	Key      string   `json:"key"`
	Operator string   `json:"operator"`
	Values   []string `json:"values,omitempty"`
}

// Annotation is the key of the annotation with which a pod asks for the endpoint.
func (e *TokenEndpoint) Annotation() string {
	if e == nil || e.Suffix == "" {
		return chain.AnnotationUsePrefix + chain.BindingSuffix
	}
	return chain.AnnotationUsePrefix + strings.ToLower(e.Suffix)
}

func (e *TokenEndpoint) audience() string {
	if e.Audience == "" {
		return chain.BindingAudience
	}
	return e.Audience
}

// validate keeps upstream's wording where it has one. defaultAudience is that
// of the pods that do not ask for the endpoint.
func (e *TokenEndpoint) validate(defaultAudience string) error {
	u, err := url.Parse(e.ProxyURL)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return fmt.Errorf("custom token endpoint %q is not of the form https://HOST[:PORT][/PATH]", e.ProxyURL)
	}
	// https://kubernetes.io/docs/concepts/overview/working-with-objects/annotations/#syntax-and-character-set
	name := strings.TrimPrefix(e.Annotation(), "azure.workload.identity/")
	if ok, _ := regexp.MatchString(`^[a-z0-9][a-z0-9._-]{0,61}[a-z0-9]$`, name); !ok {
		return fmt.Errorf("custom token endpoint annotation suffix %q makes no annotation", e.Suffix)
	}
	if e.audience() == defaultAudience {
		return fmt.Errorf("custom token endpoint audience cannot be equal to default audience %q", defaultAudience)
	}
	sources := 0
	for _, source := range [...]string{e.CAData, e.CAConfigMap, e.CASigner} {
		if source != "" {
			sources++
		}
	}
	if sources > 1 {
		return errors.New("only one of AZURE_KUBERNETES_CA_DATA, AZURE_KUBERNETES_CA_CONFIGMAP_NAME or AZURE_KUBERNETES_CA_CTB_SIGNER_NAME can be set")
	}
	if e.CALabels != nil && e.CASigner == "" {
		return errors.New("AZURE_KUBERNETES_CA_CTB_LABEL_SELECTOR needs AZURE_KUBERNETES_CA_CTB_SIGNER_NAME")
	}
	if e.CAData != "" {
		return validCertificate("custom token endpoint", []byte(e.CAData))
	}
	return nil
}

// source projects the certificate authority into a file; ok is false when it is
// in no file.
func (e *TokenEndpoint) source() (source volumeSource, ok bool) {
	switch {
	case e.CAConfigMap != "":
		return volumeSource{ConfigMap: &configMapSource{Name: e.CAConfigMap, Items: []keyToPath{{Key: caFile, Path: chain.KubernetesCAPath}}}}, true
	case e.CASigner != "":
		return volumeSource{ClusterTrustBundle: &trustBundleSource{
			SignerName: e.CASigner, LabelSelector: e.CALabels.normal(), Path: chain.KubernetesCAPath,
		}}, true
	}
	return volumeSource{}, false
}

// normal returns a selector in the form that the API server stores, without
// empty lists. One that is left out would select nothing.
func (s *LabelSelector) normal() *LabelSelector {
	normal := new(LabelSelector)
	if s == nil {
		return normal
	}
	if len(s.MatchLabels) > 0 {
		normal.MatchLabels = s.MatchLabels
	}
	for _, r := range s.MatchExpressions {
		if len(r.Values) == 0 {
			r.Values = nil
		}
		normal.MatchExpressions = append(normal.MatchExpressions, r)
	}
	return normal
}

// setTokenEndpoint tells programs, the proxy among them, where the endpoint is.
// A container that names an endpoint of its own keeps that whole. Upstream names
// a CA file that is not there beside the CA's data, which SDKs refuse.
func (m *mutation) setTokenEndpoint() {
	e := m.cfg.TokenEndpoint
	own := chain.EnvKubernetesTokenProxy
	m.set([]EnvVar{{chain.EnvKubernetesTokenProxy, e.ProxyURL}})
	if e.SNIName != "" {
		m.set([]EnvVar{{chain.EnvKubernetesSNIName, e.SNIName}}, own)
	}
	if _, file := e.source(); file {
		m.set([]EnvVar{{chain.EnvKubernetesCAFile, chain.KubernetesCAFile}}, own, chain.EnvKubernetesCAData)
	} else if e.CAData != "" {
		m.set([]EnvVar{{chain.EnvKubernetesCAData, e.CAData}}, own, chain.EnvKubernetesCAFile)
	}
}
