package kube

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	dynamicfake "k8s.io/client-go/dynamic/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/aksess/aksess/internal/inject"
)

func secretStore(objects ...runtime.Object) (*Secrets, *dynamicfake.FakeDynamicClient) {
	client := fakeDynamic(objects...)
	versioned(client)
	return &Secrets{
		Client: &Client{Dynamic: client}, Namespace: leaseNamespace,
		Authority: "aksess-webhook-ca", Serving: "aksess-webhook-tls", Log: discard(),
	}, client
}

// emptySecrets are what the chart makes.
func emptySecrets() []runtime.Object {
	var objects []runtime.Object
	for _, name := range []string{"aksess-webhook-ca", "aksess-webhook-tls"} {
		secret := newObject("v1", "Secret", name)
		secret.SetNamespace(leaseNamespace)
		secret.SetResourceVersion("1")
		secret.SetLabels(map[string]string{"app.kubernetes.io/managed-by": "Helm"})
		objects = append(objects, secret)
	}
	return objects
}

func rotator(store *Secrets) *inject.Certificates {
	return inject.NewCertificates(inject.CertificatesConfig{Names: []string{"aksess-webhook.aksess-system.svc"}, Store: store, SharedStore: "secret a/b"})
}

// TestSecretsSplit: the authority's key is in one Secret, what replicas serve in
// the other, and what the chart wrote stays.
func TestSecretsSplit(t *testing.T) {
	for name, objects := range map[string][]runtime.Object{"made_by_the_chart": emptySecrets(), "missing": nil} {
		t.Run(name, func(t *testing.T) {
			store, client := secretStore(objects...)
			if _, err := store.Load(t.Context()); !errors.Is(err, inject.ErrNoCertificates) {
				t.Fatalf("got %v, want no certificates", err)
			}
			certificates := rotator(store)
			if _, err := certificates.Rotate(t.Context()); err != nil {
				t.Fatal(err)
			}
			authority, serving := get(t, client, store, store.Authority), get(t, client, store, store.Serving)
			for object, want := range map[*unstructured.Unstructured]string{authority: "ca.crt ca.key ca.since", serving: "ca.crt tls.crt tls.key"} {
				data, err := secretData(object)
				if err != nil {
					t.Fatal(err)
				}
				var keys []string
				for _, key := range strings.Fields("ca.crt ca.key ca.since next-ca.crt next-ca.key tls.crt tls.key") {
					if _, ok := data[key]; ok {
						keys = append(keys, key)
					}
				}
				if got := strings.Join(keys, " "); got != want || len(keys) != len(data) {
					t.Errorf("%s: got %v, want %s", object.GetName(), data, want)
				}
				if objects != nil && object.GetLabels()["app.kubernetes.io/managed-by"] != "Helm" {
					t.Errorf("%s: got labels %v, want the chart's", object.GetName(), object.GetLabels())
				}
			}
			again := rotator(store)
			if _, err := again.Rotate(t.Context()); err != nil {
				t.Fatal(err)
			}
			a, errA := certificates.GetCertificate(nil)
			b, errB := again.GetCertificate(nil)
			if errA != nil || errB != nil || !a.Leaf.Equal(b.Leaf) || get(t, client, store, store.Serving).GetResourceVersion() != serving.GetResourceVersion() {
				t.Errorf("got another certificate or another write from the same Secrets: %v, %v", errA, errB)
			}
		})
	}
}

// TestSecretsConflict: whoever writes on what is not the newest is told so, for
// either Secret.
func TestSecretsConflict(t *testing.T) {
	for _, touched := range []string{"aksess-webhook-ca", "aksess-webhook-tls"} {
		t.Run(touched, func(t *testing.T) {
			store, client := secretStore(emptySecrets()...)
			stored, err := store.Load(t.Context())
			if !errors.Is(err, inject.ErrNoCertificates) {
				t.Fatal(err)
			}
			secret := get(t, client, store, touched)
			if _, err := client.Resource(secretsResource()).Namespace(store.Namespace).Update(t.Context(), secret, metav1.UpdateOptions{}); err != nil {
				t.Fatal(err)
			}
			stored.Files = map[string][]byte{"ca.key": []byte("k"), inject.FileCertificate: []byte("c")}
			if _, err := store.Save(t.Context(), stored); !errors.Is(err, inject.ErrCertificatesChanged) {
				t.Errorf("got %v, want ErrCertificatesChanged", err)
			}
			if stored, err = store.Load(t.Context()); err != nil && !errors.Is(err, inject.ErrNoCertificates) {
				t.Fatal(err)
			}
			stored.Files = map[string][]byte{"ca.key": []byte("k"), inject.FileCertificate: []byte("c")}
			version, err := store.Save(t.Context(), stored)
			if err != nil {
				t.Fatal(err)
			}
			stored.Version, stored.Files = version, map[string][]byte{"ca.key": []byte("k2")}
			if _, err := store.Save(t.Context(), stored); err != nil {
				t.Errorf("got %v for the version that Save returned", err)
			}
		})
	}
}

func TestSecretsForbidden(t *testing.T) {
	store, client := secretStore()
	client.PrependReactor("create", "secrets", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, apierrors.NewForbidden(secretsResource().GroupResource(), "", errors.New("rbac"))
	})
	_, err := rotator(store).Rotate(t.Context())
	if !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), `"aksess-webhook-ca"`) {
		t.Errorf("got %v, want forbidden and the Secret named", err)
	}
}

// TestServingSecret: replicas serve what the leader writes, as soon as it is
// there, and go on when it is taken away or spoilt.
func TestServingSecret(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, client := secretStore(emptySecrets()...)
		seen := inject.NewBell()
		served := &ServingSecret{KeyPair: &inject.KeyPair{Log: slog.New(slog.DiscardHandler)}, Secrets: store, Seen: seen.Ring}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			served.Run(ctx)
		}()
		<-seen
		if served.Ready() == nil || served.Bundle() != nil {
			t.Error("got ready before the leader has written")
		}
		leader := rotator(store)
		if _, err := leader.Rotate(ctx); err != nil {
			t.Fatal(err)
		}
		<-seen
		synctest.Wait()
		want, err := leader.GetCertificate(nil)
		if err != nil {
			t.Fatal(err)
		}
		check := func(when string) {
			t.Helper()
			got, err := served.GetCertificate(nil)
			if err != nil || !got.Leaf.Equal(want.Leaf) || !bytes.Equal(served.Bundle(), leader.Bundle()) {
				t.Errorf("%s: got %v, %v, want the leader's certificate", when, got, err)
			}
		}
		check("written")
		spoilt := get(t, client, store, store.Serving)
		setData(spoilt, map[string][]byte{"tls.crt": []byte("x"), "tls.key": []byte("y")})
		secrets := client.Resource(secretsResource()).Namespace(store.Namespace)
		if _, err := secrets.Update(ctx, spoilt, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
		<-seen
		check("spoilt")
		if err := secrets.Delete(ctx, store.Serving, metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		<-seen
		check("deleted")
		cancel()
		<-done
	})
}
