package dataplane

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/data/azappconfig"

	"github.com/aksess/aksess/test/sdk/check"
	"github.com/aksess/aksess/test/sdk/deploy"
)

func (w *workload) settings(ctx context.Context, report *check.Report) error {
	own, err := azappconfig.NewClient(w.store, w.own, nil)
	if err != nil {
		return err
	}
	owner, err := azappconfig.NewClient(w.store, w.owner, nil)
	if err != nil {
		return err
	}
	key := "written:" + w.run + "/a b"
	report.Do(ctx, "settings/get", func(ctx context.Context) error { return getSetting(ctx, own) })
	report.Do(ctx, "settings/get-unchanged", func(ctx context.Context) error { return getUnchanged(ctx, own) })
	report.Do(ctx, "settings/list-label", func(ctx context.Context) error { return listLabel(ctx, own) })
	report.Do(ctx, "settings/list-pages-unchanged", func(ctx context.Context) error { return listUnchanged(ctx, own) })
	report.Do(ctx, "settings/missing", func(ctx context.Context) error {
		_, err := own.GetSetting(ctx, "no:such", nil)
		return check.Refused(err, http.StatusNotFound, "")
	})
	report.Do(ctx, "settings/set-refused", func(ctx context.Context) error {
		_, err := own.SetSetting(ctx, key, to.Ptr("x"), nil)
		return check.Refused(err, http.StatusForbidden, "")
	})
	report.Do(ctx, "settings/owner-write", func(ctx context.Context) error { return writeSetting(ctx, owner, key) })
	report.Do(ctx, "settings/owner-lock", func(ctx context.Context) error { return lockSetting(ctx, owner, key) })
	report.Do(ctx, "settings/owner-page-changed", func(ctx context.Context) error { return w.pageChanged(ctx, owner) })
	return nil
}

func getSetting(ctx context.Context, c *azappconfig.Client) error {
	got, err := c.GetSetting(ctx, "DemoConfig", &azappconfig.GetSettingOptions{Label: to.Ptr(deploy.Label)})
	if err != nil {
		return err
	}
	if got.ETag == nil || got.LastModified == nil || got.IsReadOnly == nil || *got.IsReadOnly {
		return fmt.Errorf("got %+v, want an ETag, a time and no lock", got.Setting)
	}
	if err := check.Equal("value", *got.Value, "value from App Configuration"); err != nil {
		return err
	}
	odd, err := c.GetSetting(ctx, "path/of:a key?", &azappconfig.GetSettingOptions{Label: to.Ptr(deploy.Label)})
	if err != nil {
		return err
	}
	return check.Equal("value of the key with odd characters", *odd.Value, "odd characters")
}

func getUnchanged(ctx context.Context, c *azappconfig.Client) error {
	label := to.Ptr(deploy.Label)
	got, err := c.GetSetting(ctx, "DemoConfig", &azappconfig.GetSettingOptions{Label: label})
	if err != nil {
		return err
	}
	_, err = c.GetSetting(ctx, "DemoConfig", &azappconfig.GetSettingOptions{Label: label, OnlyIfChanged: got.ETag})
	return check.Refused(err, http.StatusNotModified, "")
}

func listLabel(ctx context.Context, c *azappconfig.Client) error {
	for _, want := range []struct {
		selector azappconfig.SettingSelector
		keys     string
	}{
		{azappconfig.SettingSelector{LabelFilter: to.Ptr(deploy.SharedLabel)}, "DemoConfig Greeting"},
		{azappconfig.SettingSelector{KeyFilter: to.Ptr("Demo*"), LabelFilter: to.Ptr(deploy.Label)}, "DemoConfig DemoSecret"},
		{azappconfig.SettingSelector{KeyFilter: to.Ptr("DemoConfig"), LabelFilter: to.Ptr("*")}, "DemoConfig DemoConfig"},
		{azappconfig.SettingSelector{KeyFilter: to.Ptr("Greeting,DemoSecret"), LabelFilter: to.Ptr(deploy.SharedLabel + "," + deploy.Label)}, "DemoSecret Greeting"},
		{azappconfig.SettingSelector{KeyFilter: to.Ptr("Demo*"), LabelFilter: to.Ptr("\x00")}, ""},
	} {
		var keys []string
		for pager := c.NewListSettingsPager(want.selector, nil); pager.More(); {
			page, err := pager.NextPage(ctx)
			if err != nil {
				return err
			}
			for _, s := range page.Settings {
				keys = append(keys, *s.Key)
			}
		}
		if err := check.Equal("keys", strings.Join(keys, " "), want.keys); err != nil {
			return err
		}
	}
	return nil
}

// pages lists the settings of a label and returns the ETag of each page.
func pages(ctx context.Context, c *azappconfig.Client, label string, etags []azcore.MatchConditions) (found []azcore.MatchConditions, settings int, err error) {
	pager := c.NewListSettingsPager(azappconfig.SettingSelector{LabelFilter: to.Ptr(label)}, &azappconfig.ListSettingsOptions{MatchConditions: etags})
	for pager.More() {
		page, err := pager.NextPage(ctx)
		if err != nil {
			return nil, 0, err
		}
		settings += len(page.Settings)
		if page.ETag == nil {
			found = append(found, azcore.MatchConditions{}) // answered 304
			continue
		}
		found = append(found, azcore.MatchConditions{IfNoneMatch: page.ETag})
	}
	return found, settings, nil
}

func listUnchanged(ctx context.Context, c *azappconfig.Client) error {
	etags, settings, err := pages(ctx, c, deploy.Many, nil)
	if err != nil {
		return err
	}
	if err := check.Equal("settings listed", settings, deploy.ManySettings); err != nil {
		return err
	}
	if len(etags) < 2 || etags[0].IfNoneMatch == nil {
		return fmt.Errorf("got %d pages, want at least 2 with ETags", len(etags))
	}
	again, settings, err := pages(ctx, c, deploy.Many, etags)
	if err != nil {
		return err
	}
	if err := check.Equal("pages listed again", len(again), len(etags)); err != nil {
		return err
	}
	return check.Equal("settings listed again", settings, 0)
}

func writeSetting(ctx context.Context, c *azappconfig.Client, key string) error {
	added, err := c.AddSetting(ctx, key, to.Ptr("one"), &azappconfig.AddSettingOptions{Label: to.Ptr("l/1")})
	if err != nil {
		return err
	}
	_, err = c.AddSetting(ctx, key, to.Ptr("again"), &azappconfig.AddSettingOptions{Label: to.Ptr("l/1")})
	if err := check.Refused(err, http.StatusPreconditionFailed, ""); err != nil {
		return err
	}
	set, err := c.SetSetting(ctx, key, to.Ptr("two"), &azappconfig.SetSettingOptions{Label: to.Ptr("l/1"), OnlyIfUnchanged: added.ETag})
	if err != nil {
		return err
	}
	_, err = c.SetSetting(ctx, key, to.Ptr("three"), &azappconfig.SetSettingOptions{Label: to.Ptr("l/1"), OnlyIfUnchanged: added.ETag})
	if err := check.Refused(err, http.StatusPreconditionFailed, ""); err != nil {
		return err
	}
	deleted, err := c.DeleteSetting(ctx, key, &azappconfig.DeleteSettingOptions{Label: to.Ptr("l/1"), OnlyIfUnchanged: set.ETag})
	if err != nil {
		return err
	}
	if err := check.Equal("value deleted", *deleted.Value, "two"); err != nil {
		return err
	}
	_, err = c.GetSetting(ctx, key, &azappconfig.GetSettingOptions{Label: to.Ptr("l/1")})
	return check.Refused(err, http.StatusNotFound, "")
}

func lockSetting(ctx context.Context, c *azappconfig.Client, key string) error {
	if _, err := c.SetSetting(ctx, key, to.Ptr("locked"), nil); err != nil {
		return err
	}
	if _, err := c.SetReadOnly(ctx, key, true, nil); err != nil {
		return fmt.Errorf("locking: %w", err)
	}
	_, err := c.SetSetting(ctx, key, to.Ptr("x"), nil)
	if err := check.Refused(err, http.StatusConflict, ""); err != nil {
		return err
	}
	if _, err := c.SetReadOnly(ctx, key, false, nil); err != nil {
		return fmt.Errorf("unlocking: %w", err)
	}
	_, err = c.DeleteSetting(ctx, key, nil)
	return err
}

// pageChanged sees a change in the ETag of the page that holds it, and only there.
func (w *workload) pageChanged(ctx context.Context, c *azappconfig.Client) error {
	label := "watched-" + w.run
	for i := range 102 {
		if _, err := c.SetSetting(ctx, fmt.Sprintf("k%03d", i), to.Ptr("x"), &azappconfig.SetSettingOptions{Label: to.Ptr(label)}); err != nil {
			return err
		}
	}
	before, _, err := pages(ctx, c, label, nil)
	if err != nil {
		return err
	}
	if _, err := c.SetSetting(ctx, "k101", to.Ptr("y"), &azappconfig.SetSettingOptions{Label: to.Ptr(label)}); err != nil {
		return err
	}
	after, _, err := pages(ctx, c, label, nil)
	if err != nil {
		return err
	}
	if len(before) != 2 || len(after) != 2 {
		return fmt.Errorf("got %d and %d pages, want 2 each", len(before), len(after))
	}
	if *before[0].IfNoneMatch != *after[0].IfNoneMatch || *before[1].IfNoneMatch == *after[1].IfNoneMatch {
		return fmt.Errorf("got ETags %s %s, then %s %s; want only the second changed",
			*before[0].IfNoneMatch, *before[1].IfNoneMatch, *after[0].IfNoneMatch, *after[1].IfNoneMatch)
	}
	return nil
}
