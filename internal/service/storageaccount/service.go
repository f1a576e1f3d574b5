package storageaccount

import (
	"context"
	"encoding/json"
	"reflect"
	"slices"
	"strings"

	"github.com/aksess/aksess/internal/arm"
	"github.com/aksess/aksess/internal/storage"
)

// serviceType is the type of one of the services of an account. There is only
// "default", which exists with the account; what it says is fixed, because the
// data planes act on none of its settings.
func serviceType(segment string, properties func() map[string]any) *arm.Type {
	return &arm.Type{
		Name:    storage.TypeAccount + "/" + segment,
		Proxy:   true,
		NoPatch: true,
		ValidName: func(name string) error {
			if !strings.EqualFold(name, "default") {
				return badProperties.New(name[:min(len(name), 60)], "name")
			}
			return nil
		},
		Default: func(_ context.Context, account *arm.Resource, name string) (*arm.Resource, error) {
			if !strings.EqualFold(name, "default") {
				return nil, nil
			}
			return serviceOf(account, properties())
		},
		Put: func(_ context.Context, c arm.Change) error { return fixed(c, properties()) },
	}
}

// serviceOf makes a service from its account.
func serviceOf(account *arm.Resource, properties map[string]any) (*arm.Resource, error) {
	service := &arm.Resource{Name: "default", SKU: account.SKU, Created: account.Created, Changed: account.Created}
	return service, service.SetProperties(properties)
}

// fixed admits a write of a service that changes nothing: a setting that is
// kept and has no effect would be worse than one that is refused.
func fixed(c arm.Change, properties map[string]any) error {
	sent, _ := c.Sent["properties"].(map[string]any)
	for member, value := range sent {
		if !idle(value) && !same(value, properties[member]) {
			return notServed.New(member, c.New.ID)
		}
	}
	return c.New.SetProperties(properties)
}

// idle reports that a setting switches nothing on.
func idle(value any) bool {
	switch v := value.(type) {
	case map[string]any:
		if enabled, ok := v["enabled"].(bool); ok && !enabled {
			return true
		}
		for _, member := range v {
			if !idle(member) {
				return false
			}
		}
		return true
	case []any:
		return !slices.ContainsFunc(v, func(one any) bool { return !idle(one) })
	case bool:
		return !v
	default:
		return value == nil
	}
}

// same compares a value of a body with one of ours, both as JSON has them.
func same(sent, ours any) bool {
	encoded, err := json.Marshal(ours)
	if err != nil {
		return false
	}
	var decoded any
	return json.Unmarshal(encoded, &decoded) == nil && reflect.DeepEqual(sent, decoded)
}

func noCORS() map[string]any { return map[string]any{"corsRules": []any{}} }

// blobService: https://learn.microsoft.com/rest/api/storagerp/blob-services/get-service-properties
func blobService() map[string]any {
	return map[string]any{
		"cors":                  noCORS(),
		"deleteRetentionPolicy": map[string]any{"enabled": false, "allowPermanentDelete": false},
	}
}

// queueService: https://learn.microsoft.com/rest/api/storagerp/queue-services/get-service-properties
func queueService() map[string]any { return map[string]any{"cors": noCORS()} }

// fileService is here because Terraform's provider reads it with every account
// (https://learn.microsoft.com/rest/api/storagerp/file-services/get-service-properties).
func fileService() map[string]any {
	return map[string]any{
		"cors":                       noCORS(),
		"protocolSettings":           map[string]any{"smb": map[string]any{}},
		"shareDeleteRetentionPolicy": map[string]any{"enabled": true, "days": 7},
	}
}
