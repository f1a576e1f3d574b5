package arm

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"

	"github.com/aksess/aksess/internal/azapi"
)

// Host is the name under which every client knows Resource Manager.
const Host = "management.azure.com"

// Options is what Resource Manager is made of.
type Options struct {
	Resources *Resources
	Types     []*Type
	// Operations are those that no type makes: subscriptions, resource groups,
	// role assignments.
	Operations []azapi.Operation
	TenantID   string // the tenant that the subscriptions belong to
	// AcceptUnknown stores resources of types that are not served as they are
	// sent and returns them, without a meaning.
	AcceptUnknown bool
	// Hosts and Audiences are accepted beside Azure's own, for a local suffix.
	Hosts     []string
	Audiences []string
}

// Service makes the host management.azure.com out of its resource types. It
// fails on a type whose name is malformed or there twice, or whose parent is
// not served.
func Service(o Options) (*azapi.Service, error) {
	endpoints, err := bind(o.Resources, o.Types)
	if err != nil {
		return nil, err
	}
	var operations []azapi.Operation
	for _, e := range endpoints {
		operations = append(operations, e.operations()...)
	}
	operations = append(operations, operationOperations(o.Resources)...)
	operations = append(operations, o.Operations...)
	o.Resources.types = byName(o.Types)
	refusals := &refusals{resources: o.Resources, types: o.Types, tenant: o.TenantID, audiences: append([]string{
		"https://management.azure.com", "https://management.core.windows.net",
	}, o.Audiences...)}
	if o.AcceptUnknown {
		unknown := &opaque{resources: o.Resources, endpoints: index(endpoints), refusals: refusals}
		operations = append(operations, unknown.operations()...)
	}
	for i := range operations {
		if operations[i].Scope == nil {
			operations[i].Scope = scope(0)
		}
		operations[i] = plain(o.Resources.locked(operations[i]))
	}
	// A token for "https://management.core.windows.net//.default" has an aud
	// that ends in a slash: one slash of the two is the scope's own.
	return &azapi.Service{
		Name: "arm", NamesHosts: true, Hosts: append([]string{Host}, o.Hosts...), Dialect: azapi.DialectARM, Version: azapi.VersionQuery,
		Audiences: refusals.audiences, Operations: operations, Refuse: refusals.word, Headers: headers,
	}, nil
}

// skipDelay is the Azure SDK for Go's own hook for replayed tests: a client that
// waits before it looks waits for nothing when all is complete.
const skipDelay = "X-Go-Azure-Sdk-Skip-Polling-Delay"

// headers are those of every answer; while something is under way [pace] takes
// the first one back.
func headers(h http.Header, r *azapi.Request) {
	h.Set(skipDelay, "true")
	h.Set("Cache-Control", "no-cache")
	correlation := r.Header.Get("x-ms-correlation-request-id")
	if correlation == "" || len(correlation) > 128 {
		correlation = r.ID
	}
	h.Set("x-ms-correlation-request-id", correlation)
}

// index finds endpoints by their type in lower case.
func index(endpoints []*endpoint) map[string]*endpoint {
	found := make(map[string]*endpoint, len(endpoints))
	for _, e := range endpoints {
		found[strings.ToLower(e.typ.Name)] = e
	}
	return found
}

var typeName = regexp.MustCompile(`^[A-Za-z]+\.[A-Za-z.]+(/[A-Za-z0-9]+)+$`)

// bind checks the types and ties each to its parent.
func bind(resources *Resources, types []*Type) ([]*endpoint, error) {
	named := byName(types)
	bound := map[string]*endpoint{}
	endpoints := make([]*endpoint, 0, len(types))
	for _, t := range types {
		lower := strings.ToLower(t.Name)
		switch {
		case !typeName.MatchString(t.Name):
			return nil, fmt.Errorf("resource type %q is not of the form Namespace/type", t.Name)
		case bound[lower] != nil:
			return nil, fmt.Errorf("resource type %s is there twice", t.Name)
		case t.topLevel() && (t.Storage != nil || t.Default != nil):
			return nil, fmt.Errorf("resource type %s has no parent to be kept with", t.Name)
		case t.SoftDelete != nil && !t.Global:
			return nil, fmt.Errorf("resource type %s keeps deleted resources under their names, which are not global", t.Name)
		case t.SoftDelete != nil && (t.SoftDelete.Terms == nil || t.SoftDelete.Recovers == nil || t.SoftDelete.Taken == nil):
			return nil, fmt.Errorf("resource type %s does not say on what terms it keeps deleted resources", t.Name)
		case t.Work != nil && (t.Proxy || t.Stateless || t.Storage != nil):
			return nil, fmt.Errorf("resource type %s has work to be done and no state to show for it", t.Name)
		}
		bound[lower] = &endpoint{resources: resources, typ: t, types: named}
		endpoints = append(endpoints, bound[lower])
	}
	for _, e := range endpoints {
		if e.typ.topLevel() {
			continue
		}
		for name := strings.ToLower(e.typ.Name); e.parent == nil; {
			cut := strings.LastIndexByte(name, '/')
			if cut < 0 {
				return nil, fmt.Errorf("no parent of resource type %s is served", e.typ.Name)
			}
			name = name[:cut]
			e.parent = bound[name]
		}
	}
	return endpoints, nil
}
