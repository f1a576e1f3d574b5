package azapi

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestLocalNames(t *testing.T) {
	local := NewLocal("aksess.localhost")
	tests := map[string]struct{ host, azure string }{
		"resource-manager":  {"management.aksess.localhost:8443", "management.azure.com"},
		"token-service":     {"LOGIN.aksess.localhost", "login.microsoftonline.com"},
		"vault":             {"kv1.vault.aksess.localhost:8443", "kv1.vault.azure.net"},
		"blob":              {"acc.blob.core.aksess.localhost:8443", "acc.blob.core.windows.net"},
		"store":             {"s1.azconfig.aksess.localhost:1", "s1.azconfig.io"},
		"azures-own":        {"kv1.vault.azure.net", ""},
		"unknown":           {"else.aksess.localhost", ""},
		"below-a-single":    {"a.management.aksess.localhost", ""},
		"suffix-is-no-host": {"aksess.localhost", ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, "https://"+test.host+"/", nil)
			translation, azure := local.of(r, hostOf(r))
			if test.azure == "" {
				if translation != nil {
					t.Errorf("%s: got %s, want no translation", test.host, azure)
				}
				return
			}
			if azure != test.azure {
				t.Errorf("%s: got %s, want %s", test.host, azure, test.azure)
			}
		})
	}
}

func TestLocalTextsThereAndBack(t *testing.T) {
	r := httptest.NewRequest(http.MethodGet, "https://management.aksess.localhost:8443/", nil)
	translation, _ := NewLocal("aksess.localhost").of(r, hostOf(r))
	request := &Request{Request: r, local: translation}
	tests := map[string]struct{ azure, local string }{
		"vault-uri":        {`{"vaultUri":"https://kv.vault.azure.net/"}`, `{"vaultUri":"https://kv.vault.aksess.localhost:8443/"}`},
		"bare-suffix":      {`"keyVaultDns":"vault.azure.net"`, `"keyVaultDns":"vault.aksess.localhost:8443"`},
		"two-in-one":       {`https://a.blob.core.windows.net/ https://a.queue.core.windows.net/`, `https://a.blob.core.aksess.localhost:8443/ https://a.queue.core.aksess.localhost:8443/`},
		"end-of-sentence":  {`see management.azure.com.`, `see management.aksess.localhost:8443.`},
		"an-issuer":        {`https://westeurope.oic.prod-aks.azure.com/t/i/`, `https://westeurope.oic.prod-aks.azure.com/t/i/`},
		"a-longer-name":    {`https://vault.azure.net.example.com/`, `https://vault.azure.net.example.com/`},
		"two-run-together": {`vault.azure.netvault.azure.net`, `vault.azure.netvault.azure.net`},
		"another-start":    {`https://notvault.azure.net/`, `https://notvault.azure.net/`},
		"below-a-single":   {`https://x.management.azure.com/`, `https://x.management.azure.com/`},
		"audience-of-arms": {`https://management.core.windows.net/`, `https://management.core.aksess.localhost:8443/`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := string(translation.localize([]byte(test.azure))); got != test.local {
				t.Errorf("localized %s:\ngot  %s\nwant %s", test.azure, got, test.local)
			}
			if got := request.Canonical(test.local); got != test.azure {
				t.Errorf("back:\ngot  %s\nwant %s", got, test.azure)
			}
		})
	}
}

func FuzzReplaceName(f *testing.F) {
	f.Add("https://kv.vault.azure.net/", "vault.azure.net", "vault.here", true)
	f.Add("vault.azure.netvault.azure.net", "vault.azure.net", "v", false)
	f.Fuzz(func(t *testing.T, text, old, new string, below bool) {
		if old == "" {
			return
		}
		got := string(replaceName([]byte(text), old, new, below))
		if !strings.Contains(text, old) && got != text {
			t.Errorf("replaceName(%q, %q) = %q, want it unchanged", text, old, got)
		}
	})
}
