package node_test

import (
	"fmt"

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
