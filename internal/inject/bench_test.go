package inject

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// benchReview is a review of about 5 KB: two containers, twelve variables each.
func benchReview() []byte {
	env := make([]string, 12)
	for i := range env {
		env[i] = fmt.Sprintf(`{"name":"SETTING_%02d","value":"some value number %d"}`, i, i)
	}
	one := func(name string) string {
		return fmt.Sprintf(`{"name":%q,"image":"registry.example.test/team/%s@sha256:%s","args":["--port=8080","--v=2"],"env":[%s],
"ports":[{"containerPort":8080,"protocol":"TCP"}],"resources":{"limits":{"memory":"1Gi"},"requests":{"cpu":"500m","memory":"1Gi"}},
"volumeMounts":[{"name":"config","mountPath":"/etc/config"},{"name":"kube-api-access-x2x9z","readOnly":true,"mountPath":"/var/run/secrets/kubernetes.io/serviceaccount"}],
"livenessProbe":{"httpGet":{"path":"/api/health","port":8080,"scheme":"HTTP"},"timeoutSeconds":10,"periodSeconds":40,"successThreshold":1,"failureThreshold":3},
"terminationMessagePath":"/dev/termination-log","terminationMessagePolicy":"File","imagePullPolicy":"Always"}`,
			name, name, strings.Repeat("ab", 32), strings.Join(env, ","))
	}
	return fmt.Appendf(nil, `{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":"705ab4f5-6393-11e8-b7cc-42010a800002",
"kind":{"group":"","version":"v1","kind":"Pod"},"resource":{"group":"","version":"v1","resource":"pods"},
"namespace":"widemo","operation":"CREATE","userInfo":{"username":"system:serviceaccount:kube-system:replicaset-controller","uid":"1","groups":["system:serviceaccounts","system:authenticated"]},
"object":{"kind":"Pod","apiVersion":"v1","metadata":{"generateName":"wi-api-7c5d9f7b9b-","namespace":"widemo","labels":{"app":"wi-api","service":"wi-api","azure.workload.identity/use":"true","pod-template-hash":"7c5d9f7b9b"},
"annotations":{"example.test/owner":"team"},"ownerReferences":[{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"wi-api-7c5d9f7b9b","uid":"2","controller":true,"blockOwnerDeletion":true}]},
"spec":{"volumes":[{"name":"config","configMap":{"name":"widemo-configmap","defaultMode":420}},{"name":"kube-api-access-x2x9z","projected":{"sources":[{"serviceAccountToken":{"expirationSeconds":3607,"path":"token"}},{"configMap":{"name":"kube-root-ca.crt","items":[{"key":"ca.crt","path":"ca.crt"}]}},{"downwardAPI":{"items":[{"path":"namespace","fieldRef":{"apiVersion":"v1","fieldPath":"metadata.namespace"}}]}}],"defaultMode":420}}],
"containers":[%s,%s],"restartPolicy":"Always","terminationGracePeriodSeconds":90,"dnsPolicy":"ClusterFirst","serviceAccountName":"wi-demo-sa","serviceAccount":"wi-demo-sa","securityContext":{},"schedulerName":"default-scheduler",
"tolerations":[{"key":"node.kubernetes.io/not-ready","operator":"Exists","effect":"NoExecute","tolerationSeconds":300},{"key":"node.kubernetes.io/unreachable","operator":"Exists","effect":"NoExecute","tolerationSeconds":300}],"priority":0,"enableServiceLinks":true,"preemptionPolicy":"PreemptLowerPriority"}},
"oldObject":null,"dryRun":false,"options":{"kind":"CreateOptions","apiVersion":"meta.k8s.io/v1"}}}`, one("wi-api"), one("helper"))
}

// accounts is a fixed set of service accounts.
type accounts map[string]ServiceAccount

func (a accounts) Get(_ context.Context, namespace, name string) (ServiceAccount, error) {
	if sa, ok := a[namespace+"/"+name]; ok {
		return sa, nil
	}
	return ServiceAccount{}, ErrNotFound
}

func demoAccounts() accounts {
	return accounts{"widemo/wi-demo-sa": {Namespace: "widemo", Name: "wi-demo-sa", Annotations: map[string]string{
		"azure.workload.identity/client-id": "33333333-3333-3333-3333-333333333333",
	}}}
}

func demoConfig() Config { return Config{TenantID: "22222222-2222-2222-2222-222222222222"} }

// BenchmarkReview is the decision without a connection; bench/ has it beside the
// least that a webhook must do.
func BenchmarkReview(b *testing.B) {
	body := benchReview()
	h := NewHandler(HandlerConfig{Pods: demoConfig, Accounts: demoAccounts(), Log: slog.New(slog.NewJSONHandler(io.Discard, nil))})
	b.Run("Handler", func(b *testing.B) {
		b.SetBytes(int64(len(body)))
		b.ReportAllocs()
		for b.Loop() {
			answer := httptest.NewRecorder()
			h.ServeHTTP(answer, newReviewRequest(body))
			if answer.Code != http.StatusOK {
				b.Fatal(answer.Code, answer.Body)
			}
		}
	})
}

func newReviewRequest(body []byte) *http.Request {
	r := httptest.NewRequest(http.MethodPost, MutatePath, bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	return r
}

// TestReviewAllocations: the budget holds for a pod that asks for everything, too.
func TestReviewAllocations(t *testing.T) {
	everything := `"azure.workload.identity/inject-proxy-sidecar":"true","azure.workload.identity/proxy-sidecar-mode":"endpoint",
"azure.workload.identity/use-identity-binding":"true","azure.workload.identity/skip-containers":"other"`
	config := demoConfig()
	config.Proxy.Image = "proxy:1"
	config.TokenEndpoint = &TokenEndpoint{ProxyURL: "https://kubernetes.default.svc", SNIName: "sni", CAConfigMap: "kube-root-ca.crt"}
	h := NewHandler(HandlerConfig{
		Pods: func() Config { return config }, Accounts: demoAccounts(), Log: slog.New(slog.NewJSONHandler(io.Discard, nil)),
	})
	plain := benchReview()
	for name, body := range map[string][]byte{
		"plain": plain, "everything": bytes.Replace(plain, []byte(`"example.test/owner":"team"`), []byte(everything), 1),
	} {
		got := testing.AllocsPerRun(100, func() { h.ServeHTTP(httptest.NewRecorder(), newReviewRequest(body)) })
		if t.Logf("%s: %.0f allocations", name, got); got > 300 {
			t.Errorf("%s: got %.0f allocations for one review, want at most 300", name, got)
		}
	}
}
