package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestListenAddress(t *testing.T) {
	tests := []struct {
		in, want string
		fails    bool
	}{
		{in: "", want: ":8080"},
		{in: "http://+:80", want: "0.0.0.0:80"},
		{in: "http://127.0.0.1:0", want: "127.0.0.1:0"},
		{in: "http://+:80;https://+:443", want: "0.0.0.0:80"},
		{in: "+:80", fails: true},
		{in: "https://+:443", fails: true},
	}
	for _, test := range tests {
		got, err := listenAddress(test.in)
		if got != test.want || (err != nil) != test.fails {
			t.Errorf("listenAddress(%q) = %q, %v, want %q, fails %v", test.in, got, err, test.want, test.fails)
		}
	}
}

func TestReadConfig(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.json")
	whole := `{"AppConfigEndpoint":"https://s.azconfig.io","AppConfigLabel":"a","SharedAppConfiglabel":"shared","KeyVaultName":"v.vault.azure.net",
		"BlobStorageName":"acct","QueueStorageName":"acct.queue.core.windows.net/","QueueName":"orders"}`
	if err := os.WriteFile(path, []byte(whole), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := readConfig(path)
	if err != nil {
		t.Fatal(err)
	}
	if c.blobURL() != "https://acct.blob.core.windows.net/" || c.queueURL() != "https://acct.queue.core.windows.net/" || c.ContainerName != "widemo" || c.SharedAppConfigLabel != "shared" {
		t.Errorf("got %+v with %s and %s", c, c.blobURL(), c.queueURL())
	}
	for name, text := range map[string]string{"empty": "{}", "broken": "{"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := readConfig(path); err == nil {
			t.Errorf("%s: got no error", name)
		}
	}
	if _, err := readConfig(""); err == nil {
		t.Error("without a path: got no error")
	}
}
