package sdk

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/resources/armresources"

	"github.com/aksess/aksess/test/sdk/deploy"
)

// manager is what the tests of Resource Manager's clients share: one local
// Azure, reached as `aksess run` has programs reach it, and its deployer.
type manager struct {
	*azure
	credential azcore.TokenCredential
	options    *arm.ClientOptions
}

// TestResourceManager makes, reads, lists, changes and deletes resources with
// each client of Resource Manager, side by side, each in a group of its own.
func TestResourceManager(t *testing.T) {
	m := startManager(t)
	for _, client := range []struct {
		name string
		test func(*testing.T, *manager)
	}{
		{"armresources", testResources},
		{"armsubscriptions", testSubscriptions},
		{"armauthorization", testAuthorization},
		{"armauthorization-groups", testGroupRoles},
		{"armmsi", testManagedIdentity},
		{"armkeyvault", testVaults},
		{"armappconfiguration", testConfigurationStores},
		{"armstorage", testStorageAccounts},
		{"armcontainerservice", testClusters},
		{"armnetwork", testNetworks},
	} {
		t.Run(client.name, func(t *testing.T) {
			t.Parallel()
			client.test(t, m)
		})
	}
}

func startManager(t *testing.T) *manager {
	t.Helper()
	a := start(t, "--ephemeral")
	proxy, err := url.Parse(a.ProxyURL)
	if err != nil {
		t.Fatal(err)
	}
	authority, err := os.ReadFile(a.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(authority) {
		t.Fatalf("%s has no certificate", a.CAFile)
	}
	options := azcore.ClientOptions{Transport: &http.Client{Transport: &http.Transport{
		Proxy: http.ProxyURL(proxy), TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true,
	}}}
	credential, err := azidentity.NewClientSecretCredential(a.TenantID, a.Deployer.ClientID, a.Deployer.ClientSecret, &azidentity.ClientSecretCredentialOptions{ClientOptions: options})
	if err != nil {
		t.Fatal(err)
	}
	return &manager{azure: a, credential: credential, options: &arm.ClientOptions{ClientOptions: options}}
}

// group makes a resource group and returns its name.
func (m *manager) group(t *testing.T, name string) string {
	t.Helper()
	client := must(armresources.NewResourceGroupsClient(m.SubscriptionID, m.credential, m.options))(t)
	must(client.CreateOrUpdate(t.Context(), name, armresources.ResourceGroup{Location: to.Ptr(deploy.Location)}, nil))(t)
	return name
}

// scope is the id of a group.
func (m *manager) scope(group string) string {
	return "/subscriptions/" + m.SubscriptionID + "/resourceGroups/" + group
}

// must takes a call's results; the test ends when it failed.
func must[T any](value T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

// done polls an operation to its end. Answers say how long to wait; a second is
// the least that the SDK takes where they do not.
func done[T any](poller *runtime.Poller[T], err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		result, err := poller.PollUntilDone(ctx, &runtime.PollUntilDoneOptions{Frequency: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		return result
	}
}

// every reads all pages and returns what they hold and how many they were.
func every[P, V any](t testing.TB, pager *runtime.Pager[P], values func(P) []*V) (all []*V, pages int) {
	t.Helper()
	for pager.More() {
		page, err := pager.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, values(page)...)
		if pages++; pages > 1000 {
			t.Fatal("the list has no end")
		}
	}
	return all, pages
}

// has reports how many of the values satisfy a condition.
func has[V any](values []*V, is func(*V) bool) int {
	n := 0
	for _, v := range values {
		if is(v) {
			n++
		}
	}
	return n
}

// refused wants an error of that status and code, as the SDK reads them.
func refused[T any](_ T, err error) func(t testing.TB, status int, code string) {
	return func(t testing.TB, status int, code string) {
		t.Helper()
		var response *azcore.ResponseError
		if !errors.As(err, &response) || response.StatusCode != status || response.ErrorCode != code {
			t.Errorf("got %v, want %d %s", err, status, code)
		}
	}
}

// same compares what was written with what is read.
func same[T comparable](t testing.TB, what string, got *T, want T) {
	t.Helper()
	if got == nil {
		t.Errorf("%s: got nothing, want %v", what, want)
	} else if *got != want {
		t.Errorf("%s: got %v, want %v", what, *got, want)
	}
}

// id compares resource ids, which have no case.
func id(t testing.TB, got *string, want string) {
	t.Helper()
	if got == nil || !strings.EqualFold(*got, want) {
		t.Errorf("id: got %v, want %s", got, want)
	}
}

func tags(values ...string) map[string]*string {
	m := map[string]*string{}
	for i := 0; i+1 < len(values); i += 2 {
		m[values[i]] = to.Ptr(values[i+1])
	}
	return m
}
