package storageaccount

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"time"

	"github.com/aksess/aksess/internal/arm"
	"github.com/aksess/aksess/internal/azapi"
	"github.com/aksess/aksess/internal/storage"
)

var accountName = regexp.MustCompile(`^[a-z0-9]{3,24}$`)

// provider is the resource provider.
type provider struct {
	resources *arm.Resources
	config    storage.Config
	blobs     *storage.Blobs
	queues    *storage.Queues
	services  *storage.Services
}

// Types are the resource types of Microsoft.Storage, for accounts among the
// resources with containers and queues kept by c.
func Types(resources *arm.Resources, c storage.Config) []*arm.Type {
	p := &provider{resources: resources, config: c, blobs: storage.NewBlobs(c), queues: storage.NewQueues(c), services: storage.NewServices(c)}
	return []*arm.Type{
		p.accountType(),
		p.serviceType("blob"),
		p.containerType(),
		p.serviceType("queue"),
		p.queueType(),
		p.serviceType("file"),
		p.serviceType("table"),
		lifecycleType(),
	}
}

func (p *provider) accountType() *arm.Type {
	t := &arm.Type{
		Name:         storage.TypeAccount,
		Global:       true,
		CreateStatus: http.StatusOK, // 201 is an error to Terraform's provider
		ValidName: func(name string) error {
			if !accountName.MatchString(name) {
				return badName.New(name)
			}
			return nil
		},
		NameTaken: func(name string) error { return nameTaken.New(name) },
		Put:       p.putAccount,
		Delete:    p.deleteAccount,
	}
	t.Actions = []arm.PostAction{
		{Name: "listKeys", Handle: listKeys},
		{Name: "regenerateKey", Handle: func(w http.ResponseWriter, r *azapi.Request, account *arm.Resource) error {
			return p.regenerateKey(t, w, r, account)
		}},
		{Name: "revokeUserDelegationKeys", Handle: func(w http.ResponseWriter, r *azapi.Request, account *arm.Resource) error {
			return p.revokeDelegation(t, w, r, account)
		}},
	}
	t.Operations = []azapi.Operation{{
		Name:    "CheckStorageAccountName",
		Method:  http.MethodPost,
		Pattern: "/subscriptions/{subscription}/providers/Microsoft.Storage/checkNameAvailability",
		Action:  azapi.Control("Microsoft.Storage/checknameavailability/read"),
		Scope:   func(r *azapi.Request) string { return "/subscriptions/" + r.Param("subscription") },
		Handle:  p.checkName,
	}}
	return t
}

// putAccount completes an account as Azure answers it
// (https://learn.microsoft.com/rest/api/storagerp/storage-accounts/create).
func (p *provider) putAccount(_ context.Context, c arm.Change) error {
	members := map[string]any{}
	if err := c.New.Decode(&members); err != nil {
		return badProperties.New("", "properties")
	}
	if err := check(c.New); err != nil {
		return err
	}
	sku, err := skuOf(c.New.SKU)
	if err != nil {
		return err
	}
	if c.New.SKU, err = json.Marshal(sku); err != nil {
		return err
	}
	if c.Old == nil {
		if c.New.Private, err = p.private(c); err != nil {
			return err
		}
		members["creationTime"] = stamp(c.Now)
		members["keyCreationTime"] = map[string]any{"key1": stamp(c.Now), "key2": stamp(c.Now)}
	}
	complete(members, c.New, sku.Name)
	return c.New.SetProperties(members)
}

// private is the state of a new account. Its tenant is that of whoever makes
// it: Resource Manager refuses callers of another tenant than the subscription's.
func (p *provider) private(c arm.Change) ([]byte, error) {
	own := storage.Private{UID: p.config.NewID(), TenantID: c.Request.Caller.TenantID}
	if err := p.renewDelegation(&own); err != nil {
		return nil, err
	}
	for _, name := range []string{"key1", "key2"} {
		key, err := p.config.NewKey(name)
		if err != nil {
			return nil, err
		}
		own.Keys = append(own.Keys, key)
	}
	return json.Marshal(own)
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.0000000Z") }

// deleteAccount removes the containers and queues with their account.
func (p *provider) deleteAccount(ctx context.Context, r *arm.Resource) error {
	account, err := accountOf(r)
	if err != nil {
		return err
	}
	if err := p.blobs.DeleteAll(ctx, account); err != nil {
		return fmt.Errorf("deleting the containers of account %q: %w", r.Name, err)
	}
	if err := p.queues.DeleteAll(ctx, account); err != nil {
		return fmt.Errorf("deleting the queues of account %q: %w", r.Name, err)
	}
	if err := p.services.DeleteAll(ctx, account); err != nil {
		return fmt.Errorf("deleting the services of account %q: %w", r.Name, err)
	}
	return nil
}

func accountOf(r *arm.Resource) (*storage.Account, error) {
	base := storage.Account{ID: r.ID, Name: r.Name, Location: r.Location}
	return storage.DecodeAccount(base, r.Properties, r.Private)
}

// checkName: https://learn.microsoft.com/rest/api/storagerp/storage-accounts/check-name-availability
func (p *provider) checkName(w http.ResponseWriter, r *azapi.Request) error {
	var body struct {
		Name string `json:"name"`
		Type string `json:"type"`
	}
	if err := arm.DecodeBody(r, &body); err != nil {
		return err
	}
	answer := map[string]any{"nameAvailable": true}
	if !accountName.MatchString(body.Name) {
		answer = map[string]any{"nameAvailable": false, "reason": "AccountNameInvalid", "message": badName.New(body.Name).Message}
	} else if _, err := p.resources.ByName(r.Context(), storage.TypeAccount, body.Name); err == nil {
		answer = map[string]any{"nameAvailable": false, "reason": "AlreadyExists", "message": nameTaken.New(body.Name).Message}
	} else if !isNotFound(err) {
		return err
	}
	return azapi.WriteJSON(w, http.StatusOK, answer)
}
