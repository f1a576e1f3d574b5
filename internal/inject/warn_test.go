package inject

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

func warnRequest(body string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, WarnPath, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	return r
}

// warnReviewOf wraps an object the way an API server does.
func warnReviewOf(kind, operation, object string) string {
	return fmt.Sprintf(`{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":"u-1","kind":{"group":"","version":"v1","kind":%q},
"namespace":"widemo","operation":%q,"object":%s}}`, kind, operation, object)
}

// countedAccounts counts who asks.
type countedAccounts struct {
	accounts
	asked []string
	err   error
}

func (c *countedAccounts) Get(ctx context.Context, namespace, name string) (ServiceAccount, error) {
	c.asked = append(c.asked, namespace+"/"+name)
	if c.err != nil {
		return ServiceAccount{}, c.err
	}
	return c.accounts.Get(ctx, namespace, name)
}

func TestWarner(t *testing.T) {
	const deployment = `{"metadata":{"name":"wi-api"},"spec":{"template":{"metadata":{"labels":{%s}},"spec":{"serviceAccountName":"wi-demo-sa"}}}}`
	plain, labelled := fmt.Sprintf(deployment, ""), fmt.Sprintf(deployment, `"azure.workload.identity/use":"true"`)
	tests := []struct {
		name, body string
		err        error // of the accounts
		warnings   int
		asked      []string
	}{
		{name: "suspect", body: warnReviewOf("Deployment", "CREATE", plain), warnings: 1, asked: []string{"widemo/wi-demo-sa"}},
		{name: "updated", body: warnReviewOf("Deployment", "UPDATE", plain), warnings: 1, asked: []string{"widemo/wi-demo-sa"}},
		{name: "right", body: warnReviewOf("Deployment", "CREATE", labelled)},
		{name: "labelled_pod", body: warnReviewOf("Pod", "CREATE", labelledPod)},
		{name: "outage", body: warnReviewOf("Deployment", "CREATE", plain), err: errors.New("refused"), asked: []string{"widemo/wi-demo-sa"}},
		{name: "account", body: warnReviewOf("ServiceAccount", "CREATE", `{"metadata":{"name":"a","labels":{"azure.workload.identity/use":"true"}}}`), warnings: 1},
		{name: "deleted", body: warnReviewOf("Deployment", "DELETE", "null")},
		{name: "no_object", body: warnReviewOf("Deployment", "CREATE", "null")},
		{name: "other_types", body: warnReviewOf("Deployment", "CREATE", `{"metadata":{"labels":[]},"spec":"x"}`)},
		{name: "list", body: warnReviewOf("Deployment", "CREATE", `[]`)},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			known := &countedAccounts{accounts: demoAccounts(), err: test.err}
			var log bytes.Buffer
			answer := httptest.NewRecorder()
			NewWarner(demoConfig, known, slog.New(slog.NewJSONHandler(&log, nil))).ServeHTTP(answer, warnRequest(test.body))
			var got reviewAnswer
			if err := json.Unmarshal(answer.Body.Bytes(), &got); err != nil || answer.Code != http.StatusOK {
				t.Fatalf("got %d %s, %v, want an answer", answer.Code, answer.Body, err)
			}
			r := got.Response
			if got.APIVersion != "admission.k8s.io/v1" || got.Kind != "AdmissionReview" || r.UID != "u-1" || !r.Allowed || r.Patch != nil || r.Status != nil {
				t.Errorf("got %s, want it admitted and unchanged", answer.Body)
			}
			if len(r.Warnings) != test.warnings || strings.Contains(log.String(), "suspect object") != (test.warnings > 0) {
				t.Errorf("got warnings %q and log %q, want %d warnings and a line about them", r.Warnings, log.String(), test.warnings)
			}
			if !slices.Equal(known.asked, test.asked) {
				t.Errorf("service accounts asked for: got %v, want %v", known.asked, test.asked)
			}
		})
	}
}

func TestWarnerRefusesWhatIsNoReview(t *testing.T) {
	h := NewWarner(demoConfig, demoAccounts(), discard())
	big := warnReviewOf("Pod", "CREATE", `{"x":"`+strings.Repeat("a", MaxReviewBytes)+`"}`)
	for name, c := range map[string]struct {
		change func(*http.Request)
		body   string
		want   int
	}{
		"get":        {func(r *http.Request) { r.Method = http.MethodGet }, "", http.StatusMethodNotAllowed},
		"form":       {func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }, "", http.StatusUnsupportedMediaType},
		"no_json":    {nil, "x", http.StatusBadRequest},
		"no_review":  {nil, `{"kind":"Pod","apiVersion":"v1"}`, http.StatusBadRequest},
		"no_request": {nil, `{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1"}`, http.StatusBadRequest},
		"too_large":  {nil, big, http.StatusBadRequest},
	} {
		t.Run(name, func(t *testing.T) {
			r := warnRequest(c.body)
			if c.change != nil {
				c.change(r)
			}
			answer := httptest.NewRecorder()
			if h.ServeHTTP(answer, r); answer.Code != c.want {
				t.Errorf("got %d %s, want %d", answer.Code, answer.Body, c.want)
			}
		})
	}
}

// TestWarnerIsBounded: what comes beyond the limit goes on without an answer.
func TestWarnerIsBounded(t *testing.T) {
	h := NewWarner(demoConfig, demoAccounts(), discard())
	for range cap(h.inFlight) {
		h.inFlight <- struct{}{}
	}
	answer := httptest.NewRecorder()
	if h.ServeHTTP(answer, warnRequest(warnReviewOf("Pod", "CREATE", "{}"))); answer.Code != http.StatusServiceUnavailable {
		t.Errorf("got %d, want %d", answer.Code, http.StatusServiceUnavailable)
	}
	<-h.inFlight
	answer = httptest.NewRecorder()
	if h.ServeHTTP(answer, warnRequest(warnReviewOf("Pod", "CREATE", "{}"))); answer.Code != http.StatusOK || len(h.inFlight) != cap(h.inFlight)-1 {
		t.Errorf("got %d with %d in flight, want %d and the place given back", answer.Code, len(h.inFlight), http.StatusOK)
	}
}

// FuzzWarn: no body makes the handler panic, deny or patch.
func FuzzWarn(f *testing.F) {
	f.Add([]byte(warnReviewOf("Deployment", "CREATE", `{"metadata":{"labels":{"azure.workload.identity/use":"x"}},"spec":{"template":{}}}`)))
	f.Add([]byte(warnReviewOf("CronJob", "UPDATE", `{"metadata":{"annotations":{"azure.workload.identity/client-id":"x"}},"spec":{"jobTemplate":{"spec":null}}}`)))
	f.Add([]byte(warnReviewOf("ServiceAccount", "CREATE", `{"metadata":{"name":"\u0000","annotations":{"azure.workload.identity/client-ids":"a=\n"}}}`)))
	f.Add(benchReview())
	f.Add([]byte(warnReviewOf("a\nb", "CREATE", `{"metadata":{"annotations":{"azure.workload.identity/client-id":"x"}}}`)))
	h := NewWarner(demoConfig, demoAccounts(), discard())
	f.Fuzz(func(t *testing.T, body []byte) {
		answer := httptest.NewRecorder()
		h.ServeHTTP(answer, warnRequest(string(body)))
		var got reviewAnswer
		switch answer.Code {
		case http.StatusBadRequest:
		case http.StatusOK:
			if err := json.Unmarshal(answer.Body.Bytes(), &got); err != nil || !got.Response.Allowed || got.Response.Patch != nil {
				t.Errorf("got %s, %v, want it admitted unchanged", answer.Body, err)
			}
		default:
			t.Errorf("got %d %s", answer.Code, answer.Body)
		}
		for _, warning := range got.Response.Warnings {
			if len(warning) > 700 || strings.ContainsAny(warning, "\r\n\x00") {
				t.Errorf("got warning %q, want a short one on one line", warning)
			}
		}
	})
}
