package containerservice_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/aksess/aksess/internal/app/apptest"
	"github.com/aksess/aksess/internal/arm/armtest"
)

func system(more map[string]any) map[string]any {
	profile := map[string]any{"name": "linux", "mode": "System", "count": 1}
	maps.Copy(profile, more)
	return profile
}

func pools(profiles ...map[string]any) map[string]any {
	return map[string]any{"agentPoolProfiles": profiles, "kubernetesVersion": "1.35.0"}
}

func TestAgentPools(t *testing.T) {
	w := apptest.New(t, nil)
	w.Put(cluster, body(pools(system(nil))), 201)
	const linux, extra = cluster + "/agentPools/linux", cluster + "/agentPools/extra"
	if got := w.Want(apptest.Request{URL: linux}, 200, ""); got.Get("type") != "Microsoft.ContainerService/managedClusters/agentPools" || got.Get("properties.mode") != "System" ||
		got.Get("properties.provisioningState") != "Succeeded" || got.Get("properties.orchestratorVersion") != "1.35.0" || got.Get("properties.name") != "" || got.Get("location") != "" {
		t.Errorf("pool: got %s", got.Body)
	}
	w.Want(apptest.Request{URL: extra}, 404, "ResourceNotFound")
	got := w.Put(extra, `{"properties":{"count":3,"enableAutoScaling":true,"minCount":2,"maxCount":5,"vmSize":"Standard_DS4_v2","upgradeSettings":{"maxSurge":"10%"}}}`, 201)
	if got.Get("properties.mode") != "User" || got.Get("properties.vmSize") != "Standard_DS4_v2" || got.Get("properties.upgradeSettings.maxSurge") != "10%" {
		t.Errorf("added: got %s", got.Body)
	}
	got = w.Put(extra, `{"properties":{"count":3}}`, 200)
	if got.Get("properties.minCount") != "" || got.Get("properties.upgradeSettings") != "" || got.Get("properties.mode") != "User" {
		t.Errorf("put anew: got %s, want nothing of before but the mode", got.Body)
	}
	if list := w.Want(apptest.Request{URL: cluster + "/agentPools"}, 200, ""); list.Get("value.0.name") != "extra" || list.Get("value.1.name") != "linux" || list.Get("value.2") != "" {
		t.Errorf("list: got %s", list.Body)
	}
	if whole := w.Want(apptest.Request{URL: cluster}, 200, ""); whole.Get("properties.agentPoolProfiles.1.name") != "extra" || whole.Get("properties.agentPoolProfiles.1.count") != "3" {
		t.Errorf("cluster: got %s", whole.Body)
	}
	w.Want(apptest.Request{Method: "DELETE", URL: linux}, 400, "InvalidParameter")
	w.Put(extra, `{"properties":{"count":3,"mode":"System"}}`, 200)
	w.Want(apptest.Request{Method: "DELETE", URL: linux}, 204, "")
	w.Want(apptest.Request{URL: linux}, 404, "ResourceNotFound")
	w.Want(apptest.Request{Method: "DELETE", URL: linux}, 204, "")
	w.Want(apptest.Request{Method: "DELETE", URL: extra}, 400, "InvalidParameter")
	w.Want(apptest.Request{Method: "PUT", URL: clusters + "/none/agentPools/a", Body: `{"properties":{"count":1}}`}, 404, "ParentResourceNotFound")
	for _, method := range []string{"GET", "PUT", "DELETE"} {
		w.Want(apptest.Request{Method: method, URL: extra, As: nobody, Body: `{}`}, 403, "AuthorizationFailed")
	}
}

func TestPoolValidation(t *testing.T) {
	w := apptest.New(t, nil)
	w.Put(cluster, body(pools(system(nil))), 201)
	for name, c := range map[string]struct {
		profile map[string]any
		code    string
		target  string
	}{
		"no_count":        {map[string]any{"count": nil}, "InvalidParameter", "agentPoolProfile.count"},
		"no_nodes":        {map[string]any{"count": 0}, "InvalidParameter", "agentPoolProfile.count"},
		"many_nodes":      {map[string]any{"count": 1001}, "InvalidParameter", "agentPoolProfile.count"},
		"negative":        {map[string]any{"count": -1, "mode": "User"}, "InvalidParameter", "agentPoolProfile.count"},
		"fraction":        {map[string]any{"count": 1.5}, "InvalidParameter", ""},
		"bounds_crossed":  {map[string]any{"enableAutoScaling": true, "minCount": 3, "maxCount": 2}, "InvalidParameter", "agentPoolProfile.minCount"},
		"no_bounds":       {map[string]any{"enableAutoScaling": true}, "InvalidParameter", "agentPoolProfile.minCount"},
		"no_upper_bound":  {map[string]any{"enableAutoScaling": true, "minCount": 1}, "InvalidParameter", "agentPoolProfile.maxCount"},
		"system_to_zero":  {map[string]any{"enableAutoScaling": true, "minCount": 0, "maxCount": 2}, "InvalidParameter", "agentPoolProfile.minCount"},
		"beyond_bounds":   {map[string]any{"enableAutoScaling": true, "minCount": 1, "maxCount": 2, "count": 3}, "InvalidParameter", "agentPoolProfile.count"},
		"mode":            {map[string]any{"mode": "Super"}, "InvalidParameter", "agentPoolProfile.mode"},
		"os":              {map[string]any{"osType": "BeOS"}, "InvalidParameter", "agentPoolProfile.osType"},
		"type":            {map[string]any{"type": "Cupboard"}, "InvalidParameter", "agentPoolProfile.type"},
		"version":         {map[string]any{"orchestratorVersion": "latest"}, "InvalidParameter", "agentPoolProfile.orchestratorVersion"},
		"newer_than_that": {map[string]any{"orchestratorVersion": "1.36.1"}, "NodePoolMcVersionIncompatible", ""},
		"few_pods":        {map[string]any{"maxPods": 3}, "InvalidParameter", "agentPoolProfile.maxPods"},
	} {
		t.Run(name, func(t *testing.T) {
			profile := system(c.profile)
			profile["name"] = "other"
			got := w.Want(apptest.Request{Method: "PUT", URL: clusters + "/green", Body: body(pools(system(nil), profile))}, 400, c.code)
			if c.target != "" && got.Get("error.target") != c.target {
				t.Errorf("got %s, want target %s", got.Body, c.target)
			}
			delete(profile, "name")
			w.Want(apptest.Request{Method: "PUT", URL: cluster + "/agentPools/other", Body: map[string]any{"properties": profile}}, 400, c.code)
		})
	}
	for _, name := range []string{"Upper", "1a", "a-b", strings.Repeat("a", 13)} {
		w.Want(apptest.Request{Method: "PUT", URL: cluster + "/agentPools/" + name, Body: `{"properties":{"count":1}}`}, 400, "InvalidParameter")
	}
	w.Want(apptest.Request{Method: "PUT", URL: cluster + "/agentPools/windows", Body: `{"properties":{"count":1,"osType":"Windows"}}`}, 400, "InvalidParameter")
	w.Put(cluster+"/agentPools/win", `{"properties":{"count":0,"osType":"Windows"}}`, 201)
	for name, profiles := range map[string][]map[string]any{
		"twice":     {system(nil), system(nil)},
		"no_system": {system(map[string]any{"mode": "User"})},
	} {
		t.Run(name, func(t *testing.T) {
			w.Want(apptest.Request{Method: "PUT", URL: clusters + "/green", Body: body(pools(profiles...))}, 400, "InvalidParameter")
		})
	}
}

// TestAutoscalerMovesTheCount: the bounds of a pool that exists may leave its
// count outside.
func TestAutoscalerMovesTheCount(t *testing.T) {
	w := apptest.New(t, nil)
	w.Put(cluster, body(pools(system(nil))), 201)
	w.Put(cluster+"/agentPools/linux", `{"properties":{"mode":"System","count":1,"enableAutoScaling":true,"minCount":2,"maxCount":4}}`, 200)
}

func TestPoolWritersAtTheSameTime(t *testing.T) {
	w := apptest.New(t, nil)
	w.Put(cluster, body(pools(system(nil))), 201)
	armtest.Parallel(6, func(i int) {
		pool := fmt.Sprint(cluster, "/agentPools/p", i)
		if got := w.Do(apptest.Request{Method: "PUT", URL: pool, Body: `{"properties":{"count":1}}`}); got.Status != 201 {
			t.Errorf("put %d: got %d %s", i, got.Status, got.Body)
		}
		if got := w.Do(apptest.Request{Method: "DELETE", URL: pool}); got.Status != 204 {
			t.Errorf("delete %d: got %d %s", i, got.Status, got.Body)
		}
	})
	if got := w.Want(apptest.Request{URL: cluster + "/agentPools"}, 200, ""); got.Get("value.0.name") != "linux" || got.Get("value.1") != "" {
		t.Errorf("left: got %s", got.Body)
	}
}

func TestMaintenanceConfigurations(t *testing.T) {
	w := apptest.New(t, nil)
	w.Put(cluster, body(nil), 201)
	const window = cluster + "/maintenanceConfigurations/"
	for _, name := range []string{"default", "aksManagedAutoUpgradeSchedule", "aksManagedNodeOSUpgradeSchedule"} {
		w.Want(apptest.Request{URL: window + name}, 404, "ResourceNotFound")
		got := w.Put(window+name, `{"properties":{"timeInWeek":[{"day":"Monday","hourSlots":[1]}]}}`, 200)
		if got.Get("name") != name || got.Get("properties.timeInWeek.0.day") != "Monday" || got.Get("properties.provisioningState") != "" {
			t.Errorf("%s: got %s", name, got.Body)
		}
	}
	w.Want(apptest.Request{Method: "PUT", URL: window + "mine", Body: `{}`}, 400, "InvalidParameter")
	w.Want(apptest.Request{Method: "DELETE", URL: window + "default"}, 200, "")
	w.Want(apptest.Request{Method: "DELETE", URL: window + "default"}, 204, "")
	w.Want(apptest.Request{Method: "DELETE", URL: cluster}, 204, "")
	w.Put(cluster, body(nil), 201)
	w.Want(apptest.Request{URL: window + "aksManagedAutoUpgradeSchedule"}, 404, "ResourceNotFound")
}

func TestVersions(t *testing.T) {
	w := apptest.New(t, nil)
	w.Put(cluster, body(pools(system(map[string]any{"orchestratorVersion": "1.34.0"}))), 201)
	const provider = apptest.Subscription + "/providers/Microsoft.ContainerService/locations/"
	for _, location := range []string{"westeurope", "West%20Europe"} {
		if got := w.Want(apptest.Request{URL: provider + location + "/kubernetesVersions"}, 200, ""); got.Get("values.0.version") != "1.36" || got.Get("values.2.patchVersions") == "" {
			t.Errorf("%s: got %s", location, got.Body)
		}
	}
	w.Want(apptest.Request{URL: provider + "atlantis/kubernetesVersions"}, 400, "InvalidParameter")
	available := w.Want(apptest.Request{URL: cluster + "/availableAgentPoolVersions"}, 200, "")
	var list struct {
		Properties struct {
			AgentPoolVersions []struct {
				KubernetesVersion string
				Default           bool
			}
		}
	}
	if err := json.Unmarshal([]byte(available.Body), &list); err != nil || len(list.Properties.AgentPoolVersions) != 2 || list.Properties.AgentPoolVersions[0].KubernetesVersion != "1.35.0" {
		t.Errorf("available: got %s", available.Body)
	}
	if got := w.Want(apptest.Request{URL: cluster + "/upgradeProfiles/default"}, 200, ""); got.Get("properties.controlPlaneProfile.upgrades.0.kubernetesVersion") != "1.36.3" ||
		got.Get("properties.agentPoolProfiles.0.kubernetesVersion") != "1.34.0" {
		t.Errorf("upgrades: got %s", got.Body)
	}
	if got := w.Want(apptest.Request{URL: cluster + "/agentPools/linux/upgradeProfiles/default"}, 200, ""); got.Get("properties.upgrades.0.kubernetesVersion") != "1.35.0" || got.Get("properties.upgrades.1") != "" {
		t.Errorf("pool's upgrades: got %s", got.Body)
	}
	w.Want(apptest.Request{URL: cluster + "/agentPools/none/upgradeProfiles/default"}, 404, "ResourceNotFound")
	w.Want(apptest.Request{URL: clusters + "/none/upgradeProfiles/default"}, 404, "ResourceNotFound")
}
