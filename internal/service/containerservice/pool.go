package containerservice

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/aksess/aksess/internal/arm"
	"github.com/aksess/aksess/internal/store"
)

// TypePool is the resource type of an agent pool. The pools are members of
// their cluster's properties; there is no other record of them.
const TypePool = TypeCluster + "/agentPools"

const maxNodes = 1000

// pool is as much of an agent pool's profile as is understood.
type pool struct {
	Name                string `json:"name"`
	Mode                string `json:"mode"`
	OSType              string `json:"osType"`
	Type                string `json:"type"`
	OrchestratorVersion string `json:"orchestratorVersion"`
	Count               *int   `json:"count"`
	EnableAutoScaling   bool   `json:"enableAutoScaling"`
	MinCount            *int   `json:"minCount"`
	MaxCount            *int   `json:"maxCount"`
	MaxPods             *int   `json:"maxPods"`
}

// poolType is managedClusters/agentPools (https://learn.microsoft.com/rest/api/aks/agent-pools).
func (s *Clusters) poolType() *arm.Type {
	return &arm.Type{
		Name: TypePool, Proxy: true, NoPatch: true, DeleteStatus: 204,
		Storage: &arm.Storage{Get: s.getPool, List: s.listPools, Put: s.putPool, Delete: s.deletePool},
	}
}

var (
	poolName        = regexp.MustCompile(`^[a-z][a-z0-9]{0,11}$`)
	windowsPoolName = regexp.MustCompile(`^[a-z][a-z0-9]{0,5}$`)
)

func (p pool) system() bool { return p.Mode == "" || strings.EqualFold(p.Mode, "System") }

// validatePools refuses pools that AKS refuses. A cluster without any is left
// alone: its issuer needs no nodes.
func (p properties) validatePools(before *properties) error {
	seen, system := map[string]bool{}, false
	for _, one := range p.AgentPoolProfiles {
		existed := before != nil && slices.ContainsFunc(before.AgentPoolProfiles, func(o pool) bool { return o.Name == one.Name })
		if err := one.validate(p.KubernetesVersion, existed); err != nil {
			return err
		}
		if seen[one.Name] {
			return invalid("agentPoolProfile.name", fmt.Sprintf("there are two agent pools named '%s'", one.Name))
		}
		seen[one.Name], system = true, system || one.system()
	}
	if len(seen) > 0 && !system {
		return badCluster.New("Must define at least one system pool.")
	}
	return nil
}

func (p pool) validate(control string, existed bool) error {
	names, form := poolName, "12"
	if strings.EqualFold(p.OSType, "Windows") {
		names, form = windowsPoolName, "6"
	}
	for _, c := range []struct {
		name, value string
		allowed     []string
	}{
		{"mode", p.Mode, []string{"System", "User", "Gateway"}},
		{"osType", p.OSType, []string{"Linux", "Windows"}},
		{"type", p.Type, []string{"VirtualMachineScaleSets", "AvailabilitySet", "VirtualMachines"}},
	} {
		if c.value != "" && !slices.ContainsFunc(c.allowed, func(a string) bool { return strings.EqualFold(a, c.value) }) {
			return invalid("agentPoolProfile."+c.name, fmt.Sprintf("'%.64s' is none of %s", c.value, strings.Join(c.allowed, ", ")))
		}
	}
	switch {
	case !names.MatchString(p.Name):
		return invalid("agentPoolProfile.name", fmt.Sprintf("'%.64s' must be 1 to %s lower-case letters and digits and begin with a letter", p.Name, form))
	case p.OrchestratorVersion != "" && !version.MatchString(p.OrchestratorVersion):
		return invalid("agentPoolProfile.orchestratorVersion", fmt.Sprintf("'%.64s' must be of the form 1.33 or 1.33.2", p.OrchestratorVersion))
	case p.OrchestratorVersion != "" && control != "" && minorOf(p.OrchestratorVersion) > minorOf(control):
		return poolTooNew.New(p.OrchestratorVersion, control, minorOf(p.OrchestratorVersion), minorOf(control))
	case p.MaxPods != nil && *p.MaxPods != 0 && (*p.MaxPods < 10 || *p.MaxPods > 250):
		return invalid("agentPoolProfile.maxPods", fmt.Sprintf("%d is not between 10 and 250", *p.MaxPods))
	}
	return p.validateCount(existed)
}

// validateCount checks the numbers of nodes. The autoscaler moves the count of a
// pool that exists into new bounds by itself.
func (p pool) validateCount(existed bool) error {
	least := 0
	if p.system() {
		least = 1
	}
	low, high := least, maxNodes
	if p.EnableAutoScaling {
		switch {
		case p.MinCount == nil:
			return missing("agentPoolProfile.minCount")
		case p.MaxCount == nil:
			return missing("agentPoolProfile.maxCount")
		}
		if *p.MinCount < least || *p.MinCount > *p.MaxCount || *p.MaxCount > maxNodes {
			return invalid("agentPoolProfile.minCount", fmt.Sprintf(
				"minCount was %d and maxCount %d. minCount must be at least %d and at most maxCount, and maxCount at most %d", *p.MinCount, *p.MaxCount, least, maxNodes))
		}
		low, high = *p.MinCount, *p.MaxCount
	}
	switch {
	case p.Count == nil:
		return missing("agentPoolProfile.count")
	case *p.Count < 0 || *p.Count > maxNodes, !(existed && p.EnableAutoScaling) && (*p.Count < low || *p.Count > high):
		return invalid("agentPoolProfile.count", fmt.Sprintf(
			"agentPoolProfile.count was %d. It must be greater or equal to minCount:%d and less than or equal to maxCount:%d", *p.Count, low, high))
	}
	return nil
}

// profilesOf are the profiles of a cluster, as they are.
func profilesOf(cluster *arm.Resource) (merged map[string]any, profiles []map[string]any, err error) {
	if merged, err = raw(cluster); err != nil {
		return nil, nil, err
	}
	entries, _ := merged["agentPoolProfiles"].([]any)
	for _, entry := range entries {
		if profile, ok := entry.(map[string]any); ok {
			profiles = append(profiles, profile)
		}
	}
	return merged, profiles, nil
}

func findProfile(profiles []map[string]any, name string) int {
	return slices.IndexFunc(profiles, func(p map[string]any) bool { return strings.EqualFold(text(p, "name"), name) })
}

// poolResource is a profile as a resource. Its version is a digest: the store
// counts versions of whole clusters.
func poolResource(cluster *arm.Resource, profile map[string]any) (*arm.Resource, error) {
	properties := maps.Clone(profile)
	delete(properties, "name")
	r := &arm.Resource{Name: text(profile, "name"), Type: TypePool}
	r.ID = cluster.ID + "/agentPools/" + r.Name
	if err := r.SetProperties(properties); err != nil {
		return nil, err
	}
	digest := fnv.New64a()
	_, _ = digest.Write(r.Properties) // never fails
	r.Version = int64(digest.Sum64()>>1) | 1
	return r, nil
}

func (s *Clusters) getPool(_ context.Context, cluster *arm.Resource, name string) (*arm.Resource, error) {
	_, profiles, err := profilesOf(cluster)
	if err != nil {
		return nil, err
	}
	at := findProfile(profiles, name)
	if at < 0 {
		return nil, arm.ErrNotFound
	}
	return poolResource(cluster, profiles[at])
}

func (s *Clusters) listPools(_ context.Context, cluster *arm.Resource) ([]*arm.Resource, error) {
	_, profiles, err := profilesOf(cluster)
	if err != nil {
		return nil, err
	}
	all := make([]*arm.Resource, 0, len(profiles))
	for _, profile := range profiles {
		one, err := poolResource(cluster, profile)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, nil
}

// putPool writes a pool. A PUT says all of it: nothing of the old profile stands
// in for what is missing.
func (s *Clusters) putPool(ctx context.Context, cluster *arm.Resource, c arm.Change) error {
	merged, profiles, err := profilesOf(cluster)
	if err != nil {
		return err
	}
	sent, _ := c.Sent["properties"].(map[string]any)
	profile := maps.Clone(sent)
	if profile == nil {
		profile = map[string]any{}
	}
	profile["name"] = c.New.Name
	if c.Old == nil {
		setDefault(profile, "mode", "User")
	}
	at := findProfile(profiles, c.New.Name)
	if at < 0 {
		at, profiles = len(profiles), append(profiles, nil)
	} else if text(profile, "mode") == "" {
		profile["mode"] = profiles[at]["mode"]
	}
	profiles[at] = profile
	if err := s.savePools(ctx, cluster, merged, profiles); err != nil {
		return err
	}
	stored, err := poolResource(cluster, profile)
	if err != nil {
		return err
	}
	*c.New = *stored
	return nil
}

// deletePool removes a pool; the last one for the system stays.
func (s *Clusters) deletePool(ctx context.Context, cluster, r *arm.Resource) error {
	for {
		merged, profiles, err := profilesOf(cluster)
		if err != nil {
			return err
		}
		at := findProfile(profiles, r.Name)
		if at < 0 {
			return arm.ErrNotFound
		}
		profiles = slices.Delete(profiles, at, at+1)
		if len(profiles) == 0 {
			return badCluster.New("Must define at least one system pool.")
		}
		err = s.savePools(ctx, cluster, merged, profiles)
		if !isConflict(err) {
			return err
		}
		if cluster, err = s.Resources.Get(ctx, cluster.ID); err != nil {
			return err
		}
	}
}

// savePools checks and writes the pools of a cluster on the condition that it
// is still what was read.
func (s *Clusters) savePools(ctx context.Context, cluster *arm.Resource, merged map[string]any, profiles []map[string]any) error {
	if err := idle(cluster); err != nil {
		return err
	}
	before, err := read(cluster)
	if err != nil {
		return err
	}
	merged["agentPoolProfiles"] = profiles
	encoded, err := json.Marshal(merged)
	if err != nil {
		return err
	}
	var after properties
	if err := decodeInto(encoded, &after); err != nil {
		return err
	}
	if err := after.validatePools(&before); err != nil {
		return err
	}
	for _, profile := range profiles {
		fillPool(profile, merged)
	}
	next := *cluster
	if err := next.SetProperties(merged); err != nil {
		return err
	}
	return s.Resources.Save(ctx, &arm.Type{Name: TypeCluster}, &next, store.At(cluster.Version))
}

// idle refuses a change while the cluster is being created or updated.
func idle(cluster *arm.Resource) error {
	switch state := cluster.State(); state {
	case "Creating", "Updating", "Deleting":
		return underWay.New(state, cluster.Name).SetHeader("Retry-After", "1")
	}
	return nil
}
