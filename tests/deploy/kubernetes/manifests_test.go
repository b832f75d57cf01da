package kubernetes

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	certmanager "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	scheduling "k8s.io/api/scheduling/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	podsecurity "k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
	"sigs.k8s.io/yaml"
)

var update = flag.Bool("update", false, "write the plain manifests anew")

var profiles = []string{"observe", "control"}

// What the plain manifests are made with, beside the profile.
func plainValues(profile string) map[string]any {
	return map[string]any{"profile": profile, "namespace": map[string]any{"create": true}}
}

func mustRender(t *testing.T, values map[string]any) string {
	t.Helper()
	text, err := render(values)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// decode reads a document into its type; a field that the type does not have, or has with another kind, is an error.
func decode(document string) (any, error) {
	var kind meta.TypeMeta
	if err := yaml.Unmarshal([]byte(document), &kind); err != nil {
		return nil, err
	}
	types := map[string]func() any{
		"v1/Namespace":                       func() any { return &core.Namespace{} },
		"v1/ServiceAccount":                  func() any { return &core.ServiceAccount{} },
		"v1/ConfigMap":                       func() any { return &core.ConfigMap{} },
		"v1/Service":                         func() any { return &core.Service{} },
		"apps/v1/DaemonSet":                  func() any { return &apps.DaemonSet{} },
		"networking.k8s.io/v1/NetworkPolicy": func() any { return &networking.NetworkPolicy{} },
		"scheduling.k8s.io/v1/PriorityClass": func() any { return &scheduling.PriorityClass{} },
		"cert-manager.io/v1/Certificate":     func() any { return &certmanager.Certificate{} },
		"cert-manager.io/v1/Issuer":          func() any { return &certmanager.Issuer{} },
	}
	make, known := types[kind.APIVersion+"/"+kind.Kind]
	if !known {
		return nil, fmt.Errorf("no type for %s %s", kind.APIVersion, kind.Kind)
	}
	object := make()
	return object, yaml.UnmarshalStrict([]byte(document), object)
}

func decodeAll(t *testing.T, text string) []any {
	t.Helper()
	var objects []any
	for _, document := range split(text) {
		object, err := decode(document)
		if err != nil {
			t.Errorf("%v in\n%s", err, document)
			continue
		}
		objects = append(objects, object)
	}
	return objects
}

func daemonSet(t *testing.T, values map[string]any) *apps.DaemonSet {
	t.Helper()
	return only[*apps.DaemonSet](t, decodeAll(t, mustRender(t, values)))
}

func only[T any](t *testing.T, objects []any) T {
	t.Helper()
	found := all[T](objects)
	if len(found) != 1 {
		t.Fatalf("%d of %T", len(found), *new(T))
	}
	return found[0]
}

func all[T any](objects []any) []T {
	var found []T
	for _, object := range objects {
		if it, is := object.(T); is {
			found = append(found, it)
		}
	}
	return found
}

func TestPlainManifestsAreThoseOfTheChart(t *testing.T) {
	for _, profile := range profiles {
		path := "../../../deploy/kubernetes/" + profile + ".yaml"
		want := "# Made of deploy/kubernetes/chart by tests/deploy/kubernetes/update.sh; not to be edited.\n" +
			mustRender(t, plainValues(profile))
		if *update {
			if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != want {
			t.Errorf("%s is not what the chart makes; run tests/deploy/kubernetes/update.sh", path)
		}
	}
}

func TestEveryObjectDecodesStrictly(t *testing.T) {
	values := []map[string]any{}
	for _, profile := range profiles {
		values = append(values, plainValues(profile),
			map[string]any{"profile": profile, "hostRoot": true, "hostNetwork": true, "port": 7000},
			map[string]any{"profile": profile, "tls": map[string]any{"existingSecret": "mine"}},
			map[string]any{"profile": profile, "networkPolicy": map[string]any{"from": []any{}}},
			map[string]any{"profile": profile, "denylist": []any{"0A1B"}, "dnsNames": []any{"nodes.example.net"},
				"podLabels": map[string]any{"a": "b"}, "podAnnotations": map[string]any{"c": "d"},
				"image":    map[string]any{"digest": "sha256:" + strings.Repeat("a", 64), "pullSecrets": []any{"registry"}},
				"affinity": map[string]any{"nodeAffinity": map[string]any{}},
				"tls": map[string]any{"certManager": map[string]any{
					"issuer":  map[string]any{"name": "fleet", "kind": "ClusterIssuer"},
					"clients": []any{map[string]any{"name": "alice", "role": "operator"}}}}})
	}
	for _, one := range values {
		if len(decodeAll(t, mustRender(t, one))) < 5 {
			t.Errorf("few objects with %v", one)
		}
	}
}

func TestAFieldThatTheApiDoesNotHaveIsFound(t *testing.T) {
	text := strings.Replace(mustRender(t, plainValues("control")), "hostPID: true", "hostPIDs: true", 1)
	for _, document := range split(text) {
		if _, err := decode(document); err != nil {
			return
		}
	}
	t.Error("hostPIDs was taken")
}

func TestObserveIsRestrictedButForTheNodesFiles(t *testing.T) {
	set := daemonSet(t, plainValues("observe"))
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks())
	if err != nil {
		t.Fatal(err)
	}
	version := podsecurity.LevelVersion{Level: podsecurity.LevelRestricted, Version: podsecurity.LatestVersion()}
	denied := map[string]bool{}
	for _, result := range evaluator.EvaluatePod(version, &set.Spec.Template.ObjectMeta, &set.Spec.Template.Spec) {
		if !result.Allowed {
			denied[result.ForbiddenReason] = true
		}
	}
	delete(denied, "hostPath volumes")
	delete(denied, "restricted volume types")
	if len(denied) > 0 {
		t.Errorf("more than hostPath is not restricted: %v", denied)
	}
	pod := set.Spec.Template.Spec
	container := pod.Containers[0]
	if !*container.SecurityContext.ReadOnlyRootFilesystem || pod.HostPID || pod.HostNetwork {
		t.Error("observe takes more than it needs")
	}
	for _, mount := range container.VolumeMounts {
		if strings.HasPrefix(mount.MountPath, "/host") && !mount.ReadOnly {
			t.Errorf("%s can be written", mount.MountPath)
		}
	}
}

func TestObserveCannotBeToldToAct(t *testing.T) {
	config := only[*core.ConfigMap](t, named(all[*core.ConfigMap](decodeAll(t, mustRender(t, plainValues("observe")))), "specula-agent"))
	for _, line := range []string{"commands = false", "tail = false", `kill-scope = "none"`, `proc-root = "/host"`} {
		if !strings.Contains(config.Data["agent.toml"]+"\n", line+"\n") {
			t.Errorf("no %q in\n%s", line, config.Data["agent.toml"])
		}
	}
	if strings.Contains(config.Data["agent.toml"], "host-namespaces") {
		t.Error("observe enters the host's namespaces")
	}
}

func named(maps []*core.ConfigMap, name string) []any {
	var found []any
	for _, one := range maps {
		if one.Name == name {
			found = append(found, one)
		}
	}
	return found
}

func TestControlActsOnTheNode(t *testing.T) {
	objects := decodeAll(t, mustRender(t, map[string]any{"profile": "control",
		"ceiling": map[string]any{"kill-scope": "started", "tail-roots": []any{"/var/log"}, "max-timeout": 600}}))
	pod := only[*apps.DaemonSet](t, objects).Spec.Template.Spec
	if !pod.HostPID || !*pod.Containers[0].SecurityContext.Privileged {
		t.Error("without hostPID and privileged nothing of the node can be entered")
	}
	config := only[*core.ConfigMap](t, named(all[*core.ConfigMap](objects), "specula-agent")).Data["agent.toml"]
	for _, line := range []string{`host-namespaces = "/proc/1/ns"`, `front-user = "specula"`, "commands = true",
		`kill-scope = "started"`, `tail-roots = ["/var/log"]`, "max-timeout = 600"} {
		if !strings.Contains(config+"\n", line+"\n") {
			t.Errorf("no %q in\n%s", line, config)
		}
	}
	state := ""
	for _, volume := range pod.Volumes {
		if volume.Name == "state" && volume.HostPath != nil {
			state = volume.HostPath.Path
		}
	}
	for _, mount := range pod.Containers[0].VolumeMounts {
		if mount.Name == "state" && mount.MountPath != state {
			t.Errorf("the state is %q on the node and %q in the pod", state, mount.MountPath)
		}
	}
}

func TestEveryVolumeIsThereAndUsed(t *testing.T) {
	for _, profile := range profiles {
		for _, root := range []bool{false, true} {
			pod := daemonSet(t, map[string]any{"profile": profile, "hostRoot": root}).Spec.Template.Spec
			volumes, mounts := map[string]bool{}, map[string]bool{}
			for _, volume := range pod.Volumes {
				volumes[volume.Name] = true
			}
			for _, mount := range pod.Containers[0].VolumeMounts {
				mounts[mount.Name] = true
			}
			if fmt.Sprint(volumes) != fmt.Sprint(mounts) {
				t.Errorf("%s: volumes %v, mounts %v", profile, volumes, mounts)
			}
		}
	}
}

func TestTheServiceLeadsToThePodsAndTheCertificateIsForIt(t *testing.T) {
	objects := decodeAll(t, mustRender(t, plainValues("observe")))
	service := only[*core.Service](t, objects)
	set := only[*apps.DaemonSet](t, objects)
	policy := only[*networking.NetworkPolicy](t, objects)
	if service.Spec.ClusterIP != core.ClusterIPNone {
		t.Error("the service has one address for all")
	}
	for _, selector := range []map[string]string{service.Spec.Selector, set.Spec.Selector.MatchLabels, policy.Spec.PodSelector.MatchLabels} {
		if len(selector) == 0 {
			t.Error("a selector is empty")
		}
		for key, value := range selector {
			if set.Spec.Template.Labels[key] != value {
				t.Errorf("no pod has %s=%s", key, value)
			}
		}
	}
	for _, certificate := range all[*certmanager.Certificate](objects) {
		if certificate.Name != "specula-agent" {
			continue
		}
		if len(certificate.Spec.URIs) != 1 || certificate.Spec.URIs[0] != "spiffe://specula.local/specula/agent/specula-agent" {
			t.Errorf("URIs are %v", certificate.Spec.URIs)
		}
		for _, name := range certificate.Spec.DNSNames {
			if name == fmt.Sprintf("%s.%s.svc.cluster.local", service.Name, service.Namespace) {
				return
			}
		}
		t.Errorf("the certificate is for %v", certificate.Spec.DNSNames)
	}
	t.Error("no certificate")
}

func TestCertificatesOfCallersCarryTheirRole(t *testing.T) {
	objects := decodeAll(t, mustRender(t, map[string]any{"tls": map[string]any{"certManager": map[string]any{
		"clients": []any{map[string]any{"name": "alice", "role": "viewer"}}}}}))
	for _, certificate := range all[*certmanager.Certificate](objects) {
		if certificate.Name == "specula-client-alice" {
			if certificate.Spec.URIs[0] != "spiffe://specula.local/specula/viewer/alice" {
				t.Error(certificate.Spec.URIs)
			}
			for _, usage := range certificate.Spec.Usages {
				if usage == certmanager.UsageServerAuth {
					t.Error("a caller's certificate serves")
				}
			}
			return
		}
	}
	t.Error("no certificate for alice")
}

func TestValuesThatMakeNoSenseAreRefused(t *testing.T) {
	for name, values := range map[string]map[string]any{
		"unknown profile":      {"profile": "everything"},
		"unknown key":          {"profiles": "observe"},
		"unknown ceiling key":  {"ceiling": map[string]any{"comands": false}},
		"a word for a number":  {"port": "many"},
		"a relative root":      {"ceiling": map[string]any{"tail-roots": []any{"var/log"}}},
		"a role that is none":  {"tls": map[string]any{"certManager": map[string]any{"clients": []any{map[string]any{"name": "a", "role": "root"}}}}},
		"the root as a state":  {"stateDirectory": "/"},
		"a serial with spaces": {"denylist": []any{"0A 1B"}},
	} {
		if _, err := render(values); err == nil {
			t.Errorf("%s: was taken", name)
		}
	}
}
