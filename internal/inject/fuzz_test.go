package inject

import (
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode"
)

// FuzzReview: no body makes the handler panic or answer anything but a review
// or a client error.
func FuzzReview(f *testing.F) {
	f.Add(benchReview())
	f.Add([]byte(reviewOf("v1", labelledPod)))
	f.Add([]byte(reviewOf("v1beta1", `{"metadata":{"labels":{"azure.workload.identity/use":"true"},"annotations":null},"spec":{"volumes":[null],"containers":[null,{"env":[null]}]}}`)))
	f.Add([]byte(reviewOf("v1", `[]`)))
	f.Add([]byte(`{"request":{"uid":1}}`))
	h := NewHandler(HandlerConfig{Accounts: demoAccounts(), Log: discard(), Pods: func() Config {
		c := demoConfig()
		c.Proxy = Proxy{Image: "p", InitImage: "i"}
		c.LocalAzure = &LocalAzure{ProxyURL: "http://a:1", CAConfigMap: "m"}
		c.TokenEndpoint = &TokenEndpoint{ProxyURL: "https://a", CASigner: "s"}
		return c
	}})
	f.Fuzz(func(t *testing.T, body []byte) {
		answer := httptest.NewRecorder()
		h.ServeHTTP(answer, newReviewRequest(body))
		switch answer.Code {
		case 200, 400, 413:
		default:
			t.Errorf("got %d %s", answer.Code, answer.Body)
		}
	})
}

// FuzzAnnotations: every annotation is taken or refused with a message that
// names it, and no value breaks a message.
func FuzzAnnotations(f *testing.F) {
	f.Add("a;b", "3600", "true", "8000", "endpoint", "true", "33333333-3333-3333-3333-333333333333", "contoso.onmicrosoft.com", "storage=33333333-3333-3333-3333-333333333333")
	f.Add("a:b,c; ;", "1h", "yes", "70000", "", "1", "x\x00\n", " ", "a-b=,A_B=x\x00\n;=")
	f.Add("", "-1", "", "9223372036854775808", "x\x00\n", "TRUE", "", "", "")
	f.Fuzz(func(t *testing.T, skip, expiration, proxy, port, mode, binding, client, tenant, clients string) {
		pod := &Pod{Metadata: metadata{
			Labels: map[string]string{"azure.workload.identity/use": "true"},
			Annotations: map[string]string{
				"azure.workload.identity/skip-containers":                  skip,
				"azure.workload.identity/service-account-token-expiration": expiration,
				"azure.workload.identity/inject-proxy-sidecar":             proxy,
				"azure.workload.identity/proxy-sidecar-port":               port,
				"azure.workload.identity/proxy-sidecar-mode":               mode,
				"azure.workload.identity/use-identity-binding":             binding,
			},
		}, Spec: spec{Containers: []container{{Name: "a"}}}}
		sa := ServiceAccount{Namespace: "n", Name: "s", Annotations: map[string]string{
			"azure.workload.identity/client-id":  client,
			"azure.workload.identity/tenant-id":  tenant,
			"azure.workload.identity/client-ids": clients,
		}}
		result, err := pod.Mutate(sa, Config{Proxy: Proxy{Image: "p", InitImage: "i"}})
		messages := result.Warnings
		if err != nil {
			var denied *Denied
			if !errors.As(err, &denied) || !strings.Contains(denied.Message, "azure.workload.identity/") {
				t.Fatalf("got %v, want a denial that names the annotation", err)
			}
			messages = []string{denied.Message}
		}
		for _, message := range messages {
			if len(message) > 700 || strings.ContainsFunc(message, unicode.IsControl) {
				t.Errorf("got message %q, want a short one on one line", message)
			}
		}
	})
}
