// Package azurerm4 sends what the last azurerm 4 (4.81) sends and azurerm 5,
// which the tests of Terraform run, does not: its start, its storage accounts
// with their data planes, containers and queues by the name of the account, and
// the older api-versions. Each answer is held to the statuses that the provider
// takes: another one, even another 2xx, is an error to it.
//
// The provider itself is no Go module of that version. Its storage client is,
// and is used as it is; the requests to Resource Manager are written out here
// (https://github.com/hashicorp/terraform-provider-azurerm, v4.81.0).
package azurerm4

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/aksess/aksess/test/sdk/check"
	"github.com/aksess/aksess/test/sdk/deploy"
)

const (
	manager = "https://management.azure.com"
	group   = "azurerm4"
)

// Run sends everything as the deployer and reports each part.
func Run(ctx context.Context, as deploy.Deployer, out io.Writer) error {
	report := &check.Report{Out: out}
	credential, err := azidentity.NewClientSecretCredential(as.TenantID, as.ClientID, as.ClientSecret, nil)
	if err != nil {
		return err
	}
	client, err := arm.NewClient("aksess/azurerm4", "v4.81.0", credential, nil)
	if err != nil {
		return err
	}
	s := &script{pipeline: client.Pipeline(), tenant: as.TenantID, subscription: "/subscriptions/" + as.SubscriptionID}
	for _, part := range []struct {
		name string
		send func(context.Context) error
	}{
		{"locations", s.locations},
		{"registrations", s.registrations},
		{"group", s.group},
		{"federated-credential", s.federatedCredential},
		{"workspace", s.workspace},
		{"vault-purge", s.vaultPurge},
		{"cluster", s.cluster},
		{"account", s.account},
		{"account-data-planes", s.dataPlanes},
		{"account-properties", s.serviceProperties},
		{"container", s.container},
		{"queue", s.queue},
		{"wrong-key", s.wrongKey},
		{"account-delete", s.accountDelete},
		{"group-delete", s.groupDelete},
	} {
		report.Do(ctx, "azurerm4/"+part.name, part.send)
	}
	if report.Failed > 0 {
		return fmt.Errorf("%d checks failed", report.Failed)
	}
	return nil
}

type script struct {
	pipeline             runtime.Pipeline
	tenant, subscription string

	key string // the account's first, once it is known
}

// object is a JSON object.
type object = map[string]any

type answer struct {
	status int
	header http.Header
	body   object
}

// at reads a member of a member.
func (a answer) at(path string) any {
	var value any = a.body
	for name := range strings.SplitSeq(path, ".") {
		o, _ := value.(object)
		value = o[name]
	}
	return value
}

func (a answer) text(path string) string {
	value, _ := a.at(path).(string)
	return value
}

// id is the path of something in the group.
func (s *script) id(path string) string {
	return s.subscription + "/resourceGroups/" + group + "/providers/" + path
}

// send asks Resource Manager. The status has to be one of the accepted.
func (s *script) send(ctx context.Context, method, path, version string, body any, accepted ...int) (answer, error) {
	separator := "?"
	if strings.Contains(path, "?") {
		separator = "&"
	}
	if version != "" {
		path += separator + "api-version=" + version
	}
	request, err := runtime.NewRequest(ctx, method, manager+path)
	if err != nil {
		return answer{}, err
	}
	request.Raw().Header.Set("Accept", "application/json; charset=utf-8; IEEE754Compatible=false")
	if body != nil {
		if err := runtime.MarshalAsJSON(request, body); err != nil {
			return answer{}, err
		}
	}
	response, err := s.pipeline.Do(request)
	if err != nil {
		return answer{}, fmt.Errorf("%s %s: %w", method, path, err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return answer{}, err
	}
	a := answer{status: response.StatusCode, header: response.Header}
	if !slices.Contains(accepted, a.status) {
		return a, fmt.Errorf("%s %s: got %d %s, want one of %v", method, path, a.status, text, accepted)
	}
	if len(text) == 0 {
		return a, nil
	}
	if kind := a.header.Get("Content-Type"); !strings.HasPrefix(kind, "application/json") {
		return a, fmt.Errorf("%s %s: got Content-Type %q, want JSON", method, path, kind)
	}
	return a, json.Unmarshal(text, &a.body)
}

// absent wants the 404 with which every create begins.
func (s *script) absent(ctx context.Context, path, version string) error {
	a, err := s.send(ctx, http.MethodGet, path, version, nil, http.StatusNotFound)
	if err == nil && (a.text("error.code") == "" || a.text("error.message") == "") {
		err = fmt.Errorf("GET %s: got %v, want an error with code and message", path, a.body)
	}
	return err
}

// settled reads a resource that was just written: it has to be there, complete.
func (s *script) settled(ctx context.Context, path, version string) (answer, error) {
	a, err := s.send(ctx, http.MethodGet, path, version, nil, http.StatusOK)
	if err == nil && a.at("properties.provisioningState") != nil {
		err = check.Equal("provisioningState of "+path, a.text("properties.provisioningState"), "Succeeded")
	}
	return a, err
}

// await follows the header of an operation as the provider's poller does: the
// path and the query on Resource Manager's own host, at once when Retry-After
// is 0, until the status is an end.
func (s *script) await(ctx context.Context, a answer) error {
	link := a.header.Get("Azure-AsyncOperation")
	if link == "" {
		link = a.header.Get("Location")
	}
	path, found := strings.CutPrefix(link, manager)
	if !found {
		return fmt.Errorf("got the link %q to the operation, want one on %s", link, manager)
	}
	for {
		wait, err := time.ParseDuration(a.header.Get("Retry-After") + "s")
		if err != nil {
			return fmt.Errorf("Retry-After: %w", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
		a, err = s.send(ctx, http.MethodGet, path, "", nil, http.StatusOK, http.StatusAccepted)
		if err != nil {
			return err
		}
		state := a.text("status")
		if state == "" {
			state = a.text("properties.provisioningState")
		}
		switch {
		case a.status == http.StatusOK && (state == "Succeeded" || a.header.Get("Content-Length") == "0"):
			return nil
		case state == "Failed" || state == "Canceled" || a.status == http.StatusOK && state == "":
			return fmt.Errorf("the operation ended with %d %v", a.status, a.body)
		}
	}
}

// gone wants a resource to end, as the provider waits for it after a DELETE.
func (s *script) gone(ctx context.Context, path, version string) error {
	for {
		a, err := s.send(ctx, http.MethodGet, path, version, nil, http.StatusOK, http.StatusNotFound)
		if err != nil || a.status == http.StatusNotFound {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}
