package inject

import (
	"slices"
	"strings"
	"testing"
)

const (
	use     = `"azure.workload.identity/use":"true"`
	askings = `"azure.workload.identity/inject-proxy-sidecar":"true"`
	client  = `"azure.workload.identity/client-id":"33333333-3333-3333-3333-333333333333"`
)

// annotatedAccount is one with an identity.
func annotatedAccount() ServiceAccount {
	return ServiceAccount{Namespace: "n", Name: "sa", Annotations: map[string]string{"azure.workload.identity/client-id": "33333333-3333-3333-3333-333333333333"}}
}

// meta is an object's metadata with labels and annotations.
func meta(labels, annotations string) string {
	return `"metadata":{"name":"x","labels":{` + labels + `},"annotations":{` + annotations + `}}`
}

// deployment has metadata of its own and of its pods.
func deployment(own, pods string) string {
	return `{` + own + `,"spec":{"template":{` + pods + `,"spec":{"serviceAccountName":"sa"}}}}`
}

func TestSuspect(t *testing.T) {
	plain := meta("", "")
	const (
		add        = `add azure.workload.identity/use: "true" to spec.template.metadata.labels`
		addToPod   = `add azure.workload.identity/use: "true" to metadata.labels`
		addCronJob = `add azure.workload.identity/use: "true" to spec.jobTemplate.spec.template.metadata.labels`
	)
	pod := func(metadata string) string { return `{` + metadata + `,"spec":{"serviceAccountName":"sa"}}` }
	tests := []struct {
		name, kind, object string
		unknown            bool // the service account
		want               []string
	}{
		{name: "pod_without_label", kind: "Pod", object: pod(plain),
			want: []string{`Pod "x" runs as service account "sa", which has an identity, without the label: ` + addToPod}},
		{name: "pod_of_unknown_account", kind: "Pod", object: pod(plain), unknown: true},
		{name: "pod_with_label", kind: "Pod", object: pod(meta(use, client))}, // Mutate warns
		{name: "pod_opted_out", kind: "Pod", object: pod(meta(`"azure.workload.identity/use":"false"`, askings))},
		{name: "pod_label_case", kind: "Pod", object: pod(meta(`"azure.workload.identity/use":"True"`, "")),
			want: []string{`label azure.workload.identity/use of Pod "x" has value "True", not "true": set azure.workload.identity/use: "true" in metadata.labels`}},
		{name: "pod_mirror", kind: "Pod", object: pod(meta("", `"kubernetes.io/config.mirror":"1"`))},
		{name: "pod_annotation", kind: "Pod", object: pod(meta("", askings)), unknown: true,
			want: []string{`annotation azure.workload.identity/inject-proxy-sidecar of Pod "x" does nothing without the label: ` + addToPod}},
		{name: "pod_label_as_annotation", kind: "Deployment", object: deployment(plain, meta("", use)), unknown: true,
			want: []string{`azure.workload.identity/use is an annotation of the pods of Deployment "x", not a label: ` + add}},
		{name: "pod_misspelt", kind: "Deployment", object: deployment(plain, meta(use, `"azure.workload.identity/inject-proxy":"true"`)),
			want: []string{`nobody reads annotation "azure.workload.identity/inject-proxy" of Deployment "x": azure.workload.identity/inject-proxy-sidecar may be meant`}},
		{name: "account_misspelt", kind: "ServiceAccount", object: `{` + meta("", `"azure.workload.identity/client_id":"x","other/client_id":"x"`) + `}`,
			want: []string{`nobody reads annotation "azure.workload.identity/client_id" of ServiceAccount "x": azure.workload.identity/client-id may be meant`}},
		{name: "pod_annotation_false", kind: "Pod", object: pod(meta("", `"azure.workload.identity/inject-proxy-sidecar":"false"`)), unknown: true},
		{name: "pod_account_annotation", kind: "Pod", object: pod(meta("", client)), unknown: true,
			want: []string{`annotation azure.workload.identity/client-id in metadata.annotations of Pod "x" does nothing there: move it to service account "sa"`}},
		{name: "pod_default_account", kind: "Pod", object: `{` + meta("", client) + `,"spec":{}}`, unknown: true,
			want: []string{`annotation azure.workload.identity/client-id in metadata.annotations of Pod "x" does nothing there: move it to service account "default"`}},
		{name: "deployment_right", kind: "Deployment", object: deployment(plain, meta(use, askings))},
		{name: "deployment_without_label", kind: "Deployment", object: deployment(plain, plain),
			want: []string{`Deployment "x" runs as service account "sa", which has an identity, without the label: ` + add}},
		{name: "deployment_label_itself", kind: "Deployment", object: deployment(meta(use, ""), plain), unknown: true,
			want: []string{`label azure.workload.identity/use is on Deployment "x", not on its pods: ` + add}},
		{name: "deployment_label_value", kind: "StatefulSet", object: deployment(plain, meta(`"azure.workload.identity/use":"yes"`, "")),
			want: []string{`label azure.workload.identity/use of the pods of StatefulSet "x" has value "yes", not "true": set azure.workload.identity/use: "true" in spec.template.metadata.labels`}},
		{name: "deployment_annotation_itself", kind: "DaemonSet", object: deployment(meta("", askings), meta(use, "")),
			want: []string{`annotation azure.workload.identity/inject-proxy-sidecar in metadata.annotations of DaemonSet "x" does nothing there: move it to spec.template.metadata.annotations`}},
		{name: "deployment_account_annotation", kind: "Deployment", object: deployment(meta("", client), meta(use, "")),
			want: []string{`annotation azure.workload.identity/client-id in metadata.annotations of Deployment "x" does nothing there: move it to service account "sa"`}},
		{name: "template_account_annotation", kind: "Deployment", object: deployment(plain, meta(use, client)),
			want: []string{`annotation azure.workload.identity/client-id in spec.template.metadata.annotations of Deployment "x" does nothing there: move it to service account "sa"`}},
		{name: "everything_itself", kind: "Job", object: deployment(meta(use, askings), plain), unknown: true,
			want: []string{`label azure.workload.identity/use is on Job "x", not on its pods: ` + add,
				`annotation azure.workload.identity/inject-proxy-sidecar in metadata.annotations of Job "x" does nothing there: move it to spec.template.metadata.annotations`}},
		{name: "replica_set_of_deployment", kind: "ReplicaSet", object: strings.Replace(deployment(plain, plain), `"name":"x"`, `"name":"x","ownerReferences":[{"kind":"Deployment","controller":true}]`, 1)},
		{name: "replica_set_of_other", kind: "ReplicaSet", object: strings.Replace(deployment(plain, plain), `"name":"x"`, `"name":"x","ownerReferences":[{"kind":"Rollout","controller":true}]`, 1),
			want: []string{`ReplicaSet "x" runs as service account "sa", which has an identity, without the label: ` + add}},
		{name: "cron_job", kind: "CronJob", object: `{` + plain + `,"spec":{"jobTemplate":{` + plain + `,"spec":{"template":{` + plain + `,"spec":{"serviceAccount":"sa"}}}}}}`,
			want: []string{`CronJob "x" runs as service account "sa", which has an identity, without the label: ` + addCronJob}},
		{name: "cron_job_label_of_job", kind: "CronJob", object: `{` + plain + `,"spec":{"jobTemplate":{` + meta(use, askings) + `,"spec":{"template":{` + plain + `}}}}}`, unknown: true,
			want: []string{`label azure.workload.identity/use is on CronJob "x", not on its pods: ` + addCronJob,
				`annotation azure.workload.identity/inject-proxy-sidecar in spec.jobTemplate.metadata.annotations of CronJob "x" does nothing there: move it to spec.jobTemplate.spec.template.metadata.annotations`}},
		{name: "account_right", kind: "ServiceAccount", object: `{` + meta("", client) + `}`},
		{name: "account_label", kind: "ServiceAccount", object: `{` + meta(use, client) + `}`,
			want: []string{`label azure.workload.identity/use does nothing on ServiceAccount "x": add azure.workload.identity/use: "true" to the labels of its pods`}},
		{name: "account_pod_annotation", kind: "ServiceAccount", object: `{` + meta("", askings) + `}`,
			want: []string{`annotation azure.workload.identity/inject-proxy-sidecar does nothing on ServiceAccount "x": move it to the annotations of its pods`}},
		{name: "account_expiration", kind: "ServiceAccount", object: `{` + meta("", `"azure.workload.identity/service-account-token-expiration":"3600"`) + `}`},
		{name: "account_bad_client", kind: "ServiceAccount", object: `{` + meta("", `"azure.workload.identity/client-id":"x"`) + `}`,
			want: []string{`its pods will be refused: annotation azure.workload.identity/client-id of service account "n/x" has value "x": expected a GUID, the client id of a managed identity or an application`}},
		{name: "account_bad_expiration", kind: "ServiceAccount", object: `{` + meta("", `"azure.workload.identity/service-account-token-expiration":"1"`) + `}`,
			want: []string{`its pods will be refused: annotation azure.workload.identity/service-account-token-expiration of service account "n/x" has value "1": token expiration 1 not valid. Expected value to be between 3600 and 86400`}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			account := annotatedAccount()
			if test.unknown {
				account.Annotations = nil
			}
			got, err := Suspect(test.kind, []byte(test.object), account, Config{})
			if err != nil || !slices.Equal(got, test.want) {
				t.Errorf("got %q, %v, want %q", got, err, test.want)
			}
		})
	}
}

// TestSuspectAsksOnlyWhenItMatters: a service account is looked up for objects
// that might say nothing else, and no others.
func TestSuspectAsksOnlyWhenItMatters(t *testing.T) {
	for object, want := range map[string]string{
		deployment(meta("", ""), meta("", "")):     "sa",
		deployment(meta("", ""), meta(use, "")):    "",
		`{` + meta(use, "") + `,"spec":{}}`:        "",
		`{` + meta("", "") + `,"spec":{}}`:         "default",
		deployment(meta(use, ""), meta("", "")):    "",
		`{"metadata":null,"spec":{"template":{}}}`: "default",
	} {
		s, err := parseSuspect("Pod", []byte(object))
		if err != nil || s.asks(Config{}) != want {
			t.Errorf("%s: got %q, %v, want %q", object, s.asks(Config{}), err, want)
		}
	}
}

// TestSuspectOtherAnnotation: the annotation of the cluster's token endpoint is
// the cluster's choice.
func TestSuspectOtherAnnotation(t *testing.T) {
	object := []byte(`{` + meta("", `"azure.workload.identity/use-team":"true"`) + `,"spec":{}}`)
	for want, endpoint := range map[string]*TokenEndpoint{"nobody reads": nil, "does nothing without the label": {Suffix: "team"}} {
		got, err := Suspect("Pod", object, ServiceAccount{}, Config{TokenEndpoint: endpoint})
		if err != nil || len(got) != 1 || !strings.Contains(got[0], want) {
			t.Errorf("%+v: got %q, %v, want one with %q", endpoint, got, err, want)
		}
	}
}

// TestSuspectWarningsFit: Kubernetes may cut off what is longer than 256 bytes.
func TestSuspectWarningsFit(t *testing.T) {
	long := strings.Repeat("n", 63)
	everything := client + `,` + askings
	for _, key := range podKeys(Config{}) {
		everything += `,"` + key + `":"true"`
	}
	for _, key := range accountAnnotations() {
		everything += `,"` + key + `":"x"`
	}
	metas := meta(`"azure.workload.identity/use":"`+long+`"`, everything)
	for _, labels := range []string{metas, meta("", everything), meta("", "")} {
		spec := `"spec":{"serviceAccountName":"` + long + `"}`
		object := strings.ReplaceAll(`{`+metas+`,"spec":{"jobTemplate":{`+metas+`,"spec":{"template":{`+labels+`,`+spec+`}}}}}`, `"name":"x"`, `"name":"`+long+`"`)
		bare := strings.Replace(object, metas, meta("", ""), 2)
		for _, text := range []string{object, strings.ReplaceAll(bare, `"name":"x"`, `"name":"`+long+`"`)} {
			warnings, err := Suspect("StatefulSet", []byte(text), annotatedAccount(), Config{})
			if err != nil || len(warnings) == 0 {
				t.Errorf("%s: got %q, %v, want warnings", text, warnings, err)
			}
			for _, warning := range warnings {
				if len(warning) > 256 {
					t.Errorf("got a warning of %d bytes, want at most 256: %s", len(warning), warning)
				}
			}
		}
	}
}
