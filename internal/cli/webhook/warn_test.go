package webhook

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// TestWarnWebhook: the second webhook is served when it is asked for, beside the
// first, and what it says is counted and told in an Event.
func TestWarnWebhook(t *testing.T) {
	const object = `{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":"u","kind":{"kind":"Deployment"},"namespace":"widemo",
"operation":"CREATE","object":{"metadata":{"name":"d"},"spec":{"template":{"spec":{"serviceAccountName":"wi-demo-sa"}}}}}}`
	client := insecure(t)
	for name, c := range map[string]struct {
		args   []string
		status int
		want   string
	}{
		"off": {nil, http.StatusNotFound, "not found"},
		"on":  {[]string{"--warn-webhook"}, http.StatusOK, `Deployment \"d\" runs as service account \"wi-demo-sa\", which has an identity`},
	} {
		t.Run(name, func(t *testing.T) {
			api := startAPIServer(t)
			r := start(t, api.kubeconfig(t), c.args...)
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
			if c.status != http.StatusOK {
				return
			}
			waitFor(t, func() bool { return strings.Contains(api.told(), `Deployment d: Deployment \"d\" runs as`) })
			_, scraped := get(t, r.metrics+"/metrics")
			for _, want := range []string{
				`aksess_webhook_warn_reviews_total{reason="no-label",result="warned"} 1`, `aksess_webhook_reviews_total{reason="",result="mutated"} 1`,
				`aksess_webhook_warn_review_duration_seconds_count{result="warned"} 1`,
			} {
				if !strings.Contains(scraped, want) {
					t.Errorf("got metrics %s, want %s", scraped, want)
				}
			}
		})
	}
}
