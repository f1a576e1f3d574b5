package storageapi_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/aksess/aksess/internal/app/apptest"
)

const (
	corsXML    = "<Cors><CorsRule><AllowedOrigins>https://a.example,https://b.example</AllowedOrigins><AllowedMethods>GET,PUT</AllowedMethods><AllowedHeaders>x-ms-*</AllowedHeaders><ExposedHeaders></ExposedHeaders><MaxAgeInSeconds>60</MaxAgeInSeconds></CorsRule></Cors>"
	loggingXML = "<Logging><Version>1.0</Version><Delete>true</Delete><Read>true</Read><Write>false</Write><RetentionPolicy><Enabled>true</Enabled><Days>7</Days></RetentionPolicy></Logging>"
	metricsXML = "<HourMetrics><Version>1.0</Version><Enabled>true</Enabled><IncludeAPIs>true</IncludeAPIs><RetentionPolicy><Enabled>true</Enabled><Days>10</Days></RetentionPolicy></HourMetrics>"
	websiteXML = "<StaticWebsite><Enabled>true</Enabled><IndexDocument>index.html</IndexDocument><ErrorDocument404Path>404.html</ErrorDocument404Path></StaticWebsite>"
)

func settings(w *apptest.World, method, host string, parts ...string) apptest.Response {
	w.T.Helper()
	return w.Do(apptest.Request{Method: method, URL: host + "/?restype=service&comp=properties",
		Body: "<StorageServiceProperties>" + strings.Join(parts, "") + "</StorageServiceProperties>", Header: map[string]string{"x-ms-version": "2023-11-03"}})
}

// TestServiceProperties: what is set is shown as it was sent, what is not named
// stays, and Resource Manager shows the same.
func TestServiceProperties(t *testing.T) {
	w := world(t)
	for host, parts := range map[string][]string{
		blobHost: {loggingXML, metricsXML, corsXML, websiteXML}, queueHost: {loggingXML, metricsXML, corsXML},
		tableHost: {loggingXML, metricsXML, corsXML}, fileHost: {metricsXML, corsXML},
	} {
		t.Run(host, func(t *testing.T) {
			w.T = t
			if got := settings(w, http.MethodPut, host, parts...); got.Status != http.StatusAccepted {
				t.Fatalf("set: got %d %s", got.Status, got.Body)
			}
			got := settings(w, http.MethodGet, host)
			for _, part := range parts {
				if !strings.Contains(got.Body, part) {
					t.Errorf("got %s, want it to have %s", got.Body, part)
				}
			}
			if got := settings(w, http.MethodPut, host, "<Cors></Cors>"); got.Status != http.StatusAccepted {
				t.Fatalf("set again: got %d %s", got.Status, got.Body)
			}
			got = settings(w, http.MethodGet, host)
			if strings.Contains(got.Body, "a.example") || !strings.Contains(got.Body, metricsXML) {
				t.Errorf("without rules: got %s", got.Body)
			}
		})
	}
	w.T = t
	settings(w, http.MethodPut, blobHost, corsXML, "<DeleteRetentionPolicy><Enabled>true</Enabled><Days>5</Days></DeleteRetentionPolicy>", "<DefaultServiceVersion>2021-06-08</DefaultServiceVersion>")
	shown := w.Want(apptest.Request{URL: accountID + "/blobServices/default"}, http.StatusOK, "")
	for path, want := range map[string]string{
		"properties.cors.corsRules.0.allowedOrigins.1": "https://b.example", "properties.deleteRetentionPolicy.days": "5",
		"properties.defaultServiceVersion": "2021-06-08",
	} {
		if got := shown.Get(path); got != want {
			t.Errorf("Resource Manager's %s: got %q, want %q", path, got, want)
		}
	}
}

func TestServicePropertiesRefused(t *testing.T) {
	w := world(t)
	for name, test := range map[string]struct{ host, part string }{
		"days":          {blobHost, strings.Replace(loggingXML, ">7<", ">400<", 1)},
		"no-days":       {queueHost, strings.Replace(metricsXML, "<Days>10</Days>", "", 1)},
		"method":        {tableHost, strings.Replace(corsXML, "PUT", "BREW", 1)},
		"no-origin":     {fileHost, strings.Replace(corsXML, "https://a.example,https://b.example", "", 1)},
		"six-rules":     {blobHost, "<Cors>" + strings.Repeat(strings.TrimSuffix(strings.TrimPrefix(corsXML, "<Cors>"), "</Cors>"), 6) + "</Cors>"},
		"website":       {queueHost, websiteXML},
		"logging":       {fileHost, loggingXML},
		"not-xml":       {blobHost, "<"},
		"not-a-number":  {blobHost, strings.Replace(corsXML, ">60<", ">soon<", 1)},
		"two-documents": {queueHost, "</StorageServiceProperties><StorageServiceProperties>"},
	} {
		t.Run(name, func(t *testing.T) {
			w.T = t
			got := settings(w, http.MethodPut, test.host, test.part)
			if got.Status != http.StatusBadRequest || got.Header.Get("x-ms-error-code") != "InvalidXmlDocument" {
				t.Errorf("got %d %s", got.Status, got.Body)
			}
		})
	}
	w.T = t
	if got := settings(w, http.MethodPut, blobHost, strings.Repeat(corsXML, 400)); got.Status != http.StatusRequestEntityTooLarge {
		t.Errorf("a large body: got %d %s", got.Status, got.Body)
	}
	many := strings.Repeat("<SignedIdentifier><Id>i</Id></SignedIdentifier>", 6)
	for name, body := range map[string]string{
		"many": many, "no-id": "<SignedIdentifier/>", "long-id": "<SignedIdentifier><Id>" + strings.Repeat("i", 65) + "</Id></SignedIdentifier>",
		"time": "<SignedIdentifier><Id>i</Id><AccessPolicy><Start>soon</Start></AccessPolicy></SignedIdentifier>",
	} {
		t.Run("policies-"+name, func(t *testing.T) {
			w.T = t
			for _, target := range []string{blobHost + "/con?restype=container&comp=acl", queueHost + "/jobs?comp=acl"} {
				got := w.Do(apptest.Request{Method: http.MethodPut, URL: target, Body: "<SignedIdentifiers>" + body + "</SignedIdentifiers>", Header: map[string]string{"x-ms-version": "2023-11-03"}})
				if got.Status != http.StatusBadRequest || got.Header.Get("x-ms-error-code") != "InvalidXmlDocument" {
					t.Errorf("%s: got %d %s", target, got.Status, got.Body)
				}
			}
		})
	}
}

// FuzzServiceProperties: what is set makes no failure of ours, and what was
// taken can be shown.
func FuzzServiceProperties(f *testing.F) {
	w := world(f)
	for _, seed := range []string{loggingXML + metricsXML + corsXML, websiteXML, "<Cors/>", "<!DOCTYPE a>", "<HourMetrics><Enabled>maybe</Enabled></HourMetrics>"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, part string) {
		w.T = t
		if got := settings(w, http.MethodPut, blobHost, part); got.Status >= 500 {
			t.Fatalf("got %d %s", got.Status, got.Body)
		}
		if got := settings(w, http.MethodGet, blobHost); got.Status != http.StatusOK {
			t.Fatalf("shown: got %d %s", got.Status, got.Body)
		}
	})
}
