package deploy

import (
	"context"
	"fmt"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/data/azappconfig"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
)

// How much of what spans more than one page: a page of secrets holds 25, one of settings 100.
const (
	Many         = "many" // label of the many settings and prefix of the many secrets
	ManySecrets  = 30
	ManySettings = 105
)

// VaultReference is the content type of a setting whose value is a secret's identifier.
const VaultReference = "application/vnd.microsoft.appconfig.keyvaultref+json;charset=utf-8"

func (d *deployment) secrets(ctx context.Context) error {
	client, err := azsecrets.NewClient("https://"+Vault+".vault.azure.net", d.credential, nil)
	if err != nil {
		return err
	}
	for _, value := range []string{"the former value", Secret} {
		if _, err := client.SetSecret(ctx, "DemoSecret", azsecrets.SetSecretParameters{Value: to.Ptr(value)}, nil); err != nil {
			return err
		}
	}
	for i := range ManySecrets {
		if _, err := client.SetSecret(ctx, fmt.Sprintf("%s-%03d", Many, i), azsecrets.SetSecretParameters{Value: to.Ptr("x")}, nil); err != nil {
			return err
		}
	}
	return nil
}

func (d *deployment) settings(ctx context.Context) error {
	client, err := azappconfig.NewClient("https://"+Store+".azconfig.io", d.credential, nil)
	if err != nil {
		return err
	}
	type setting struct{ key, label, value, contentType string }
	all := []setting{
		{"DemoConfig", SharedLabel, "shared by all instances", ""},
		{"DemoConfig", Label, "value from App Configuration", ""},
		{"Greeting", SharedLabel, "hello", ""},
		{"DemoSecret", Label, `{"uri":"https://` + Vault + `.vault.azure.net/secrets/DemoSecret"}`, VaultReference},
		{"path/of:a key?", Label, "odd characters", ""},
	}
	for i := range ManySettings {
		all = append(all, setting{fmt.Sprintf("many:%03d", i), Many, fmt.Sprint(i), ""})
	}
	for _, s := range all {
		options := &azappconfig.SetSettingOptions{Label: to.Ptr(s.label)}
		if s.contentType != "" {
			options.ContentType = to.Ptr(s.contentType)
		}
		if _, err := client.SetSetting(ctx, s.key, to.Ptr(s.value), options); err != nil {
			return fmt.Errorf("%s: %w", s.key, err)
		}
	}
	return nil
}

func (d *deployment) blob(ctx context.Context) error {
	client, err := azblob.NewClient("https://"+Account+".blob.core.windows.net/", d.credential, nil)
	if err != nil {
		return err
	}
	_, err = client.UploadBuffer(ctx, Container, "welcome.txt", []byte("welcome to widemo"), nil)
	return err
}
