// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package container

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/common/promslog"
	promconfig "github.com/prometheus/prometheus/config"
	"go.yaml.in/yaml/v3"

	"github.com/skydive-project/skybridge/bridge/config"
)

// decode reads a file strictly: what its type does not have is an error.
func decode(t *testing.T, file string, into any) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	d := yaml.NewDecoder(bytes.NewReader(data))
	d.KnownFields(true)
	if err := d.Decode(into); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

// compose is what the file uses of the compose specification.
type compose struct {
	Name       string
	Restricted any `yaml:"x-restricted"`
	Services   map[string]service
	Volumes    map[string]struct{}
}

type service struct {
	Image           string
	Build           struct{ Context, Dockerfile string }
	Command         []string
	User            string
	NetworkMode     string `yaml:"network_mode"`
	Restart         string
	ReadOnly        bool     `yaml:"read_only"`
	CapDrop         []string `yaml:"cap_drop"`
	CapAdd          []string `yaml:"cap_add"`
	SecurityOpt     []string `yaml:"security_opt"`
	StopGracePeriod string   `yaml:"stop_grace_period"`
	Environment     map[string]string
	Tmpfs, Volumes  []string
}

// TestCompose holds the services to least rights, and to each other: each one listens
// where the next one looks for it, on loopback, and every mount is there.
func TestCompose(t *testing.T) {
	var c compose
	decode(t, "compose.yaml", &c)
	var names []string
	for name, s := range c.Services {
		names = append(names, name)
		if !s.ReadOnly || !slices.Equal(s.CapDrop, []string{"ALL"}) || !slices.Contains(s.SecurityOpt, "no-new-privileges:true") {
			t.Errorf("%s has rights that it does not need", name)
		}
		if len(s.CapAdd) > 0 && name != "skydive" {
			t.Errorf("%s has capabilities: %q", name, s.CapAdd)
		}
		if (s.Image == "") == (s.Build.Dockerfile == "") {
			t.Errorf("%s has image %q, Dockerfile %q", name, s.Image, s.Build.Dockerfile)
		}
		for _, volume := range s.Volumes {
			source, _, _ := strings.Cut(volume, ":")
			if _, named := c.Volumes[source]; named {
				continue
			}
			if _, err := os.Stat(source); err != nil || !strings.HasSuffix(volume, ":ro") {
				t.Errorf("%s mounts %s: %v", name, volume, err)
			}
		}
	}
	if slices.Sort(names); !slices.Equal(names, []string{"grafana", "prometheus", "skybridge", "skydive"}) {
		t.Errorf("services %q", names)
	}
	build := c.Services["skybridge"].Build
	if _, err := os.Stat(filepath.Join(build.Context, build.Dockerfile)); err != nil {
		t.Error(err)
	}

	cfg, warnings, err := config.Load("skybridge.yml", config.Process{})
	if err != nil || len(warnings) > 0 {
		t.Fatalf("%v %v", err, warnings)
	}
	var skydive struct {
		Analyzer  struct{ Listen string }
		Analyzers []string
		Flow      struct{ Protocol string }
	}
	read(t, "skydive.yml", &skydive)
	if skydive.Flow.Protocol != "websocket" {
		t.Errorf("flow.protocol %q: udp loses reports", skydive.Flow.Protocol)
	}
	// By name: an IPv4 address panics with that protocol.
	named := strings.Replace(skydive.Analyzer.Listen, "127.0.0.1", "localhost", 1)
	if want := "ws://" + skydive.Analyzer.Listen; len(cfg.Skydive.Analyzers) != 1 || !strings.HasPrefix(cfg.Skydive.Analyzers[0], want) || !slices.Equal(skydive.Analyzers, []string{named}) {
		t.Errorf("analyzers %q and %q, Skydive listens on %s", cfg.Skydive.Analyzers, skydive.Analyzers, skydive.Analyzer.Listen)
	}
	prometheus := c.Services["prometheus"].Command
	address := strings.TrimPrefix(cfg.RemoteWrite[0].URL, "http://")
	address = strings.TrimSuffix(address, "/api/v1/write")
	if !slices.Contains(prometheus, "--web.listen-address="+address) || !slices.Contains(prometheus, "--web.enable-remote-write-receiver") {
		t.Errorf("pushes to %s, Prometheus runs with %q", address, prometheus)
	}
	var grafana struct {
		APIVersion  int `yaml:"apiVersion"`
		Datasources []struct {
			Name, Type, Access, URL string
			IsDefault               bool `yaml:"isDefault"`
		}
	}
	decode(t, "grafana/datasources.yaml", &grafana)
	if grafana.Datasources[0].URL != "http://"+address {
		t.Errorf("Grafana asks %s, Prometheus is at %s", grafana.Datasources[0].URL, address)
	}
	var dashboards struct {
		Providers []struct{ Options struct{ Path string } }
	}
	read(t, "grafana/dashboards.yaml", &dashboards)
	if path := dashboards.Providers[0].Options.Path; !slices.Contains(c.Services["grafana"].Volumes, "../grafana:"+path+":ro") {
		t.Errorf("Grafana looks for dashboards in %s, where none are", path)
	}
	for _, listens := range []string{cfg.Web.ListenAddress, address, skydive.Analyzer.Listen} {
		if !strings.HasPrefix(listens, "127.0.0.1:") {
			t.Errorf("something listens on %s, not on loopback alone", listens)
		}
	}
	if c.Services["grafana"].Environment["GF_SERVER_HTTP_ADDR"] != "127.0.0.1" {
		t.Error("Grafana listens everywhere")
	}

	scrape, err := promconfig.LoadFile("prometheus.yml", false, promslog.NewNopLogger())
	if err != nil {
		t.Fatal(err)
	}
	for _, job := range scrape.ScrapeConfigs {
		if !slices.Equal(job.Params["collect[]"], []string{"self"}) {
			t.Errorf("%s scrapes what is pushed: %v", job.JobName, job.Params)
		}
	}
}

// instruction is one of a Dockerfile.
type instruction struct{ name, rest string }

func dockerfile(t *testing.T) (stages [][]instruction) {
	t.Helper()
	data, err := os.ReadFile("Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	text := regexp.MustCompile(`(?m)^#.*\n`).ReplaceAllString(string(data), "")
	text = strings.ReplaceAll(text, "\\\n", " ")
	for line := range strings.Lines(text) {
		name, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		if name == "" {
			continue
		}
		if name == "FROM" {
			stages = append(stages, nil)
		}
		if len(stages) > 0 {
			stages[len(stages)-1] = append(stages[len(stages)-1], instruction{name, strings.TrimSpace(rest)})
		}
	}
	return stages
}

// TestDockerfile holds the image to being empty but for the binary, and not root's;
// and what is copied into the build to being all that the binary is made of.
func TestDockerfile(t *testing.T) {
	stages := dockerfile(t)
	if len(stages) != 2 {
		t.Fatalf("%d stages, want 2", len(stages))
	}
	image := map[string]string{}
	for _, i := range stages[1] {
		if i.name == "COPY" && !strings.HasPrefix(i.rest, "--from=build ") {
			t.Errorf("the image has more than what was built: %s", i.rest)
		}
		image[i.name] = i.rest
	}
	if image["FROM"] != "scratch" || image["USER"] != "65532:65532" {
		t.Errorf("from %q, user %q", image["FROM"], image["USER"])
	}

	// The build's context is what .dockerignore lets through.
	ignore, err := os.ReadFile("../../.dockerignore")
	if err != nil {
		t.Fatal(err)
	}
	packages, err := exec.Command("go", "list", "-deps", "-f", "{{if .Module}}{{if .Module.Main}}{{.ImportPath}}{{end}}{{end}}", "../../cmd/skybridge").Output()
	if err != nil {
		t.Fatal(err)
	}
	for pkg := range strings.FieldsSeq(string(packages)) {
		room, _, _ := strings.Cut(strings.TrimPrefix(pkg, "github.com/skydive-project/skybridge/"), "/")
		if !strings.Contains(string(ignore), "\n!"+room+"\n") {
			t.Errorf("the build has no %s: .dockerignore leaves it out", pkg)
		}
	}
	var flags []string
	if err := json.Unmarshal([]byte(image["CMD"]), &flags); err != nil {
		t.Fatal(err)
	}
	accepts(t, "skybridge.yml", flags...)
}

// TestDeployedConfigurations asks the binary whether it accepts the flags and the
// files with which it is deployed.
func TestDeployedConfigurations(t *testing.T) {
	var pod struct {
		Spec struct {
			Template struct {
				Spec struct{ Containers []struct{ Args []string } }
			}
		}
	}
	read(t, "../kubernetes/statefulset.yaml", &pod)
	var cm struct{ Data map[string]string }
	read(t, "../kubernetes/configmap.yaml", &cm)
	file := filepath.Join(t.TempDir(), "skybridge.yml")
	if err := os.WriteFile(file, []byte(cm.Data["skybridge.yml"]), 0o600); err != nil {
		t.Fatal(err)
	}
	accepts(t, file, pod.Spec.Template.Spec.Containers[0].Args...)

	unit, err := os.ReadFile("../systemd/skybridge.service")
	if err != nil {
		t.Fatal(err)
	}
	_, command, _ := strings.Cut(string(unit), "\nExecStart=/usr/bin/skybridge ")
	command, _, _ = strings.Cut(command, " $ARGS\n")
	accepts(t, "../packages/skybridge.yml", strings.Fields(command)...)
}

func read(t *testing.T, file string, into any) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err == nil {
		err = yaml.Unmarshal(data, into)
	}
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

// workshop is where the binary is built.
var workshop string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "skybridge-deployed-")
	if err != nil {
		panic(err)
	}
	workshop = dir
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// binary is skybridge, built once.
var binary = sync.OnceValues(func() (string, error) {
	file := filepath.Join(workshop, "skybridge")
	return file, exec.Command("go", "build", "-o", file, "../../cmd/skybridge").Run()
})

// accepts runs the binary with flags, which are read before the file is checked.
func accepts(t *testing.T, file string, flags ...string) {
	t.Helper()
	if len(flags) == 0 {
		t.Fatal("no flags")
	}
	skybridge, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(skybridge, append(flags, "check-config", file)...).CombinedOutput()
	if err != nil || strings.Contains(string(out), "warning") {
		t.Errorf("%q with %s: %v\n%s", flags, file, err, out)
	}
}
