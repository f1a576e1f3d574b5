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
			config := HandlerConfig{Pods: demoConfig, Accounts: known, Log: slog.New(slog.NewJSONHandler(&log, nil))}
			NewWarner(config).ServeHTTP(answer, warnRequest(test.body))
			var got reviewAnswer
			if err := json.Unmarshal(answer.Body.Bytes(), &got); err != nil || answer.Code != http.StatusOK {
				t.Fatalf("got %d %s, %v, want an answer", answer.Code, answer.Body, err)
			}
			r := got.Response
			if got.APIVersion != "admission.k8s.io/v1" || got.Kind != "AdmissionReview" || r.UID != "u-1" || !r.Allowed || r.Patch != nil || r.Status != nil {
				t.Errorf("got %s, want it admitted and unchanged", answer.Body)
			}
			if len(r.Warnings) != test.warnings || strings.Contains(log.String(), `"decision":"warned"`) != (test.warnings > 0) {
				t.Errorf("got warnings %q and log %q, want %d warnings and a line about them", r.Warnings, log.String(), test.warnings)
			}
			if !slices.Equal(known.asked, test.asked) {
				t.Errorf("service accounts asked for: got %v, want %v", known.asked, test.asked)
			}
		})
	}
}

func TestWarnerRefusesWhatIsNoReview(t *testing.T) {
	h := NewWarner(HandlerConfig{Pods: demoConfig, Accounts: demoAccounts(), Log: discard()})
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
		"path":       {func(r *http.Request) { r.URL.Path = MutatePath }, "", http.StatusNotFound},
		"too_large":  {nil, big, http.StatusRequestEntityTooLarge},
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
	h := NewWarner(HandlerConfig{Pods: demoConfig, Accounts: demoAccounts(), Log: discard()})
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

// TestWarnerObserves: every request is told of once, with an outcome that is on
// the list, and each of the list is reached.
func TestWarnerObserves(t *testing.T) {
	object := func(metadata string) string {
		return `{"metadata":{` + metadata + `},"spec":{"serviceAccountName":"wi-demo-sa"}}`
	}
	review := func(metadata string) string { return warnReviewOf("Pod", "CREATE", object(metadata)) }
	const label = `"azure.workload.identity/use"`
	tests := []struct {
		name, body string
		accounts   ServiceAccounts
		want       Outcome
	}{
		{"labelled", review(`"labels":{` + label + `:"true"}`), nil, Outcome{Admitted, CauseNone}},
		{"kube_system", strings.Replace(review(""), `"widemo"`, `"kube-system"`, 1), nil, Outcome{Admitted, CauseNamespace}},
		{"deleted", warnReviewOf("Pod", "DELETE", "null"), nil, Outcome{Admitted, CauseOtherObject}},
		{"other_types", warnReviewOf("Pod", "CREATE", "[]"), nil, Outcome{Admitted, CauseOtherObject}},
		{"no_label", review(""), nil, Outcome{Warned, CauseNoLabel}},
		{"label_value", review(`"labels":{` + label + `:"True"}`), nil, Outcome{Warned, CauseLabelValue}},
		{"label_place", review(`"annotations":{` + label + `:"true"}`), nil, Outcome{Warned, CauseLabelPlace}},
		{"annotation", warnReviewOf("ServiceAccount", "CREATE", object(`"annotations":{"azure.workload.identity/skip-containers":"x"}`)), nil, Outcome{Warned, CauseAnnotation}},
		{"invalid", warnReviewOf("ServiceAccount", "CREATE", object(`"labels":{`+label+`:"true"},"annotations":{"azure.workload.identity/client-id":"x"}`)), nil, Outcome{Warned, CauseInvalid}},
		{"panic", review(""), failingAccounts{panics: true}, Outcome{Failed, CausePanic}},
		{"malformed", "hello", nil, Outcome{NoReview, CauseMalformed}},
		{"too_large", strings.Repeat(" ", MaxReviewBytes+1), nil, Outcome{NoReview, CauseTooLarge}},
	}
	reached := map[Outcome]bool{{NoReview, CauseRequest}: true, {NoReview, CauseUnreadable}: true, {NoReview, CauseBusy}: true} // by other tests
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var seen []*Reviewed
			var log bytes.Buffer
			config := HandlerConfig{Pods: demoConfig, Accounts: test.accounts, Excluded: []string{"kube-system"},
				Observe: func(r *Reviewed) { seen = append(seen, r) }, Log: slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))}
			if config.Accounts == nil {
				config.Accounts = demoAccounts()
			}
			answer := httptest.NewRecorder()
			NewWarner(config).ServeHTTP(answer, warnRequest(test.body))
			if len(seen) != 1 || seen[0].Outcome != test.want || !slices.Contains(WarnOutcomes(), test.want) {
				t.Fatalf("got %+v, want one %v, which is on the list", seen, test.want)
			}
			reached[test.want] = true
			if lines := strings.Count(log.String(), "\n"); lines != 1 {
				t.Errorf("got %d lines of log, want 1: %s", lines, log.String())
			}
			if test.want.Cause == CausePanic && (answer.Code != http.StatusInternalServerError || strings.Contains(answer.Body.String(), "boom") || !strings.Contains(log.String(), "boom")) {
				t.Errorf("got %d %s, log %s, want a 500 that tells the log only", answer.Code, answer.Body, log.String())
			}
			if len(seen[0].Warnings) > 0 != (test.want.Decision == Warned) {
				t.Errorf("got warnings %q", seen[0].Warnings)
			}
		})
	}
	for _, outcome := range WarnOutcomes() {
		if !reached[outcome] {
			t.Errorf("no test reaches %v", outcome)
		}
	}
}

// TestWarnerTellsWhere: people look at what controls the object, at itself if it
// is not new, or at its service account.
func TestWarnerTellsWhere(t *testing.T) {
	const controlled = `"ownerReferences":[{"kind":"Node","name":"n"},{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"wi-api-7","uid":"8","controller":true}]`
	review := func(kind, metadata string) string {
		body := warnReviewOf(kind, "CREATE", `{"metadata":{`+metadata+`},"spec":{"serviceAccountName":"wi-demo-sa"}}`)
		if kind == "Deployment" {
			body = strings.Replace(body, `"group":""`, `"group":"apps"`, 1)
		}
		return strings.Replace(body, `"uid":"u-1"`, `"uid":"u-1","dryRun":true`, 1)
	}
	replicaSet := &Owner{"apps/v1", "ReplicaSet", "wi-api-7", "8", true}
	for name, test := range map[string]struct {
		body, kind, object, account string
		owner                       *Owner
	}{
		"pod":            {review("Pod", `"generateName":"wi-api-",`+controlled), "Pod", "wi-api- (prefix)", "wi-demo-sa", replicaSet},
		"pod_alone":      {review("Pod", `"name":"a"`), "Pod", "a", "wi-demo-sa", nil},
		"new":            {review("Deployment", `"name":"wi-api"`), "Deployment", "wi-api", "wi-demo-sa", nil},
		"updated":        {review("Deployment", `"name":"wi-api","uid":"9"`), "Deployment", "wi-api", "wi-demo-sa", &Owner{APIVersion: "apps/v1", Kind: "Deployment", Name: "wi-api", UID: "9"}},
		"account":        {review("ServiceAccount", `"name":"s"`), "ServiceAccount", "s", "s", nil},
		"account_update": {review("ServiceAccount", `"name":"s","uid":"9"`), "ServiceAccount", "s", "s", &Owner{APIVersion: "v1", Kind: "ServiceAccount", Name: "s", UID: "9"}},
	} {
		t.Run(name, func(t *testing.T) {
			var seen *Reviewed
			config := HandlerConfig{Pods: demoConfig, Accounts: demoAccounts(), Observe: func(r *Reviewed) { seen = r }, Log: discard()}
			NewWarner(config).ServeHTTP(httptest.NewRecorder(), warnRequest(test.body))
			got := [4]string{seen.Namespace, seen.Kind, seen.Name, seen.ServiceAccount}
			if want := [4]string{"widemo", test.kind, test.object, test.account}; got != want || !seen.DryRun {
				t.Errorf("got %q, dry run %t, want %q of a dry run", got, seen.DryRun, want)
			}
			if (seen.Owner == nil) != (test.owner == nil) || seen.Owner != nil && *seen.Owner != *test.owner {
				t.Errorf("got owner %v, want %v", seen.Owner, test.owner)
			}
		})
	}
}

// FuzzWarn: no body makes the handler panic, deny or patch.
func FuzzWarn(f *testing.F) {
	f.Add([]byte(warnReviewOf("Deployment", "CREATE", `{"metadata":{"labels":{"azure.workload.identity/use":"x"}},"spec":{"template":{}}}`)))
	f.Add([]byte(warnReviewOf("CronJob", "UPDATE", `{"metadata":{"annotations":{"azure.workload.identity/client-id":"x"}},"spec":{"jobTemplate":{"spec":null}}}`)))
	f.Add([]byte(warnReviewOf("ServiceAccount", "CREATE", `{"metadata":{"name":"\u0000","annotations":{"azure.workload.identity/client-ids":"a=\n"}}}`)))
	f.Add(benchReview())
	f.Add([]byte(warnReviewOf("a\nb", "CREATE", `{"metadata":{"annotations":{"azure.workload.identity/client-id":"x"}}}`)))
	h := NewWarner(HandlerConfig{Pods: demoConfig, Accounts: demoAccounts(), Log: discard()})
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
