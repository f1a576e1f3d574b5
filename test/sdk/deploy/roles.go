package deploy

import (
	"context"
	"fmt"
	"net/http"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/data/azappconfig"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/authorization/armauthorization/v2"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azqueue"
	"github.com/google/uuid"

	"github.com/aksess/aksess/test/sdk/check"
)

// denied: who owns the subscription may do everything to resources and nothing
// to the data in them, until a role for the data says otherwise.
func (d *deployment) denied(ctx context.Context) error {
	blobs, err := azblob.NewClient("https://"+Account+".blob.core.windows.net/", d.credential, nil)
	if err != nil {
		return err
	}
	_, err = blobs.UploadBuffer(ctx, Container, "refused", []byte("x"), nil)
	if err := check.Refused(err, http.StatusForbidden, "AuthorizationPermissionMismatch"); err != nil {
		return fmt.Errorf("blob: %w", err)
	}
	queues, err := azqueue.NewServiceClient("https://"+Account+".queue.core.windows.net/", d.credential, nil)
	if err != nil {
		return err
	}
	_, err = queues.NewQueueClient(Queue).EnqueueMessage(ctx, "refused", nil)
	if err := check.Refused(err, http.StatusForbidden, "AuthorizationPermissionMismatch"); err != nil {
		return fmt.Errorf("message: %w", err)
	}
	settings, err := azappconfig.NewClient("https://"+Store+".azconfig.io", d.credential, nil)
	if err != nil {
		return err
	}
	_, err = settings.SetSetting(ctx, "refused", to.Ptr("x"), nil)
	if err := check.Refused(err, http.StatusForbidden, ""); err != nil {
		return fmt.Errorf("setting: %w", err)
	}
	return nil
}

// roles grants by the names of the roles, as people do, on the resources themselves.
func (d *deployment) roles(ctx context.Context) error {
	group := "/subscriptions/" + d.SubscriptionID + "/resourceGroups/" + Group + "/providers/"
	store := group + "Microsoft.AppConfiguration/configurationStores/" + Store
	account := group + "Microsoft.Storage/storageAccounts/" + Account
	for _, grant := range []struct{ scope, role, principal string }{
		{store, "App Configuration Data Reader", d.made.PrincipalID},
		{store, "App Configuration Data Owner", d.objectID},
		{account, "Storage Blob Data Contributor", d.made.PrincipalID},
		{account, "Storage Queue Data Contributor", d.made.PrincipalID},
		{account, "Storage Blob Data Contributor", d.objectID},
		{account, "Storage Queue Data Contributor", d.objectID},
	} {
		if err := d.assign(ctx, grant.scope, grant.role, grant.principal); err != nil {
			return fmt.Errorf("%s to %s: %w", grant.role, grant.principal, err)
		}
	}
	return nil
}

func (d *deployment) assign(ctx context.Context, scope, role, principal string) error {
	definitions, err := armauthorization.NewRoleDefinitionsClient(d.credential, nil)
	if err != nil {
		return err
	}
	var ids []string
	for pager := definitions.NewListPager(scope, &armauthorization.RoleDefinitionsClientListOptions{Filter: to.Ptr("roleName eq '" + role + "'")}); pager.More(); {
		page, err := pager.NextPage(ctx)
		if err != nil {
			return err
		}
		for _, definition := range page.Value {
			ids = append(ids, *definition.ID)
		}
	}
	if len(ids) != 1 {
		return fmt.Errorf("the role is defined as %q, want one definition", ids)
	}
	assignments, err := armauthorization.NewRoleAssignmentsClient(d.SubscriptionID, d.credential, nil)
	if err != nil {
		return err
	}
	_, err = assignments.Create(ctx, scope, uuid.NewString(), armauthorization.RoleAssignmentCreateParameters{
		Properties: &armauthorization.RoleAssignmentProperties{
			RoleDefinitionID: to.Ptr(ids[0]), PrincipalID: to.Ptr(principal), PrincipalType: to.Ptr(armauthorization.PrincipalTypeServicePrincipal),
		},
	}, nil)
	return err
}
