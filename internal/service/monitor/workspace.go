package monitor

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/aksess/aksess/internal/arm"
	"github.com/aksess/aksess/internal/store"
)

const typeWorkspace = "Microsoft.OperationalInsights/workspaces"

// Options is what the workspaces are made of. All fields are required.
type Options struct {
	Resources *arm.Resources
	Store     store.Store // for the deleted ones
	Now       func() time.Time
	NewID     func() string
}

// Workspaces is the resource provider. It is safe for concurrent use.
type Workspaces struct {
	Options
	deleted store.Collection[remains] // by the id of the workspace in lower case
}

// New returns the provider.
func New(o Options) *Workspaces {
	return &Workspaces{Options: o, deleted: store.Collection[remains]{Store: o.Store, Kind: "monitor.deleted"}}
}

var workspaceName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9-]{2,61}[A-Za-z0-9]$`)

// Type is the resource type Microsoft.OperationalInsights/workspaces, the same
// in each of its api-versions
// (https://learn.microsoft.com/rest/api/loganalytics/workspaces).
func (s *Workspaces) Type() *arm.Type {
	t := &arm.Type{
		Name: typeWorkspace,
		ValidName: func(name string) error {
			if !workspaceName.MatchString(name) {
				return badName.New(name)
			}
			return nil
		},
		Put: s.put, Delete: s.bury, Ended: s.ended,
		Operations: s.operations(),
	}
	t.Actions = []arm.PostAction{
		{Name: "sharedKeys", Handle: s.sharedKeys},
		{Name: "regenerateSharedKey", Handle: s.regenerate(t)},
	}
	return t
}

type object = map[string]any

// put completes a workspace as Azure answers it. A PUT says all there is, a
// PATCH what changes.
func (s *Workspaces) put(ctx context.Context, c arm.Change) error {
	before := c.Old
	if before == nil {
		var err error
		if before, err = s.recovered(ctx, c); err != nil {
			return err
		}
	}
	old := object{}
	if before != nil {
		if err := before.Decode(&old); err != nil {
			return err
		}
		c.New.Private = before.Private
	}
	said := object{}
	if err := c.New.Decode(&said); err != nil {
		return badParameter.New("properties", "an object is expected")
	}
	if c.Request.Method == http.MethodPut {
		said, _ = c.Sent["properties"].(object)
		if c.Sent["identity"] == nil {
			c.New.Identity = nil
		}
	}
	properties := copied(said)
	if c.New.Private == nil {
		keys, err := newKeys()
		if err != nil {
			return err
		}
		c.New.Private = keys
	}
	if err := check(properties); err != nil {
		return err
	}
	s.complete(properties, old, c.Now)
	return c.New.SetProperties(properties)
}

// copied is a shallow copy without the members that are null, which clients
// send for what they leave out.
func copied(sent object) object {
	properties := object{}
	for name, value := range sent {
		if value != nil {
			properties[name] = value
		}
	}
	return properties
}

var skus = []string{"Free", "Standard", "Premium", "PerNode", "PerGB2018", "Standalone", "CapacityReservation", "LACluster"}

// understood are the members that are checked; all others are kept as they are.
type understood struct {
	SKU *struct {
		Name string `json:"name"`
	} `json:"sku"`
	Retention *float64 `json:"retentionInDays"`
	Capping   *struct {
		Daily *float64 `json:"dailyQuotaGb"`
	} `json:"workspaceCapping"`
	Features  map[string]any `json:"features"`
	Ingestion *string        `json:"publicNetworkAccessForIngestion"`
	Query     *string        `json:"publicNetworkAccessForQuery"`
}

// check refuses what no workspace can be
// (https://learn.microsoft.com/azure/azure-monitor/logs/data-retention-configure).
func check(properties object) error {
	encoded, err := json.Marshal(properties)
	if err != nil {
		return err
	}
	var p understood
	if err := json.Unmarshal(encoded, &p); err != nil {
		return badParameter.New("properties", "a member is of another kind than expected")
	}
	free := false
	if p.SKU != nil {
		at := slices.IndexFunc(skus, func(s string) bool { return strings.EqualFold(s, p.SKU.Name) })
		if at < 0 {
			return badParameter.New("sku.name", fmt.Sprintf("'%.60s' is none of %s", p.SKU.Name, strings.Join(skus, ", ")))
		}
		free = skus[at] == "Free"
	}
	if days := p.Retention; days != nil && *days != -1 && (*days != math.Trunc(*days) || *days > 730 || *days < 30 && !(free && *days == 7)) {
		return badParameter.New("retentionInDays", fmt.Sprintf("%v is not from 30 to 730", *days))
	}
	if p.Capping != nil && p.Capping.Daily != nil && *p.Capping.Daily != -1 && *p.Capping.Daily <= 0 {
		return badParameter.New("workspaceCapping.dailyQuotaGb", "it is a number above 0, or -1 for none")
	}
	for name, value := range map[string]*string{"publicNetworkAccessForIngestion": p.Ingestion, "publicNetworkAccessForQuery": p.Query} {
		if value != nil && !slices.Contains([]string{"Enabled", "Disabled", "SecuredByPerimeter"}, *value) {
			return badParameter.New(name, fmt.Sprintf("'%.60s' is none of Enabled, Disabled, SecuredByPerimeter", *value))
		}
	}
	return nil
}

// complete fills what Azure computes or assumes. old is the workspace as it
// was, also the deleted one that comes back.
func (s *Workspaces) complete(properties, old object, now time.Time) {
	stamp := now.UTC().Format("2006-01-02T15:04:05.0000000Z")
	for member, value := range map[string]any{
		"source": "Azure", "provisioningState": "Succeeded", "modifiedDate": stamp,
		"customerId": old["customerId"], "createdDate": old["createdDate"],
	} {
		properties[member] = value
	}
	if properties["customerId"] == nil {
		properties["customerId"], properties["createdDate"] = s.NewID(), stamp
	}
	kept := copied(inner(properties, "sku"))
	if kept["name"] == nil {
		kept["name"] = "PerGB2018"
	}
	kept["lastSkuUpdate"] = stamp
	if before := inner(old, "sku"); before["name"] == kept["name"] && before["lastSkuUpdate"] != nil {
		kept["lastSkuUpdate"] = before["lastSkuUpdate"]
	}
	properties["sku"] = kept
	features := copied(inner(properties, "features"))
	for member, value := range map[string]any{"enableLogAccessUsingOnlyResourcePermissions": true, "legacy": 0, "searchVersion": 1} {
		if features[member] == nil {
			features[member] = value
		}
	}
	properties["features"] = features
	capping := copied(inner(properties, "workspaceCapping"))
	if capping["dailyQuotaGb"] == nil {
		capping["dailyQuotaGb"] = -1
	}
	capping["dataIngestionStatus"] = "RespectQuota"
	capping["quotaNextResetTime"] = now.UTC().Truncate(24 * time.Hour).Add(24 * time.Hour).Format("2006-01-02T15:04:05.0000000Z")
	properties["workspaceCapping"] = capping
	days := 30
	if strings.EqualFold(fmt.Sprint(kept["name"]), "Free") {
		days = 7
	}
	for member, value := range map[string]any{
		"retentionInDays": days, "publicNetworkAccessForIngestion": "Enabled", "publicNetworkAccessForQuery": "Enabled",
	} {
		if properties[member] == nil {
			properties[member] = value
		}
	}
}

func inner(o object, name string) object {
	v, _ := o[name].(object)
	return v
}
