// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package kubernetes

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/yaml"
)

// read decodes a manifest: a field that its type does not have, or twice, is an error.
// (No API server is asked; what only that knows is not checked.)
func read[T any](t *testing.T, file, apiVersion, kind string) *T {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var is meta.TypeMeta
	if err := yaml.Unmarshal(data, &is); err != nil || is.APIVersion != apiVersion || is.Kind != kind {
		t.Fatalf("%s: %+v, %v; want %s %s", file, is, err, apiVersion, kind)
	}
	object := new(T)
	if err := yaml.UnmarshalStrict(data, object); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return object
}

// labels are by what the objects find each other.
var labels = map[string]string{"app.kubernetes.io/name": "skybridge"}

func selects(s meta.LabelSelector) bool {
	return len(s.MatchExpressions) == 0 && len(s.MatchLabels) == len(labels) && s.MatchLabels["app.kubernetes.io/name"] == "skybridge"
}

// TestStatefulSet holds the pod to the restricted security standard, with state on a
// volume and probes that a peer which is down does not fail.
func TestStatefulSet(t *testing.T) {
	s := read[apps.StatefulSet](t, "statefulset.yaml", "apps/v1", "StatefulSet")
	service := read[core.Service](t, "service.yaml", "v1", "Service")
	config := read[core.ConfigMap](t, "configmap.yaml", "v1", "ConfigMap")
	pod := s.Spec.Template.Spec
	if *s.Spec.Replicas != 1 || s.Spec.ServiceName != service.Name || !selects(*s.Spec.Selector) || s.Spec.Template.Labels["app.kubernetes.io/name"] != "skybridge" {
		t.Errorf("%d replicas, service %q, labels %v", *s.Spec.Replicas, s.Spec.ServiceName, s.Spec.Template.Labels)
	}
	if c := pod.SecurityContext; !*c.RunAsNonRoot || *c.RunAsUser == 0 || *c.FSGroup == 0 || c.SeccompProfile.Type != core.SeccompProfileTypeRuntimeDefault {
		t.Errorf("the pod is not restricted: %+v", c)
	}
	if *pod.AutomountServiceAccountToken || pod.HostNetwork || pod.HostPID || pod.HostIPC {
		t.Error("the pod has rights that it does not need")
	}
	if len(pod.Containers) != 1 || len(pod.InitContainers) != 0 {
		t.Fatalf("%d containers, want 1", len(pod.Containers))
	}
	c := pod.Containers[0]
	if sc := c.SecurityContext; *sc.AllowPrivilegeEscalation || !*sc.ReadOnlyRootFilesystem || sc.Privileged != nil ||
		!slices.Equal(sc.Capabilities.Drop, []core.Capability{"ALL"}) || len(sc.Capabilities.Add) != 0 {
		t.Errorf("the container is not restricted: %+v", sc)
	}
	for name, probe := range map[string]struct {
		*core.Probe
		path string
	}{"startup": {c.StartupProbe, "/-/healthy"}, "liveness": {c.LivenessProbe, "/-/healthy"}, "readiness": {c.ReadinessProbe, "/-/ready"}} {
		if probe.Probe == nil || probe.HTTPGet.Path != probe.path || probe.HTTPGet.Port.String() != c.Ports[0].Name {
			t.Errorf("%s probe: %+v", name, probe.Probe)
		}
	}
	for _, port := range c.Ports {
		if problems := validation.IsValidPortName(port.Name); len(problems) > 0 {
			t.Errorf("port %q: %q", port.Name, problems)
		}
	}

	// Every mount has its volume, every volume its mount, and the state is on disk.
	volumes := map[string]bool{}
	for _, v := range pod.Volumes {
		volumes[v.Name] = true
		if v.ConfigMap != nil && (v.ConfigMap.Name != config.Name || config.Data["skybridge.yml"] == "") {
			t.Errorf("no configuration in %q", v.ConfigMap.Name)
		}
	}
	for _, claim := range s.Spec.VolumeClaimTemplates {
		volumes[claim.Name] = true
	}
	paths := map[string]string{}
	for _, m := range c.VolumeMounts {
		if !volumes[m.Name] {
			t.Errorf("no volume %q", m.Name)
		}
		delete(volumes, m.Name)
		paths[m.MountPath] = m.Name
		if m.ReadOnly == (m.Name == "state") {
			t.Errorf("%s: read-only is %v", m.Name, m.ReadOnly)
		}
	}
	if len(volumes) > 0 {
		t.Errorf("not mounted: %v", volumes)
	}
	if len(s.Spec.VolumeClaimTemplates) != 1 || paths["/var/lib/skybridge"] != s.Spec.VolumeClaimTemplates[0].Name {
		t.Errorf("the state is not on a volume that stays: %v", paths)
	}
	if !slices.Contains(c.Args, "--storage.path=/var/lib/skybridge") {
		t.Errorf("the state goes elsewhere: %q", c.Args)
	}
	if !selects(meta.LabelSelector{MatchLabels: service.Spec.Selector}) || service.Spec.Ports[0].TargetPort.String() != c.Ports[0].Name {
		t.Error("the service is not the pod's")
	}
}

// TestPodMonitor proves that pushed series are not scraped again.
func TestPodMonitor(t *testing.T) {
	m := read[monitoring.PodMonitor](t, "podmonitor.yaml", "monitoring.coreos.com/v1", "PodMonitor")
	if !selects(m.Spec.Selector) || len(m.Spec.PodMetricsEndpoints) != 1 {
		t.Fatalf("%+v", m.Spec)
	}
	e := m.Spec.PodMetricsEndpoints[0]
	if len(e.Params) != 1 || !slices.Equal(e.Params["collect[]"], []string{"self"}) || *e.Port != "http" {
		t.Errorf("%+v", e)
	}
}

// TestNetworkPolicy proves that nothing goes in or out but what is named: no rule is
// without peers or without ports, which would be everybody or everything.
func TestNetworkPolicy(t *testing.T) {
	p := read[networking.NetworkPolicy](t, "networkpolicy.yaml", "networking.k8s.io/v1", "NetworkPolicy")
	if !selects(p.Spec.PodSelector) || !slices.Equal(p.Spec.PolicyTypes, []networking.PolicyType{networking.PolicyTypeIngress, networking.PolicyTypeEgress}) {
		t.Errorf("%+v", p.Spec)
	}
	if len(p.Spec.Ingress) != 1 || len(p.Spec.Egress) != 3 {
		t.Errorf("%d rules in, %d out", len(p.Spec.Ingress), len(p.Spec.Egress))
	}
	for _, r := range p.Spec.Ingress {
		if len(r.From) == 0 || len(r.Ports) == 0 {
			t.Errorf("everybody may come in: %+v", r)
		}
	}
	for _, r := range p.Spec.Egress {
		if len(r.To) == 0 || len(r.Ports) == 0 {
			t.Errorf("everything may go out: %+v", r)
		}
	}
}

// TestKustomization proves that every manifest is applied.
func TestKustomization(t *testing.T) {
	data, err := os.ReadFile("kustomization.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var k struct {
		APIVersion, Kind string
		Resources        []string
		Images           []struct{ Name, NewTag string }
	}
	if err := yaml.UnmarshalStrict(data, &k); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	files = slices.DeleteFunc(files, func(name string) bool { return name == "kustomization.yaml" })
	if !slices.Equal(files, k.Resources) {
		t.Errorf("resources %q, files %q", k.Resources, files)
	}
	image := read[apps.StatefulSet](t, "statefulset.yaml", "apps/v1", "StatefulSet").Spec.Template.Spec.Containers[0].Image
	if len(k.Images) != 1 || k.Images[0].Name != image {
		t.Errorf("images %+v, the pod's is %q", k.Images, image)
	}
}
