package kube

import (
	"context"
	"encoding/base64"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	"github.com/aksess/aksess/internal/inject"
)

// Secrets keeps the certificates in two Secrets: the authorities with their
// keys in one, which only the leader reads, and what every replica needs to
// serve in the other. Neither is mounted anywhere. It implements
// [inject.CertificateStore]; both are written on condition that nobody has
// written them since.
type Secrets struct {
	Client    *Client
	Namespace string
	Authority string // name of the Secret with the authorities
	Serving   string // name of the Secret with the serving pair
	Log       *slog.Logger
}

// Keys of the serving Secret, those of a TLS secret with its authority.
const (
	keyCertificate = "tls.crt"
	keyPrivate     = "tls.key"
	keyBundle      = "ca.crt"
)

func secretsResource() schema.GroupVersionResource {
	return schema.GroupVersionResource{Version: "v1", Resource: "secrets"}
}

func (s *Secrets) secrets() dynamic.ResourceInterface {
	return s.Client.Dynamic.Resource(secretsResource()).Namespace(s.Namespace)
}

func (s *Secrets) named(name string) named {
	return named{client: s.Client, resource: secretsResource(), namespace: s.Namespace, name: name}
}

// servingKeys are the files that go into the serving Secret, and its keys for them.
func servingKeys() map[string]string {
	return map[string]string{
		inject.FileCertificate:    keyCertificate,
		inject.FileCertificateKey: keyPrivate,
		inject.FileBundle:         keyBundle,
	}
}

// Load implements [inject.CertificateStore]. The version is that of both
// Secrets; it is empty for one that does not exist.
func (s *Secrets) Load(ctx context.Context) (inject.StoredCertificates, error) {
	authority, authorityVersion, err := s.read(ctx, s.Authority)
	if err != nil {
		return inject.StoredCertificates{}, err
	}
	serving, servingVersion, err := s.read(ctx, s.Serving)
	if err != nil {
		return inject.StoredCertificates{}, err
	}
	files := maps.Clone(authority)
	for file, key := range servingKeys() {
		if value, ok := serving[key]; ok {
			files[file] = value
		}
	}
	stored := inject.StoredCertificates{Version: authorityVersion + "/" + servingVersion, Files: files}
	if len(files) == 0 {
		return stored, inject.ErrNoCertificates
	}
	return stored, nil
}

// Save implements [inject.CertificateStore]. The authorities are written first:
// no certificate is stored before the key that signed it.
func (s *Secrets) Save(ctx context.Context, stored inject.StoredCertificates) (string, error) {
	authorityVersion, servingVersion, _ := strings.Cut(stored.Version, "/")
	authority, serving := maps.Clone(stored.Files), map[string][]byte{}
	for file, key := range servingKeys() {
		if value, ok := authority[file]; ok {
			serving[key] = value
			delete(authority, file)
		}
	}
	var err error
	if authorityVersion, err = s.write(ctx, s.Authority, authorityVersion, authority); err != nil {
		return "", err
	}
	if servingVersion, err = s.write(ctx, s.Serving, servingVersion, serving); err != nil {
		return "", err
	}
	return authorityVersion + "/" + servingVersion, nil
}

func (s *Secrets) read(ctx context.Context, name string) (data map[string][]byte, version string, err error) {
	object, err := s.secrets().Get(ctx, name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return map[string][]byte{}, "", nil
	case err != nil:
		return nil, "", fmt.Errorf("reading Secret %q: %w", name, err)
	}
	data, err = secretData(object)
	return data, object.GetResourceVersion(), err
}

func secretData(object *unstructured.Unstructured) (map[string][]byte, error) {
	texts, _, err := unstructured.NestedStringMap(object.Object, "data")
	if err != nil {
		return nil, fmt.Errorf("reading Secret %q: %w", object.GetName(), err)
	}
	data := make(map[string][]byte, len(texts))
	for key, text := range texts {
		if data[key], err = base64.StdEncoding.DecodeString(text); err != nil {
			return nil, fmt.Errorf("reading key %q of Secret %q: %w", key, object.GetName(), err)
		}
	}
	return data, nil
}

// write replaces the data of that version of the Secret and nothing else of it.
// An empty version is a Secret that does not exist, which the chart makes otherwise.
func (s *Secrets) write(ctx context.Context, name, version string, data map[string][]byte) (string, error) {
	if version == "" {
		object := newObject("v1", "Secret", name)
		setData(object, data)
		stored, err := s.secrets().Create(ctx, object, metav1.CreateOptions{})
		return s.written(name, stored, err)
	}
	object, err := s.secrets().Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) || err == nil && object.GetResourceVersion() != version {
		return "", inject.ErrCertificatesChanged
	}
	if err != nil {
		return "", fmt.Errorf("reading Secret %q: %w", name, err)
	}
	if have, err := secretData(object); err == nil && maps.EqualFunc(have, data, equalBytes) {
		return version, nil
	}
	setData(object, data)
	stored, err := s.secrets().Update(ctx, object, metav1.UpdateOptions{})
	return s.written(name, stored, err)
}

func (s *Secrets) written(name string, stored *unstructured.Unstructured, err error) (string, error) {
	switch {
	case apierrors.IsConflict(err), apierrors.IsAlreadyExists(err), apierrors.IsNotFound(err):
		return "", fmt.Errorf("%w: Secret %q: %w", inject.ErrCertificatesChanged, name, err)
	case err != nil:
		return "", fmt.Errorf("writing Secret %q: %w", name, err)
	}
	return stored.GetResourceVersion(), nil
}

func setData(object *unstructured.Unstructured, data map[string][]byte) {
	texts := make(map[string]any, len(data))
	for key, value := range data {
		texts[key] = base64.StdEncoding.EncodeToString(value)
	}
	object.Object["data"] = texts
}

func equalBytes(a, b []byte) bool { return string(a) == string(b) }

// WatchAuthority calls changed after each change of the Secret with the
// authorities, until the context is done.
func (s *Secrets) WatchAuthority(ctx context.Context, changed func()) {
	s.named(s.Authority).follow(ctx, s.Log, func(*unstructured.Unstructured) { changed() })
}

// ServingSecret serves the pair of the serving Secret, whoever writes it.
type ServingSecret struct {
	*inject.KeyPair
	Secrets *Secrets
	Seen    func() // called after each change of the Secret; may be nil

	mu     sync.Mutex
	bundle []byte
}

// Bundle returns what the leader tells API servers to trust, PEM; nil before it has.
func (s *ServingSecret) Bundle() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bundle
}

// Run follows the Secret until the context is done.
func (s *ServingSecret) Run(ctx context.Context) {
	s.Secrets.named(s.Secrets.Serving).follow(ctx, s.Log, s.use)
}

// use takes over a new pair. One that is gone is served on: the leader makes
// another.
func (s *ServingSecret) use(object *unstructured.Unstructured) {
	if s.Seen != nil {
		defer s.Seen()
	}
	if object == nil {
		return
	}
	data, err := secretData(object)
	if err == nil && len(data[keyCertificate]) == 0 {
		return // made by the chart, not filled yet
	}
	if err == nil {
		err = s.Use(data[keyCertificate], data[keyPrivate])
	}
	if err != nil {
		s.Log.Warn("the serving certificate stays as it was", "secret", s.Secrets.Serving, "error", err)
		return
	}
	s.mu.Lock()
	s.bundle = data[keyBundle]
	s.mu.Unlock()
}
