package directory

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aksess/aksess/internal/chain"
	"github.com/aksess/aksess/internal/federation"
	"github.com/aksess/aksess/internal/store"
)

func credential(name, namespace string) FederatedCredential {
	return FederatedCredential{
		Name:      name,
		Issuer:    "https://westeurope.oic.prod-aks.azure.com/" + tenantID + "/guid/",
		Subject:   chain.Subject(namespace, "wi-demo-sa"),
		Audiences: []string{chain.TokenAudience},
	}
}

func TestPutCredential(t *testing.T) {
	d, _, c := start(t)
	ctx := t.Context()
	p := identity(t, d)
	made, created, err := d.PutCredential(ctx, p.ObjectID, credential("aks", "default"), store.Always())
	if err != nil || !created || !chain.IsGUID(made.ID) || !made.Created.Equal(c.Now()) || !made.Updated.Equal(c.Now()) {
		t.Fatalf("got %+v, created %v, %v", made, created, err)
	}
	read, err := d.Credential(ctx, p.ObjectID, "AKS")
	if err != nil || read.ID != made.ID || read.Issuer != made.Issuer {
		t.Errorf("got %+v, %v, want %+v", read, err, made)
	}

	c.move(time.Minute)
	described := credential("AKS", "default")
	described.Description = "the cluster"
	got, created, err := d.PutCredential(ctx, p.ObjectID, described, store.Present())
	if err != nil || created || got.ID != made.ID || got.Name != "aks" || !got.Created.Equal(made.Created) || !got.Updated.Equal(made.Updated) || got.Description != "the cluster" {
		t.Errorf("described: got %+v, created %v, %v", got, created, err)
	}
	got, _, err = d.PutCredential(ctx, p.ObjectID, credential("aks", "widemo"), store.Always())
	if err != nil || got.ID != made.ID || !got.Created.Equal(made.Created) || !got.Updated.Equal(c.Now()) {
		t.Errorf("changed: got %+v, %v, want it updated now", got, err)
	}
	if _, _, err := d.PutCredential(ctx, p.ObjectID, credential("Aks", "other"), store.Absent()); !errors.Is(err, ErrCredentialExists) {
		t.Errorf("got %v, want ErrCredentialExists", err)
	}
	if _, _, err := d.PutCredential(ctx, p.ObjectID, credential("new", "other"), store.Present()); !errors.Is(err, ErrCredentialNotFound) {
		t.Errorf("got %v, want ErrCredentialNotFound", err)
	}
	if _, _, err := d.PutCredential(ctx, "nobody", credential("new", "other"), store.Always()); !errors.Is(err, ErrPrincipalNotFound) {
		t.Errorf("got %v, want ErrPrincipalNotFound", err)
	}
}

func TestPutCredentialKeepsTheRules(t *testing.T) {
	d, _, _ := start(t)
	ctx := t.Context()
	p := identity(t, d)
	put := func(c FederatedCredential) error {
		_, _, err := d.PutCredential(ctx, p.ObjectID, c, store.Always())
		return err
	}
	for i := range chain.MaxFederatedCredentials {
		if err := put(credential(fmt.Sprintf("fic-%02d", i), fmt.Sprintf("ns%d", i))); err != nil {
			t.Fatalf("credential %d: %v", i, err)
		}
	}
	two := credential("fic-00", "ns0")
	two.Audiences = append(two.Audiences, "other")
	tests := map[string]struct {
		credential FederatedCredential
		rule       error
	}{
		"twenty_first":  {credential("fic-20", "ns20"), federation.ErrTooMany},
		"not_unique":    {credential("fic-01", "ns0"), federation.ErrNotUnique},
		"two_audiences": {two, federation.ErrAudiences},
		"no_properties": {FederatedCredential{Name: "fic-00"}, federation.ErrProperties},
	}
	for name, test := range tests {
		if err := put(test.credential); !errors.Is(err, test.rule) {
			t.Errorf("%s: got %v, want %v", name, err, test.rule)
		}
	}
	if err := put(credential("fic-07", "elsewhere")); err != nil {
		t.Errorf("replacing one of twenty: got %v", err)
	}
	all, err := d.Credentials(ctx, p.ObjectID)
	if err != nil || len(all) != chain.MaxFederatedCredentials {
		t.Fatalf("got %d credentials, %v", len(all), err)
	}
	for i, c := range all {
		if c.Name != fmt.Sprintf("fic-%02d", i) {
			t.Errorf("got %q at place %d", c.Name, i)
		}
	}
}

func TestDeleteCredential(t *testing.T) {
	d, _, _ := start(t)
	ctx := t.Context()
	p := identity(t, d)
	if _, _, err := d.PutCredential(ctx, p.ObjectID, credential("aks", "default"), store.Always()); err != nil {
		t.Fatal(err)
	}
	if err := d.DeleteCredential(ctx, p.ObjectID, "AKS"); err != nil {
		t.Fatal(err)
	}
	if err := d.DeleteCredential(ctx, p.ObjectID, "aks"); !errors.Is(err, ErrCredentialNotFound) {
		t.Errorf("got %v, want ErrCredentialNotFound", err)
	}
	if _, err := d.Credential(ctx, p.ObjectID, "aks"); !errors.Is(err, ErrCredentialNotFound) {
		t.Errorf("got %v, want ErrCredentialNotFound", err)
	}
	for name, err := range map[string]error{
		"delete": d.DeleteCredential(ctx, "nobody", "aks"),
		"read":   func() error { _, err := d.Credential(ctx, "nobody", "aks"); return err }(),
		"list":   func() error { _, err := d.Credentials(ctx, "nobody"); return err }(),
	} {
		if !errors.Is(err, ErrPrincipalNotFound) {
			t.Errorf("%s: got %v, want ErrPrincipalNotFound", name, err)
		}
	}
}

// gated holds each write of a principal until the test lets it go on.
type gated struct {
	store.Store
	arrived, release chan struct{}
}

func (g *gated) Apply(ctx context.Context, ops ...store.Op) ([]int64, error) {
	if ops[0].Kind == "directory.principal" && !ops[0].Delete {
		g.arrived <- struct{}{}
		<-g.release
	}
	return g.Store.Apply(ctx, ops...)
}

func TestOverlappingWritesOfOneProcess(t *testing.T) {
	d, s, _ := start(t)
	ctx := t.Context()
	p := identity(t, d)
	other, err := d.CreateManagedIdentity(ctx, tenantID, resourceID+"2", "other")
	if err != nil {
		t.Fatal(err)
	}
	gate := &gated{Store: s, arrived: make(chan struct{}), release: make(chan struct{})}
	slow := New(gate, Options{})
	done := make(chan error)
	put := func(id, name string) {
		_, _, err := slow.PutCredential(ctx, id, credential(name, name), store.Always())
		done <- err
	}
	go put(p.ObjectID, "first")
	<-gate.arrived
	_, _, err = slow.PutCredential(ctx, p.ObjectID, credential("second", "second"), store.Always())
	checkConcurrent(t, err, resourceID)
	checkConcurrent(t, slow.DeleteCredential(ctx, strings.ToUpper(p.ObjectID), "first"), resourceID)
	go put(other.ObjectID, "first") // another identity is not in the way
	<-gate.arrived
	close(gate.release)
	for range 2 {
		if err := <-done; err != nil {
			t.Errorf("got %v", err)
		}
	}
	go func() { <-gate.arrived }()
	if _, _, err := slow.PutCredential(ctx, p.ObjectID, credential("second", "second"), store.Always()); err != nil {
		t.Errorf("afterwards: got %v", err)
	}
}

func checkConcurrent(t *testing.T, err error, name string) {
	t.Helper()
	if !errors.Is(err, ErrConcurrentWrites) || !strings.Contains(err.Error(), name) || ErrConcurrentWrites.Status != http.StatusConflict {
		t.Errorf("got %v, want ErrConcurrentWrites naming %s", err, name)
	}
}

// Two directories on one store are two replicas: no mark is shared.
func TestOverlappingWritesOfTwoReplicas(t *testing.T) {
	d, s, _ := start(t)
	ctx := t.Context()
	p := application(t, d)
	gate := &gated{Store: s, arrived: make(chan struct{}), release: make(chan struct{})}
	slow := New(gate, Options{})
	done := make(chan error)
	put := func(name string) {
		go func() {
			_, _, err := slow.PutCredential(ctx, p.ObjectID, credential(name, name), store.Always())
			done <- err
		}()
		<-gate.arrived
	}

	put("first")
	if _, _, err := d.PutCredential(ctx, p.ObjectID, credential("second", "second"), store.Always()); err != nil {
		t.Fatal(err)
	}
	gate.release <- struct{}{}
	checkConcurrent(t, <-done, p.ObjectID)

	// A secret written in between is no reason to refuse.
	put("third")
	if _, err := d.AddSecret(ctx, p.ObjectID, "s", time.Time{}); err != nil {
		t.Fatal(err)
	}
	gate.release <- struct{}{}
	<-gate.arrived
	gate.release <- struct{}{}
	if err := <-done; err != nil {
		t.Errorf("got %v", err)
	}

	// Nor does a deleted principal come back.
	put("fourth")
	if err := d.DeletePrincipal(ctx, p.ObjectID); err != nil {
		t.Fatal(err)
	}
	gate.release <- struct{}{}
	if err := <-done; !errors.Is(err, ErrPrincipalNotFound) {
		t.Errorf("got %v, want ErrPrincipalNotFound", err)
	}
}

func TestManyWritersLoseNoAcknowledgedCredential(t *testing.T) {
	d, _, _ := start(t)
	ctx := t.Context()
	p := identity(t, d)
	var wait sync.WaitGroup
	var mu sync.Mutex
	acknowledged := map[string]bool{}
	for i := range chain.MaxFederatedCredentials {
		wait.Go(func() {
			name := fmt.Sprintf("fic-%02d", i)
			_, _, err := d.PutCredential(ctx, p.ObjectID, credential(name, name), store.Always())
			switch {
			case err == nil:
				mu.Lock()
				acknowledged[name] = true
				mu.Unlock()
			case !errors.Is(err, ErrConcurrentWrites):
				t.Errorf("got %v, want ErrConcurrentWrites", err)
			}
		})
	}
	wait.Wait()
	all, err := d.Credentials(ctx, p.ObjectID)
	if err != nil || len(all) != len(acknowledged) || len(all) == 0 {
		t.Fatalf("got %d credentials, %v, want %d", len(all), err, len(acknowledged))
	}
	for _, c := range all {
		if !acknowledged[c.Name] {
			t.Errorf("%s was refused and is there", c.Name)
		}
	}
}
