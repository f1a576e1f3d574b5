package inject

import (
	"reflect"
	"testing"
)

func TestIdentities(t *testing.T) {
	const one, two = "33333333-3333-3333-3333-333333333333", "44444444-4444-4444-4444-444444444444"
	sa := ServiceAccount{Namespace: "n", Name: "s", Annotations: map[string]string{
		"azure.workload.identity/client-id": one, "azure.workload.identity/client-ids": "key-vault=" + two,
	}}
	want := []Identity{{"", one, "AZURE_CLIENT_ID"}, {"key-vault", two, "AZURE_CLIENT_ID_KEY_VAULT"}}
	if got, err := Identities(sa); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	delete(sa.Annotations, "azure.workload.identity/client-id")
	if got, err := Identities(sa); err != nil || !reflect.DeepEqual(got, want[1:]) {
		t.Errorf("without client-id: got %+v, %v, want %+v", got, err, want[1:])
	}
	variables, warnings, err := Environment(sa, Config{TenantID: "t"})
	if err != nil || len(warnings) > 0 || variables[len(variables)-1] != (EnvVar{"AZURE_CLIENT_ID_KEY_VAULT", two}) {
		t.Errorf("got %v, %v, %v, want the variable last and no warning", variables, warnings, err)
	}
	sa.Annotations["azure.workload.identity/client-ids"] = "key-vault"
	if _, err := Identities(sa); err == nil {
		t.Error("got no error for an entry without a client id")
	}
}
