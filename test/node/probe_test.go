package node_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/aksess/aksess/test/e2e"
)

const (
	probeImage = "aksess.test/probe:1"
	probePort  = "8080"

	annotationPrefix = "azure.workload.identity/"
	useLabel         = annotationPrefix + "use"
)

// withProxy are annotations, without their prefix, and the one that asks for the proxy.
func withProxy(more map[string]string) map[string]string {
	annotations := map[string]string{annotationPrefix + "inject-proxy-sidecar": "true"}
	for name, value := range more {
		annotations[annotationPrefix+name] = value
	}
	return annotations
}

// probePod is a pod of the scenario's service account whose program answers the
// tests, ready when it does.
func probePod(name string, annotations map[string]string) *corev1.Pod {
	ready := &corev1.Probe{
		ProbeHandler:  corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/ready", Port: intstr.Parse(probePort)}},
		PeriodSeconds: 1,
	}
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name: name, Namespace: e2e.Namespace, Annotations: annotations, Labels: map[string]string{useLabel: "true"},
		},
		Spec: corev1.PodSpec{
			ServiceAccountName: e2e.ServiceAccount,
			Containers:         []corev1.Container{{Name: "main", Image: probeImage, Args: []string{"serve"}, ReadinessProbe: ready}},
		},
	}
}

// errNotYet is what a condition that does not hold yet looks like.
func errNotYet(what string, status any) error { return fmt.Errorf("%s is %+v", what, status) }

// reply is what the probe says of the metadata service's answer.
type reply struct {
	Status int
	Body   string // without a token
	Claims claims // of the token
	Error  string
}

// claims is what the probe says of a token.
type claims struct {
	ClientID string `json:"appid"`
	ObjectID string `json:"oid"`
	ID       string `json:"jti"`
}

// reading is what the probe has read, as whom.
type reading struct {
	Claims       claims
	Value, Error string
}

// ask has the probe ask the metadata service.
func (w *world) ask(t *testing.T, pod *corev1.Pod, path, header string) reply {
	t.Helper()
	var answer reply
	query := url.Values{"path": {path}, "metadata": {header}}
	if err := w.node.Get(t.Context(), pod, probePort, "plain?"+query.Encode(), &answer); err != nil {
		t.Fatal(err)
	}
	return answer
}

// read has the probe read what is at the address, by Azure's SDK.
func (w *world) read(t *testing.T, pod *corev1.Pod, address string) reading {
	t.Helper()
	var answer reading
	if err := w.node.Get(t.Context(), pod, probePort, "sdk?"+url.Values{"url": {address}}.Encode(), &answer); err != nil {
		t.Fatal(err)
	}
	return answer
}

// checkReads checks that the pod's program reads the secret as the identity.
func (w *world) checkReads(t *testing.T, pod *corev1.Pod) {
	t.Helper()
	w.checkReading(t, w.read(t, pod, e2e.SecretURL), e2e.Canary)
}

func (w *world) checkReading(t *testing.T, got reading, want string) {
	t.Helper()
	if got.Error != "" || got.Value != want || got.Claims.ClientID != w.scenario.ClientID || got.Claims.ObjectID != w.scenario.PrincipalID {
		t.Errorf("reading by the SDK: got %+v, want %q as client %s", got, want, w.scenario.ClientID)
	}
}

// checkOnce checks what a probe that ran once has printed.
func (w *world) checkOnce(t *testing.T, log string) {
	t.Helper()
	var printed struct {
		SDK   reading
		Plain reply
	}
	if err := json.Unmarshal([]byte(log), &printed); err != nil {
		t.Fatalf("reading what the program printed, %q: %v", log, err)
	}
	w.checkReading(t, printed.SDK, e2e.Canary)
	if printed.Plain.Status != http.StatusOK || printed.Plain.Claims.ClientID != w.scenario.ClientID {
		t.Errorf("plain request: got %+v, want the token of client %s", printed.Plain, w.scenario.ClientID)
	}
}
