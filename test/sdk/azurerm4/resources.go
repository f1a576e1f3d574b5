package azurerm4

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/aksess/aksess/test/sdk/check"
	"github.com/aksess/aksess/test/sdk/deploy"
)

// locations is how the provider learns what locations there are: without a
// token, with two slashes, from the entry of the endpoint that it asked.
func (s *script) locations(ctx context.Context) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, manager+"//metadata/endpoints?api-version=2018-01-01", nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	var metadata struct {
		CloudEndpoint map[string]struct {
			Endpoint  string
			Locations []string
		}
	}
	if err := json.NewDecoder(response.Body).Decode(&metadata); err != nil {
		return err
	}
	for _, cloud := range metadata.CloudEndpoint {
		if strings.EqualFold("https://"+cloud.Endpoint, manager) && slices.Contains(cloud.Locations, deploy.Location) {
			return nil
		}
	}
	return fmt.Errorf("got %v, want %s among the locations of this endpoint", metadata.CloudEndpoint, deploy.Location)
}

// legacy are the namespaces that the provider sees to that they are registered,
// unless it is told otherwise.
const legacy = `AVS ApiManagement AppConfiguration AppPlatform Authorization Automation Blueprint BotService Cache Cdn CognitiveServices Compute
	ContainerInstance ContainerRegistry ContainerService CostManagement CustomProviders DBforMariaDB DBforMySQL DBforPostgreSQL DataFactory
	DataLakeAnalytics DataLakeStore DataMigration DataProtection Databricks DesktopVirtualization DevTestLab Devices DocumentDB EventGrid EventHub
	GuestConfiguration HDInsight HealthcareApis KeyVault Kusto Logic MachineLearningServices Maintenance ManagedIdentity ManagedServices Management
	Maps MarketplaceOrdering MixedReality Network NotificationHubs OperationalInsights OperationsManagement PolicyInsights PowerBIDedicated
	RecoveryServices Relay Resources Search Security SecurityInsights ServiceBus ServiceFabric SignalRService Sql Storage StreamAnalytics Web`

// registrations: what is listed with another state than Registered would be
// registered and waited for; what is not listed is left alone. Names compare
// with their case.
func (s *script) registrations(ctx context.Context) error {
	states := map[string]string{}
	for path := s.subscription + "/providers?api-version=2022-09-01"; path != ""; {
		page, err := s.send(ctx, http.MethodGet, path, "", nil, http.StatusOK)
		if err != nil {
			return err
		}
		list, ok := page.at("value").([]any)
		if !ok {
			return fmt.Errorf("got %v, want a list of providers", page.body)
		}
		for _, one := range list {
			provider := answer{body: one.(object)}
			states[provider.text("namespace")] = provider.text("registrationState")
		}
		path = strings.TrimPrefix(page.text("nextLink"), manager)
	}
	var waits []error
	for _, name := range append(strings.Fields(legacy), "Insights") {
		namespace := "Microsoft." + name
		if name == "Insights" {
			namespace = "microsoft.insights"
		}
		if state, listed := states[namespace]; listed && state != "Registered" {
			waits = append(waits, fmt.Errorf("%s is %s: the provider would register it and wait", namespace, state))
		}
	}
	for _, name := range []string{"AppConfiguration", "ContainerService", "KeyVault", "ManagedIdentity", "Network", "OperationalInsights", "Resources", "Storage"} {
		if states["Microsoft."+name] != "Registered" {
			waits = append(waits, fmt.Errorf("namespace Microsoft.%s: got state %q, want Registered", name, states["Microsoft."+name]))
		}
	}
	return errors.Join(waits...)
}

func (s *script) group(ctx context.Context) error {
	const version = "2023-07-01"
	path := s.subscription + "/resourceGroups/" + group
	if err := s.absent(ctx, path, version); err != nil {
		return err
	}
	if _, err := s.send(ctx, http.MethodPut, path, version, object{"location": deploy.Location, "tags": object{}}, 200, 201); err != nil {
		return err
	}
	_, err := s.settled(ctx, path, version)
	return err
}

// groupDelete begins, as the provider does, with the list of what is left.
func (s *script) groupDelete(ctx context.Context) error {
	path := s.subscription + "/resourceGroups/" + group
	left, err := s.send(ctx, http.MethodGet, path+"/resources?%24expand=provisioningState&%24top=10", "2023-07-01", nil, 200)
	if err != nil {
		return err
	}
	if list, ok := left.at("value").([]any); !ok || len(list) > 0 {
		return fmt.Errorf("got %v, want an empty list", left.body)
	}
	if _, err := s.send(ctx, http.MethodDelete, path, "2023-07-01", nil, 200, 202); err != nil {
		return err
	}
	return s.gone(ctx, path, "2023-07-01")
}

// federatedCredential is one with parent_id and resource_group_name, arguments
// that azurerm 5 has no more: what is sent is the same.
func (s *script) federatedCredential(ctx context.Context) error {
	const version = "2024-11-30"
	identity := s.id("Microsoft.ManagedIdentity/userAssignedIdentities/azurerm4")
	if _, err := s.send(ctx, http.MethodPut, identity, version, object{"location": deploy.Location, "tags": object{}}, 200, 201); err != nil {
		return err
	}
	path := identity + "/federatedIdentityCredentials/azurerm4"
	if err := s.absent(ctx, path, version); err != nil {
		return err
	}
	const issuer = "https://issuer.example/tenant/"
	properties := object{"issuer": issuer, "subject": "system:serviceaccount:ci:terraform", "audiences": []string{"api://AzureADTokenExchange"}}
	if _, err := s.send(ctx, http.MethodPut, path, version, object{"properties": properties}, 200, 201); err != nil {
		return err
	}
	read, err := s.settled(ctx, path, version)
	if err != nil {
		return err
	}
	if err := check.Equal("issuer", read.text("properties.issuer"), issuer); err != nil {
		return err
	}
	for _, one := range []string{path, identity} {
		if _, err := s.send(ctx, http.MethodDelete, one, version, nil, 200, 204); err != nil {
			return err
		}
	}
	return nil
}

// workspace is a log analytics workspace, which azurerm 4 writes with another
// api-version and asks for the keys and deletes with an older one still.
func (s *script) workspace(ctx context.Context) error {
	const version, older = "2023-09-01", "2020-08-01"
	path := s.id("Microsoft.OperationalInsights/workspaces/azurerm4")
	if err := s.absent(ctx, path, version); err != nil {
		return err
	}
	deleted, err := s.send(ctx, http.MethodGet, s.subscription+"/providers/Microsoft.OperationalInsights/deletedWorkspaces", version, nil, 200)
	if err != nil {
		return err
	}
	if _, ok := deleted.at("value").([]any); !ok {
		return fmt.Errorf("got %v, want a list of deleted workspaces", deleted.body)
	}
	body := object{"location": deploy.Location, "name": "azurerm4", "tags": object{}, "properties": object{
		"sku": object{"name": "PerGB2018"}, "retentionInDays": 30, "publicNetworkAccessForIngestion": "Enabled", "publicNetworkAccessForQuery": "Enabled",
		"features": object{"enableLogAccessUsingOnlyResourcePermissions": true, "disableLocalAuth": false}, "workspaceCapping": object{"dailyQuotaGb": -1},
	}}
	for range 2 { // the second time for what Azure ignores the first
		if _, err := s.send(ctx, http.MethodPut, path, version, body, 200, 201, 202); err != nil {
			return err
		}
	}
	read, err := s.settled(ctx, path, version)
	if err != nil {
		return err
	}
	if read.at("properties.features.enableLogAccessUsingOnlyResourcePermissions") != true || read.text("properties.customerId") == "" {
		return fmt.Errorf("got %v, want the permission and a customerId", read.body)
	}
	keys, err := s.send(ctx, http.MethodPost, path+"/sharedKeys", older, nil, 200)
	if err != nil {
		return err
	}
	if keys.text("primarySharedKey") == "" {
		return fmt.Errorf("got no primary key")
	}
	if _, err := s.send(ctx, http.MethodDelete, path+"?force=false", older, nil, 200, 202, 204); err != nil {
		return err
	}
	return s.gone(ctx, path, older)
}

// vaultPurge is a long-running operation that is told by a header alone.
func (s *script) vaultPurge(ctx context.Context) error {
	const version = "2023-07-01"
	path := s.id("Microsoft.KeyVault/vaults/azurerm4vault")
	if err := s.absent(ctx, path, version); err != nil {
		return err
	}
	deleted := s.subscription + "/providers/Microsoft.KeyVault/locations/" + deploy.Location + "/deletedVaults/azurerm4vault"
	if err := s.absent(ctx, deleted, version); err != nil {
		return err
	}
	body := object{"location": deploy.Location, "properties": object{
		"tenantId": s.tenant, "sku": object{"family": "A", "name": "standard"}, "accessPolicies": []object{}, "enableSoftDelete": true,
		"createMode": "default", "publicNetworkAccess": "Disabled",
	}}
	if _, err := s.send(ctx, http.MethodPut, path, version, body, 200, 201); err != nil {
		return err
	}
	if _, err := s.settled(ctx, path, version); err != nil {
		return err
	}
	if _, err := s.send(ctx, http.MethodDelete, path, version, nil, 200, 204); err != nil {
		return err
	}
	begun, err := s.send(ctx, http.MethodPost, deleted+"/purge", version, nil, 202)
	if err != nil {
		return err
	}
	if err := check.Equal("Retry-After", begun.header.Get("Retry-After"), "0"); err != nil {
		return err
	}
	if err := s.await(ctx, begun); err != nil {
		return err
	}
	return s.absent(ctx, deleted, version)
}

// cluster is the one resource whose PUT begins an operation that is followed by
// its header, and whose DELETE may not be 200.
func (s *script) cluster(ctx context.Context) error {
	const version = "2025-10-01"
	path := s.id("Microsoft.ContainerService/managedClusters/azurerm4")
	if err := s.absent(ctx, path, version); err != nil {
		return err
	}
	begun, err := s.send(ctx, http.MethodPut, path, version, object{
		"location": deploy.Location, "identity": object{"type": "SystemAssigned"}, "sku": object{"name": "Base", "tier": "Free"},
		"properties": object{"dnsPrefix": "azurerm4", "agentPoolProfiles": []object{{"name": "default", "mode": "System", "type": "VirtualMachineScaleSets",
			"osType": "Linux", "vmSize": "Standard_D2s_v5", "count": 1}}},
	}, 200, 201)
	if err != nil {
		return err
	}
	if begun.header.Get("Azure-AsyncOperation") != "" || begun.header.Get("Location") != "" {
		if err := s.await(ctx, begun); err != nil {
			return err
		}
	}
	if _, err := s.settled(ctx, path, version); err != nil {
		return err
	}
	if _, err := s.send(ctx, http.MethodDelete, path, version, nil, 202, 204); err != nil {
		return err
	}
	return s.gone(ctx, path, version)
}
