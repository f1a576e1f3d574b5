package azurerm4

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"

	"github.com/hashicorp/go-azure-sdk/sdk/auth"
	"github.com/jackofallops/giovanni/storage/2023-11-03/blob/accounts"
	"github.com/jackofallops/giovanni/storage/2023-11-03/blob/containers"
	"github.com/jackofallops/giovanni/storage/2023-11-03/queue/queues"
	"github.com/jackofallops/giovanni/storage/2023-11-03/table/tables"

	"github.com/aksess/aksess/test/sdk/check"
	"github.com/aksess/aksess/test/sdk/deploy"
)

const (
	accountName    = "azurerm4account"
	storageVersion = "2025-08-01"
)

func (s *script) accountID() string { return s.id("Microsoft.Storage/storageAccounts/" + accountName) }

// account is created and read; a PUT may be answered 200 and 202, not 201.
func (s *script) account(ctx context.Context) error {
	path := s.accountID()
	if err := s.absent(ctx, path, storageVersion); err != nil {
		return err
	}
	body := object{"location": deploy.Location, "kind": "StorageV2", "sku": object{"name": "Standard_LRS", "tier": "Standard"}, "tags": object{}, "properties": object{
		"accessTier": "Hot", "allowBlobPublicAccess": true, "allowSharedKeyAccess": true, "minimumTlsVersion": "TLS1_2", "publicNetworkAccess": "Enabled",
		"supportsHttpsTrafficOnly": true, "isHnsEnabled": false, "isNfsV3Enabled": false, "isSftpEnabled": false, "isLocalUserEnabled": true,
		"defaultToOAuthAuthentication": false, "allowCrossTenantReplication": false, "dnsEndpointType": "Standard",
		"encryption":  object{"keySource": "Microsoft.Storage", "services": object{"queue": object{"keyType": "Service"}, "table": object{"keyType": "Service"}}},
		"networkAcls": object{"bypass": "AzureServices", "defaultAction": "Allow", "ipRules": []object{}, "virtualNetworkRules": []object{}, "resourceAccessRules": []object{}},
	}}
	if _, err := s.send(ctx, http.MethodPut, path, storageVersion, body, 200, 202); err != nil {
		return err
	}
	read, err := s.settled(ctx, path, storageVersion)
	if err != nil {
		return err
	}
	for _, service := range []string{"blob", "queue", "file", "table", "dfs", "web"} {
		if read.text("properties.primaryEndpoints."+service) == "" {
			return fmt.Errorf("got the endpoints %v, want one for %s", read.at("properties.primaryEndpoints"), service)
		}
	}
	if err := check.Equal("endpoint", read.text("properties.primaryEndpoints.blob"), "https://"+accountName+".blob.core.windows.net/"); err != nil {
		return err
	}
	for _, service := range []string{"blobServices", "fileServices"} { // the latter is what it waits for the files by
		if _, err := s.send(ctx, http.MethodGet, path+"/"+service+"/default", storageVersion, nil, 200); err != nil {
			return err
		}
	}
	keys, err := s.send(ctx, http.MethodPost, path+"/listKeys?%24expand=kerb", storageVersion, nil, 200)
	if err != nil {
		return err
	}
	list, _ := keys.at("keys").([]any)
	for _, one := range list {
		key := answer{body: one.(object)}
		if s.key == "" && key.text("permissions") == "FULL" {
			s.key = key.text("value")
		}
	}
	if s.key == "" {
		return errors.New("got no key with the permissions FULL")
	}
	return s.find(ctx)
}

// find is how containers and queues by account name find their account: in the
// list of all of the subscription.
func (s *script) find(ctx context.Context) error {
	all, err := s.send(ctx, http.MethodGet, s.subscription+"/providers/Microsoft.Storage/storageAccounts", storageVersion, nil, 200)
	if err != nil {
		return err
	}
	list, _ := all.at("value").([]any)
	for _, one := range list {
		if (answer{body: one.(object)}).text("name") == accountName {
			return nil
		}
	}
	return fmt.Errorf("got %d accounts, want %s among them", len(list), accountName)
}

func endpoint(service string) string {
	return "https://" + accountName + "." + service + ".core.windows.net"
}

// planes are the provider's clients, signing with the account's key.
type planes struct {
	blobs      *accounts.Client
	containers *containers.Client
	queues     *queues.Client
	tables     *tables.Client
}

func signing(key string) (planes, error) {
	shared, err := auth.NewSharedKeyAuthorizer(accountName, key, auth.SharedKey)
	if err != nil {
		return planes{}, err
	}
	table, err := auth.NewSharedKeyAuthorizer(accountName, key, auth.SharedKeyTable)
	if err != nil {
		return planes{}, err
	}
	var p planes
	var errs [4]error
	p.blobs, errs[0] = accounts.NewWithBaseUri(endpoint("blob"))
	p.containers, errs[1] = containers.NewWithBaseUri(endpoint("blob"))
	p.queues, errs[2] = queues.NewWithBaseUri(endpoint("queue"))
	p.tables, errs[3] = tables.NewWithBaseUri(endpoint("table"))
	if err := errors.Join(errs[:]...); err != nil {
		return planes{}, err
	}
	p.blobs.Client.SetAuthorizer(shared)
	p.containers.Client.SetAuthorizer(shared)
	p.queues.Client.SetAuthorizer(shared)
	p.tables.Client.SetAuthorizer(table)
	return p, nil
}

// dataPlanes waits for them as the provider does for a new account.
func (s *script) dataPlanes(ctx context.Context) error {
	p, err := signing(s.key)
	if err != nil {
		return err
	}
	if _, err := p.blobs.GetServiceProperties(ctx, accountName); err != nil {
		return fmt.Errorf("blob: %w", err)
	}
	if _, err := p.queues.GetServiceProperties(ctx); err != nil {
		return fmt.Errorf("queue: %w", err)
	}
	if _, err := p.tables.GetServiceProperties(ctx); err != nil {
		return fmt.Errorf("table: %w", err)
	}
	found, err := p.tables.Query(ctx, tables.QueryInput{MetaDataLevel: tables.MinimalMetaData})
	if err != nil {
		return fmt.Errorf("tables: %w", err)
	}
	return check.Equal("tables of a new account", len(found.Tables), 0)
}

// serviceProperties are queue_properties and static_website, which are written
// on the account and read at every refresh.
func (s *script) serviceProperties(ctx context.Context) error {
	p, err := signing(s.key)
	if err != nil {
		return err
	}
	fresh, err := p.queues.GetServiceProperties(ctx)
	if err != nil {
		return err
	}
	if fresh.Logging == nil || fresh.HourMetrics == nil || fresh.HourMetrics.Version != "1.0" {
		return fmt.Errorf("properties of new queues: got %+v, want logging and metrics", fresh.StorageServiceProperties)
	}
	off := queues.MetricsConfig{Version: "1.0"}
	want := queues.StorageServiceProperties{
		Cors: &queues.Cors{CorsRule: []queues.CorsRule{{
			AllowedOrigins: "https://www.example.com", AllowedMethods: "GET,POST", AllowedHeaders: "x-tempo-*", ExposedHeaders: "x-tempo-*", MaxAgeInSeconds: 500,
		}}},
		Logging:     &queues.LoggingConfig{Version: "1.0", Delete: true, Read: true, Write: true, RetentionPolicy: queues.RetentionPolicy{Enabled: true, Days: 7}},
		HourMetrics: &off, MinuteMetrics: &off,
	}
	if _, err := p.queues.SetServiceProperties(ctx, queues.SetStorageServicePropertiesInput{Properties: want}); err != nil {
		return err
	}
	got, err := p.queues.GetServiceProperties(ctx)
	if err != nil {
		return err
	}
	if got.Logging == nil || *got.Logging != *want.Logging || got.Cors == nil || len(got.Cors.CorsRule) != 1 || got.Cors.CorsRule[0] != want.Cors.CorsRule[0] {
		return fmt.Errorf("properties of queues: got %+v %+v, want %+v %+v", got.Logging, got.Cors, want.Logging, want.Cors)
	}
	site := &accounts.StaticWebsite{Enabled: true, IndexDocument: "index.html", ErrorDocument404Path: "404.html"}
	for _, site := range []*accounts.StaticWebsite{site, {Enabled: false}} {
		if _, err := p.blobs.SetServiceProperties(ctx, accountName, accounts.StorageServiceProperties{StaticWebsite: site}); err != nil {
			return err
		}
		read, err := p.blobs.GetServiceProperties(ctx, accountName)
		if err != nil {
			return err
		}
		if read.StaticWebsite == nil || *read.StaticWebsite != *site {
			return fmt.Errorf("static website: got %+v, want %+v", read.StaticWebsite, site)
		}
	}
	return nil
}

// container is azurerm_storage_container with storage_account_name.
func (s *script) container(ctx context.Context) error {
	p, err := signing(s.key)
	if err != nil {
		return err
	}
	const name = "azurerm4container"
	if got, err := p.containers.GetProperties(ctx, name, containers.GetPropertiesInput{}); err == nil || got.HttpResponse == nil || got.HttpResponse.StatusCode != http.StatusNotFound {
		return fmt.Errorf("before it is there: got %v, want 404", err)
	}
	metadata := map[string]string{"k1": "v1", "k2": "v2"}
	if _, err := p.containers.Create(ctx, name, containers.CreateInput{AccessLevel: containers.Private, MetaData: metadata}); err != nil {
		return err
	}
	if err := s.containerIs(ctx, p, name, containers.Private, metadata); err != nil {
		return err
	}
	changed := map[string]string{"k3": "v3"}
	if _, err := p.containers.SetAccessControl(ctx, name, containers.SetAccessControlInput{AccessLevel: containers.Blob}); err != nil {
		return err
	}
	if _, err := p.containers.SetMetaData(ctx, name, containers.SetMetaDataInput{MetaData: changed}); err != nil {
		return err
	}
	if err := s.containerIs(ctx, p, name, containers.Blob, changed); err != nil {
		return err
	}
	listed, err := p.containers.ListBlobs(ctx, name, containers.ListBlobsInput{})
	if err != nil {
		return err
	}
	if err := check.Equal("blobs of a new container", len(listed.Blobs.Blobs), 0); err != nil {
		return err
	}
	if _, err := p.containers.Delete(ctx, name); err != nil {
		return err
	}
	got, err := p.containers.GetProperties(ctx, name, containers.GetPropertiesInput{})
	if err == nil || got.HttpResponse == nil || got.HttpResponse.StatusCode != http.StatusNotFound {
		return fmt.Errorf("once deleted: got %v, want 404", err)
	}
	return nil
}

func (s *script) containerIs(ctx context.Context, p planes, name string, level containers.AccessLevel, metadata map[string]string) error {
	got, err := p.containers.GetProperties(ctx, name, containers.GetPropertiesInput{})
	if err != nil {
		return err
	}
	if got.AccessLevel != level || !maps.Equal(got.MetaData, metadata) || got.EncryptionScopeOverrideDisabled || got.HasImmutabilityPolicy || got.HasLegalHold ||
		got.DefaultEncryptionScope != "$account-encryption-key" {
		return fmt.Errorf("got %+v, want access %q and metadata %v", got.ContainerProperties, level, metadata)
	}
	// The same container by Resource Manager, as with storage_account_id.
	read, err := s.send(ctx, http.MethodGet, s.accountID()+"/blobServices/default/containers/"+name, storageVersion, nil, 200)
	if err != nil {
		return err
	}
	want := map[containers.AccessLevel]string{containers.Private: "None", containers.Blob: "Blob"}[level]
	return check.Equal("publicAccess", read.text("properties.publicAccess"), want)
}

// queue is azurerm_storage_queue with storage_account_name.
func (s *script) queue(ctx context.Context) error {
	p, err := signing(s.key)
	if err != nil {
		return err
	}
	const name = "azurerm4-queue"
	absent := func() error {
		if got, err := p.queues.GetMetaData(ctx, name); err == nil || got.HttpResponse == nil || got.HttpResponse.StatusCode != http.StatusNotFound {
			return fmt.Errorf("a queue that is not there: got %v, want 404", err)
		}
		return nil
	}
	if err := absent(); err != nil {
		return err
	}
	if _, err := p.queues.Create(ctx, name, queues.CreateInput{MetaData: map[string]string{"k1": "v1"}}); err != nil {
		return err
	}
	if _, err := p.queues.SetMetaData(ctx, name, queues.SetMetaDataInput{MetaData: map[string]string{"k2": "v2"}}); err != nil {
		return err
	}
	got, err := p.queues.GetMetaData(ctx, name)
	if err != nil {
		return err
	}
	if !maps.Equal(got.MetaData, map[string]string{"k2": "v2"}) {
		return fmt.Errorf("got the metadata %v, want k2 alone", got.MetaData)
	}
	// With storage_account_id it is Resource Manager's: PUT 200, DELETE 204, nothing else.
	other := s.accountID() + "/queueServices/default/queues/other"
	if _, err := s.send(ctx, http.MethodPut, other, storageVersion, object{"properties": object{"metadata": object{}}}, 200); err != nil {
		return err
	}
	if _, err := s.send(ctx, http.MethodDelete, other, storageVersion, nil, 204); err != nil {
		return err
	}
	if _, err := p.queues.Delete(ctx, name); err != nil {
		return err
	}
	return absent()
}

// wrongKey: the planes take the account's keys only.
func (s *script) wrongKey(ctx context.Context) error {
	p, err := signing("bm90IHRoZSBrZXkgb2YgdGhpcyBhY2NvdW50")
	if err != nil {
		return err
	}
	blob, _ := p.blobs.GetServiceProperties(ctx, accountName)
	queue, _ := p.queues.GetServiceProperties(ctx)
	table, _ := p.tables.GetServiceProperties(ctx)
	for name, response := range map[string]*http.Response{"blob": blob.HttpResponse, "queue": queue.HttpResponse, "table": table.HttpResponse} {
		if response == nil || response.StatusCode != http.StatusForbidden {
			return fmt.Errorf("%s: got %v, want 403", name, response)
		}
	}
	return nil
}

func (s *script) accountDelete(ctx context.Context) error {
	if _, err := s.send(ctx, http.MethodDelete, s.accountID(), storageVersion, nil, 200, 204); err != nil {
		return err
	}
	return s.gone(ctx, s.accountID(), storageVersion)
}
