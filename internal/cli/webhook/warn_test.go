package webhook

import (
	"crypto/tls"
	"io"
	"net/http"
	"strings"
	"testing"
)

// TestWarnWebhook: the second webhook is served when it is asked for, beside the first.
func TestWarnWebhook(t *testing.T) {
	const object = `{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":"u","kind":{"kind":"Deployment"},"namespace":"widemo",
"operation":"CREATE","object":{"metadata":{"name":"d"},"spec":{"template":{"spec":{"serviceAccountName":"wi-demo-sa"}}}}}}`
	// What is asked here is the path; the certificate is another test's.
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}} //nolint:gosec
	defer client.CloseIdleConnections()
	for name, c := range map[string]struct {
		args   []string
		status int
		want   string
	}{
		"off": {nil, http.StatusNotFound, "not found"},
		"on":  {[]string{"--warn-webhook"}, http.StatusOK, `Deployment \"d\" runs as service account \"wi-demo-sa\", which has an identity`},
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, startAPIServer(t).kubeconfig(t), c.args...)
			r.waitReady(t)
			for url, want := range map[string]struct {
				body, text string
				status     int
			}{
				r.review: {review("wi-demo-sa"), `"patchType":"JSONPatch"`, http.StatusOK},
				strings.TrimSuffix(r.review, "/mutate-v1-pod") + "/warn": {object, c.want, c.status},
			} {
				response, err := client.Post(url, "application/json", strings.NewReader(want.body))
				if err != nil {
					t.Fatal(err)
				}
				body, err := io.ReadAll(response.Body)
				_ = response.Body.Close()
				if err != nil || response.StatusCode != want.status || !strings.Contains(string(body), want.text) {
					t.Errorf("%s: got %d %s, %v, want %d with %s", url, response.StatusCode, body, err, want.status, want.text)
				}
			}
		})
	}
}
