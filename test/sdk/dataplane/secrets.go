package dataplane

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"

	"github.com/aksess/aksess/test/sdk/check"
	"github.com/aksess/aksess/test/sdk/deploy"
)

func (w *workload) secrets(ctx context.Context, report *check.Report) error {
	own, err := azsecrets.NewClient(w.vault, w.own, nil)
	if err != nil {
		return err
	}
	owner, err := azsecrets.NewClient(w.vault, w.owner, nil)
	if err != nil {
		return err
	}
	name := "kept-" + w.run
	report.Do(ctx, "secrets/get", func(ctx context.Context) error { return w.getSecret(ctx, own) })
	report.Do(ctx, "secrets/versions", func(ctx context.Context) error { return formerVersion(ctx, own) })
	report.Do(ctx, "secrets/list-pages", func(ctx context.Context) error { return listSecrets(ctx, own) })
	report.Do(ctx, "secrets/missing", func(ctx context.Context) error {
		_, err := own.GetSecret(ctx, "no-such-secret", "", nil)
		return check.Refused(err, http.StatusNotFound, "SecretNotFound")
	})
	report.Do(ctx, "secrets/set-refused", func(ctx context.Context) error {
		_, err := own.SetSecret(ctx, name, azsecrets.SetSecretParameters{Value: to.Ptr("x")}, nil)
		return check.Refused(err, http.StatusForbidden, "ForbiddenByPolicy")
	})
	report.Do(ctx, "secrets/owner-set", func(ctx context.Context) error { return setSecret(ctx, owner, name) })
	report.Do(ctx, "secrets/owner-delete-recover", func(ctx context.Context) error { return deleteAndRecover(ctx, owner, name) })
	report.Do(ctx, "secrets/owner-purge", func(ctx context.Context) error { return purge(ctx, owner, name) })
	return nil
}

func (w *workload) getSecret(ctx context.Context, c *azsecrets.Client) error {
	got, err := c.GetSecret(ctx, "DemoSecret", "", nil)
	if err != nil {
		return err
	}
	if got.ID.Name() != "DemoSecret" || len(got.ID.Version()) != 32 {
		return fmt.Errorf("id: got %s, want one with name and version", *got.ID)
	}
	if got.Attributes == nil || got.Attributes.Enabled == nil || !*got.Attributes.Enabled || got.Attributes.Created == nil {
		return fmt.Errorf("attributes: got %+v, want enabled and created", got.Attributes)
	}
	return check.Equal("value", *got.Value, w.secret)
}

func formerVersion(ctx context.Context, c *azsecrets.Client) error {
	values := map[string]bool{}
	for pager := c.NewListSecretPropertiesVersionsPager("DemoSecret", nil); pager.More(); {
		page, err := pager.NextPage(ctx)
		if err != nil {
			return err
		}
		for _, item := range page.Value {
			got, err := c.GetSecret(ctx, "DemoSecret", item.ID.Version(), nil)
			if err != nil {
				return err
			}
			values[*got.Value] = true
		}
	}
	if len(values) != 2 || !values["the former value"] {
		return fmt.Errorf("got %d versions, want two, one of them the former value", len(values))
	}
	return nil
}

func listSecrets(ctx context.Context, c *azsecrets.Client) error {
	pages, many := 0, 0
	for pager := c.NewListSecretPropertiesPager(nil); pager.More(); {
		page, err := pager.NextPage(ctx)
		if err != nil {
			return err
		}
		pages++
		for _, item := range page.Value {
			if strings.HasPrefix(item.ID.Name(), deploy.Many+"-") {
				many++
			}
		}
	}
	if pages < 2 {
		return fmt.Errorf("got %d pages, want at least 2", pages)
	}
	return check.Equal("secrets listed", many, deploy.ManySecrets)
}

func setSecret(ctx context.Context, c *azsecrets.Client, name string) error {
	set, err := c.SetSecret(ctx, name, azsecrets.SetSecretParameters{
		Value: to.Ptr("one"), ContentType: to.Ptr("text/plain"), Tags: map[string]*string{"for": to.Ptr("a test")},
	}, nil)
	if err != nil {
		return err
	}
	updated, err := c.UpdateSecretProperties(ctx, name, set.ID.Version(), azsecrets.UpdateSecretPropertiesParameters{
		SecretAttributes: &azsecrets.SecretAttributes{Enabled: to.Ptr(false)},
	}, nil)
	if err != nil {
		return fmt.Errorf("disabling: %w", err)
	}
	if updated.Tags["for"] == nil || *updated.Attributes.Enabled {
		return fmt.Errorf("after disabling got tags %v and enabled %v", updated.Tags, *updated.Attributes.Enabled)
	}
	_, err = c.GetSecret(ctx, name, "", nil)
	if err := check.Refused(err, http.StatusForbidden, "SecretDisabled"); err != nil {
		return err
	}
	_, err = c.SetSecret(ctx, name, azsecrets.SetSecretParameters{Value: to.Ptr("two")}, nil)
	return err
}

func deleteAndRecover(ctx context.Context, c *azsecrets.Client, name string) error {
	deleted, err := c.DeleteSecret(ctx, name, nil)
	if err != nil {
		return err
	}
	if deleted.RecoveryID == nil || deleted.ScheduledPurgeDate == nil {
		return fmt.Errorf("deleted: got %+v, want a recovery id and a purge date", deleted.DeletedSecret)
	}
	_, err = c.GetSecret(ctx, name, "", nil)
	if err := check.Refused(err, http.StatusNotFound, "SecretNotFound"); err != nil {
		return err
	}
	_, err = c.SetSecret(ctx, name, azsecrets.SetSecretParameters{Value: to.Ptr("x")}, nil)
	if err := check.Refused(err, http.StatusConflict, "ObjectIsDeletedButRecoverable"); err != nil {
		return err
	}
	if _, err := c.GetDeletedSecret(ctx, name, nil); err != nil {
		return err
	}
	if _, err := c.RecoverDeletedSecret(ctx, name, nil); err != nil {
		return err
	}
	got, err := c.GetSecret(ctx, name, "", nil)
	if err != nil {
		return err
	}
	return check.Equal("value after recovery", *got.Value, "two")
}

func purge(ctx context.Context, c *azsecrets.Client, name string) error {
	if _, err := c.DeleteSecret(ctx, name, nil); err != nil {
		return err
	}
	if _, err := c.PurgeDeletedSecret(ctx, name, nil); err != nil {
		return err
	}
	_, err := c.GetDeletedSecret(ctx, name, nil)
	return check.Refused(err, http.StatusNotFound, "SecretNotFound")
}
