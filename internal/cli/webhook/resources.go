package webhook

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/aksess/aksess/internal/inject"
)

// resources is a flag with the resources of a container, in JSON. They are
// checked here as the API server would, which otherwise refused every pod that
// asks for the proxy.
type resources inject.Resources

func (r *resources) String() string {
	text, err := json.Marshal(inject.Resources(*r))
	if err != nil {
		return "" // maps of strings
	}
	return string(text)
}

// Set implements flag.Value.
func (r *resources) Set(value string) error {
	var in struct{ Limits, Requests map[string]resource.Quantity }
	decoder := json.NewDecoder(strings.NewReader(value))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&in); err != nil {
		return err
	}
	if decoder.More() {
		return errors.New("there is something after the JSON object")
	}
	for name, request := range in.Requests {
		if limit, ok := in.Limits[name]; ok && request.Cmp(limit) > 0 {
			return fmt.Errorf("requests.%s %s is more than limits.%s %s", name, request.String(), name, limit.String())
		}
	}
	limits, err := quantities("limits", in.Limits)
	if err != nil {
		return err
	}
	requests, err := quantities("requests", in.Requests)
	if err != nil {
		return err
	}
	*r = resources{Limits: limits, Requests: requests}
	return nil
}

func quantities(field string, in map[string]resource.Quantity) (map[string]string, error) {
	texts := make(map[string]string, len(in))
	for name, quantity := range in {
		if !slices.Contains([]string{"cpu", "memory", "ephemeral-storage"}, name) {
			return nil, fmt.Errorf("%s.%s is not about cpu, memory or ephemeral-storage", field, name)
		}
		if quantity.Sign() < 0 {
			return nil, fmt.Errorf("%s.%s %s is negative", field, name, quantity.String())
		}
		texts[name] = quantity.String()
	}
	return texts, nil
}
