package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
)

// config is the file that CH_WIDEMO_CONFIG names: endpoints only, no secret.
type config struct {
	AppConfigEndpoint    string
	AppConfigLabel       string
	SharedAppConfigLabel string `json:"SharedAppConfiglabel"`
	KeyVaultName         string // a host name
	AadTenantID          string `json:"AadTenantId"`
	BlobStorageName      string // an account's name
	QueueStorageName     string // a host name with a trailing slash
	QueueName            string
	ContainerName        string // "widemo" when absent
}

func readConfig(path string) (config, error) {
	var c config
	if path == "" {
		return c, fmt.Errorf("CH_WIDEMO_CONFIG is not set; it names the settings file")
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return c, fmt.Errorf("reading the settings file: %w", err)
	}
	if err := json.Unmarshal(text, &c); err != nil {
		return c, fmt.Errorf("reading the settings file %s: %w", path, err)
	}
	if c.ContainerName == "" {
		c.ContainerName = "widemo"
	}
	for name, value := range map[string]string{"AppConfigEndpoint": c.AppConfigEndpoint, "BlobStorageName": c.BlobStorageName, "QueueStorageName": c.QueueStorageName, "QueueName": c.QueueName} {
		if value == "" {
			return c, fmt.Errorf("the settings file %s lacks %s", path, name)
		}
	}
	return c, nil
}

func (c config) blobURL() string { return "https://" + c.BlobStorageName + ".blob.core.windows.net/" }

func (c config) queueURL() string {
	return "https://" + strings.TrimSuffix(c.QueueStorageName, "/") + "/"
}
