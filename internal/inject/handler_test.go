package inject

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
)

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

func discardLogger() *log.Logger { return slog.NewLogLogger(slog.DiscardHandler, slog.LevelError) }

// syncBuffer is a log that several requests write to.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// webhook is the real handler behind the real certificates, on loopback.
type webhook struct {
	url    string
	client *http.Client
	log    *syncBuffer
}

func startWebhook(t *testing.T, accounts ServiceAccounts, config func() Config) webhook {
	t.Helper()
	certificates := NewCertificates(CertificatesConfig{Names: serviceNames})
	if _, err := certificates.Rotate(context.Background()); err != nil {
		t.Fatal(err)
	}
	log := new(syncBuffer)
	server := httptest.NewUnstartedServer(NewHandler(HandlerConfig{Pods: config, Accounts: accounts, Excluded: []string{"kube-system"}, Log: slog.New(slog.NewJSONHandler(log, nil))}))
	server.TLS = &tls.Config{MinVersion: tls.VersionTLS13, GetCertificate: certificates.GetCertificate}
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	server.StartTLS()
	t.Cleanup(server.Close)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(certificates.Bundle())
	// With a server name crypto/tls asks GetCertificate, not the certificate of StartTLS.
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: serviceNames[0]}}}
	t.Cleanup(client.CloseIdleConnections)
	return webhook{url: server.URL, client: client, log: log}
}

func (w webhook) post(t *testing.T, body string) (int, string) {
	t.Helper()
	response, err := w.client.Post(w.url+MutatePath, "application/json; charset=utf-8", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	out, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(out)
}

// reviewOf wraps a pod the way an API server does.
func reviewOf(version, pod string) string {
	return fmt.Sprintf(`{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/%s","request":{"uid":"u-1","kind":{"group":"","version":"v1","kind":"Pod"},
"resource":{"group":"","version":"v1","resource":"pods"},"namespace":"widemo","operation":"CREATE","object":%s}}`, version, pod)
}

const labelledPod = `{"apiVersion":"v1","kind":"Pod","metadata":{"generateName":"wi-api-","labels":{"azure.workload.identity/use":"true"}},
"spec":{"serviceAccountName":"wi-demo-sa","containers":[{"name":"wi-api"}]}}`

func TestHandlerMutates(t *testing.T) {
	w := startWebhook(t, demoAccounts(), demoConfig)
	for _, version := range []string{"v1", "v1beta1"} {
		code, out := w.post(t, reviewOf(version, labelledPod))
		var answer reviewAnswer
		if err := json.Unmarshal([]byte(out), &answer); err != nil || code != http.StatusOK {
			t.Fatalf("%d %s: %v", code, out, err)
		}
		if answer.APIVersion != "admission.k8s.io/"+version || answer.Kind != "AdmissionReview" || answer.Response.UID != "u-1" ||
			!answer.Response.Allowed || answer.Response.PatchType != "JSONPatch" {
			t.Errorf("got %s", out)
		}
		var patch []Operation
		if err := json.Unmarshal(answer.Response.Patch, &patch); err != nil {
			t.Fatal(err)
		}
		want, err := Mutate([]byte(labelledPod), demoAccounts()["widemo/wi-demo-sa"], demoConfig())
		if err != nil || len(patch) == 0 || len(patch) != len(want.Patch) {
			t.Errorf("got %s, %v, want what Mutate returns", answer.Response.Patch, err)
		}
	}
	if log := w.log.String(); !strings.Contains(log, `"decision":"mutated"`) || !strings.Contains(log, `"uid":"u-1"`) ||
		!strings.Contains(log, `"namespace":"widemo"`) || !strings.Contains(log, `"pod":"wi-api- (prefix)"`) {
		t.Errorf("got log %s", log)
	}
}

// TestAnswerEncodes: without reflection comes what comes with it.
func TestAnswerEncodes(t *testing.T) {
	for name, response := range map[string]response{
		"mutated":  {UID: "u-1", Allowed: true, Patch: []byte(`[{"op":"add"}]`), PatchType: "JSONPatch"},
		"skipped":  {UID: "u-1", Allowed: true},
		"warned":   {UID: "u-1", Allowed: true, Warnings: []string{"a <b>"}},
		"denied":   deny(400, "BadRequest", `"no"`),
		"odd_uid":  {UID: "u\"\\\n<\u00e9\xff", Allowed: true, Patch: []byte("x"), PatchType: "JSONPatch"},
		"odd_uid2": {UID: "a&b", Allowed: true},
	} {
		answer := reviewAnswer{APIVersion: "admission.k8s.io/v1", Kind: "AdmissionReview", Response: response}
		want, err := json.Marshal(answer)
		if got := answer.encode(); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: got %s, want %s, %v", name, got, want, err)
		}
	}
}

func TestHandlerDefaultServiceAccount(t *testing.T) {
	w := startWebhook(t, accounts{"widemo/default": {Namespace: "widemo", Name: "default"}}, demoConfig)
	_, out := w.post(t, reviewOf("v1", strings.Replace(labelledPod, `"serviceAccountName":"wi-demo-sa",`, "", 1)))
	if !strings.Contains(out, `"allowed":true`) || !strings.Contains(out, `service account \"widemo/default\" has no annotation`) {
		t.Errorf("got %s, want the default service account's warning", strings.ReplaceAll(out, `\\"`, `\"`))
	}
	_, out = w.post(t, reviewOf("v1", strings.Replace(labelledPod, `"serviceAccountName"`, `"serviceAccount"`, 1)))
	if !strings.Contains(out, "wi-demo-sa") {
		t.Errorf("got %s, want the deprecated field honoured", out)
	}
}

// failingAccounts stands for an API server that is not there, or worse.
type failingAccounts struct{ panics bool }

func (f failingAccounts) Get(context.Context, string, string) (ServiceAccount, error) {
	if f.panics {
		panic("boom")
	}
	return ServiceAccount{}, errors.New("dial tcp 10.0.0.1:443: connection refused")
}

func TestHandlerAnswers(t *testing.T) {
	pod := func(from, to string) string { return strings.Replace(labelledPod, from, to, 1) }
	review := reviewOf("v1", labelledPod)
	tests := []struct {
		name, body string
		accounts   ServiceAccounts
		code       int
		want       []string
		log        string
	}{
		{name: "unlabelled", body: reviewOf("v1", pod(`"true"`, `"false"`)), code: 200, want: []string{`"allowed":true`, "warnings"}, log: `"decision":"skipped"`},
		{name: "no_label", body: reviewOf("v1", pod(`azure.workload.identity/use`, `app`)), code: 200, want: []string{`{"uid":"u-1","allowed":true}`}, log: `"decision":"skipped"`},
		{name: "update", body: strings.Replace(review, "CREATE", "UPDATE", 1), code: 200, want: []string{`{"uid":"u-1","allowed":true}`}, log: "does not create"},
		{name: "other_resource", body: strings.Replace(review, `"pods"`, `"nodes"`, 1), code: 200, want: []string{`{"uid":"u-1","allowed":true}`}},
		{name: "no_account", body: reviewOf("v1", pod("wi-demo-sa", "nobody")), code: 200,
			want: []string{`"allowed":false`, `"code":400`, `widemo/nobody`, "does not exist"}, log: `"decision":"denied"`},
		{name: "bad_annotation", body: reviewOf("v1", pod(`"labels"`, `"annotations":{"azure.workload.identity/service-account-token-expiration":"100"},"labels"`)), code: 200,
			want: []string{`"allowed":false`, `"code":400`, `"reason":"BadRequest"`, "azure.workload.identity/service-account-token-expiration", "token expiration 100 not valid"}, log: `"level":"WARN"`},
		{name: "outage", body: review, accounts: failingAccounts{}, code: 200,
			want: []string{`"allowed":false`, `"code":500`, `"reason":"InternalError"`, "try again"}, log: "connection refused"},
		{name: "panic", body: review, accounts: failingAccounts{panics: true}, code: 500, want: []string{"internal error"}, log: `"cause":"boom"`},
		{name: "no_object", body: reviewOf("v1", "null"), code: 200, want: []string{`"allowed":false`, "carries no object"}},
		{name: "mistyped", body: reviewOf("v1", `{"spec":{"containers":{}}}`), code: 200, want: []string{`"uid":"u-1"`, `"allowed":false`, `"code":400`, "not a pod"}},
		{name: "not_json", body: "hello", code: 400, want: []string{"reading review"}},
		{name: "empty", body: "", code: 400},
		{name: "truncated", body: review[:len(review)-9], code: 400},
		{name: "other_kind", body: strings.Replace(review, "AdmissionReview", "Pod", 1), code: 400, want: []string{`kind "Pod"`}},
		{name: "other_version", body: reviewOf("v2", labelledPod), code: 400, want: []string{"not an AdmissionReview"}},
		{name: "no_request", body: `{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1"}`, code: 400, want: []string{"no request"}},
		{name: "no_uid", body: strings.Replace(review, "u-1", "", 1), code: 400, want: []string{"no request"}},
		{name: "too_large", body: review + strings.Repeat(" ", MaxReviewBytes), code: 413, want: []string{"larger than"}},
		{name: "deep", body: reviewOf("v1", strings.Repeat("[", 20000)+strings.Repeat("]", 20000)), code: 400},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if test.accounts == nil {
				test.accounts = demoAccounts()
			}
			w := startWebhook(t, test.accounts, demoConfig)
			code, out := w.post(t, test.body)
			if code != test.code {
				t.Errorf("got %d %s, want %d", code, out, test.code)
			}
			for _, want := range test.want {
				if !strings.Contains(out, want) {
					t.Errorf("got %s, want %s", out, want)
				}
			}
			if strings.Contains(out, "connection refused") {
				t.Errorf("got %s, want nothing of the inside", out)
			}
			if !strings.Contains(w.log.String(), test.log) {
				t.Errorf("got log %s, want %s", w.log, test.log)
			}
		})
	}
}

func TestHandlerRefusesOtherRequests(t *testing.T) {
	h := NewHandler(HandlerConfig{Pods: demoConfig, Accounts: demoAccounts(), Log: discard()})
	tests := []struct {
		name, method, path, contentType string
		want                            int
	}{
		{"get", http.MethodGet, MutatePath, "application/json", 405},
		{"path", http.MethodPost, "/", "application/json", 404},
		{"form", http.MethodPost, MutatePath, "application/x-www-form-urlencoded", 415},
		{"no_type", http.MethodPost, MutatePath, "", 415},
		{"type_prefix", http.MethodPost, MutatePath, "application/jsonx", 415},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := httptest.NewRequest(test.method, test.path, strings.NewReader(reviewOf("v1", labelledPod)))
			r.Header.Set("Content-Type", test.contentType)
			answer := httptest.NewRecorder()
			h.ServeHTTP(answer, r)
			if answer.Code != test.want {
				t.Errorf("got %d, want %d", answer.Code, test.want)
			}
		})
	}
}

// blockedAccounts holds every review until it is released.
type blockedAccounts struct {
	entered chan struct{}
	release chan struct{}
}

func (b blockedAccounts) Get(context.Context, string, string) (ServiceAccount, error) {
	b.entered <- struct{}{}
	<-b.release
	return ServiceAccount{}, ErrNotFound
}

func TestHandlerBoundsReviewsInFlight(t *testing.T) {
	blocked := blockedAccounts{entered: make(chan struct{}), release: make(chan struct{})}
	log := new(syncBuffer)
	h := NewHandler(HandlerConfig{Pods: demoConfig, Accounts: blocked, Log: slog.New(slog.NewJSONHandler(log, nil))})
	var reviews sync.WaitGroup
	for range maxInFlight {
		reviews.Go(func() { h.ServeHTTP(httptest.NewRecorder(), newReviewRequest(benchReview())) })
		<-blocked.entered
	}
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	answer := httptest.NewRecorder()
	h.ServeHTTP(answer, newReviewRequest(benchReview()).WithContext(gone))
	if answer.Code != http.StatusServiceUnavailable || answer.Header().Get("Retry-After") == "" {
		t.Errorf("got %d, want 503 with Retry-After", answer.Code)
	}
	if !strings.Contains(log.String(), `"reason":"busy"`) || strings.Count(log.String(), "\n") != 1 {
		t.Errorf("got log %s, want a line about the review that was not taken", log)
	}
	close(blocked.release)
	reviews.Wait()
}

func TestHandlerReinvocation(t *testing.T) {
	w := startWebhook(t, demoAccounts(), demoConfig)
	result, err := Mutate([]byte(labelledPod), demoAccounts()["widemo/wi-demo-sa"], demoConfig())
	if err != nil {
		t.Fatal(err)
	}
	_, out := w.post(t, reviewOf("v1", string(apply(t, []byte(labelledPod), result.Patch))))
	if !strings.Contains(out, `{"uid":"u-1","allowed":true}`) || !strings.Contains(w.log.String(), `"decision":"unchanged"`) {
		t.Errorf("got %s, log %s, want no patch", out, w.log)
	}
}

func TestHealth(t *testing.T) {
	var notReady error
	h := NewHealth(func() error { return notReady })
	get := func(path string) int {
		answer := httptest.NewRecorder()
		h.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, path, nil))
		return answer.Code
	}
	if got := [2]int{get("/healthz"), get("/readyz")}; got != [2]int{200, 200} {
		t.Errorf("ready: got %v", got)
	}
	notReady = errors.New("certificates are not ready yet")
	if got := [3]int{get("/healthz"), get("/readyz"), get("/")}; got != [3]int{200, 503, 404} {
		t.Errorf("not ready: got %v", got)
	}
}

// TestHandlerObserves: every request is told of once, with an outcome that is
// on the list.
func TestHandlerObserves(t *testing.T) {
	pod := func(from, to string) string { return strings.Replace(labelledPod, from, to, 1) }
	owned := pod(`"labels"`, `"ownerReferences":[{"kind":"Node","name":"n"},{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"wi-api-7","uid":"8","controller":true}],"labels"`)
	tests := []struct {
		name, body string
		accounts   ServiceAccounts
		want       Outcome
	}{
		{"mutated", reviewOf("v1", owned), nil, Outcome{Mutated, CauseNone}},
		{"warned", reviewOf("v1", pod(`"labels"`, `"annotations":{"azure.workload.identity/skip-containers":"x"},"labels"`)), nil, Outcome{Mutated, CauseWarned}},
		{"no_label", reviewOf("v1", pod("azure.workload.identity/use", "app")), nil, Outcome{Skipped, CauseNoLabel}},
		{"label_value", reviewOf("v1", pod(`"true"`, `"yes"`)), nil, Outcome{Skipped, CauseLabelValue}},
		{"mirror", reviewOf("v1", pod(`"labels"`, `"annotations":{"kubernetes.io/config.mirror":"x"},"labels"`)), nil, Outcome{Skipped, CauseMirrorPod}},
		{"kube_system", strings.Replace(reviewOf("v1", labelledPod), `"widemo"`, `"kube-system"`, 1), failingAccounts{}, Outcome{Skipped, CauseNamespace}},
		{"update", strings.Replace(reviewOf("v1", labelledPod), "CREATE", "UPDATE", 1), nil, Outcome{Skipped, CauseOtherRequest}},
		{"invalid", reviewOf("v1", pod(`"labels"`, `"annotations":{"azure.workload.identity/inject-proxy-sidecar":"maybe"},"labels"`)), nil, Outcome{Refused, CauseInvalid}},
		{"no_account", reviewOf("v1", pod("wi-demo-sa", "nobody")), nil, Outcome{Refused, CauseNoServiceAccount}},
		{"no_pod", reviewOf("v1", `{"spec":{"containers":{}}}`), nil, Outcome{Refused, CauseNoPod}},
		{"outage", reviewOf("v1", labelledPod), failingAccounts{}, Outcome{Failed, CauseAPIServer}},
		{"panic", reviewOf("v1", labelledPod), failingAccounts{panics: true}, Outcome{Failed, CausePanic}},
		{"malformed", "hello", nil, Outcome{NoReview, CauseMalformed}},
		{"too_large", strings.Repeat(" ", MaxReviewBytes+1), nil, Outcome{NoReview, CauseTooLarge}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var seen []*Reviewed
			var log bytes.Buffer
			config := HandlerConfig{Pods: demoConfig, Accounts: test.accounts, Excluded: []string{"kube-system"}, Log: slog.New(slog.NewJSONHandler(&log, nil)),
				Observe: func(r *Reviewed) { seen = append(seen, r) }}
			if config.Accounts == nil {
				config.Accounts = demoAccounts()
			}
			answer := httptest.NewRecorder()
			NewHandler(config).ServeHTTP(answer, newReviewRequest([]byte(test.body)))
			if len(seen) != 1 || seen[0].Outcome != test.want || !slices.Contains(Outcomes(), test.want) {
				t.Fatalf("got %+v, want one %v, which is on the list", seen, test.want)
			}
			if strings.Count(log.String(), "\n") != 1 {
				t.Errorf("got log %s, want one line", log.String())
			}
			if test.want.Decision == Mutated && (seen[0].PatchBytes < 100 || seen[0].Namespace != "widemo" || seen[0].ServiceAccount != "wi-demo-sa") {
				t.Errorf("got %+v", seen[0])
			}
			if owner := seen[0].Owner; test.name == "mutated" && (owner == nil || *owner != Owner{"apps/v1", "ReplicaSet", "wi-api-7", "8", true}) {
				t.Errorf("got owner %v, want the controller", owner)
			}
			if test.name == "kube_system" && !strings.Contains(answer.Body.String(), "left without an Azure identity") {
				t.Errorf("got %s, want a warning", answer.Body)
			}
		})
	}
}
