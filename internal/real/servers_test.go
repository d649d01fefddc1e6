//go:build real

// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package real

import (
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/skydive-project/skybridge/internal/await"
	"github.com/skydive-project/skybridge/internal/judge"
	"github.com/skydive-project/skybridge/internal/loopback"
	"github.com/skydive-project/skybridge/internal/prom"
)

// server is a process that listens on a loopback port.
type server struct {
	url  string
	cmd  *exec.Cmd
	logs *await.Logs
	done chan struct{}
}

// start runs a program until the end of the test and waits until the page at
// path answers 200.
func start(t *testing.T, address, path, program string, args ...string) *server {
	t.Helper()
	s := &server{url: "http://" + address, cmd: exec.Command(program, args...), logs: &await.Logs{}, done: make(chan struct{})}
	s.cmd.Stdout, s.cmd.Stderr = s.logs, s.logs
	if err := s.cmd.Start(); err != nil {
		t.Fatalf("%s is needed for this test: %v", program, err)
	}
	go func() {
		defer close(s.done)
		_ = s.cmd.Wait()
	}()
	t.Cleanup(s.terminate)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	err := await.Wait(ctx, func() (bool, string) {
		resp, err := http.Get(s.url + path)
		if err != nil {
			return false, err.Error()
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK, resp.Status
	})
	if err != nil {
		t.Fatalf("%s does not answer: %v\n%s", program, err, s.logs)
	}
	return s
}

// terminate sends SIGTERM and waits; the first time only.
func (s *server) terminate() {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	<-s.done
}

// sums returns what each counter of a receiver has increased by since then.
func (s *server) sums(ctx context.Context, t *testing.T, since time.Time) map[string]uint64 {
	t.Helper()
	client := prom.NewClient(s.url)
	defer client.Close()
	series, err := client.RawSeries(ctx, judge.Selector, since.Add(-time.Minute), time.Now().Add(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	return judge.Sums(series)
}

// startPrometheus runs Debian's prometheus as a remote-write receiver, with those flags as
// well.
func startPrometheus(t *testing.T, flags ...string) *server {
	dir := t.TempDir()
	config := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(config, []byte("global: {scrape_interval: 15s}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	address := loopback.Address()
	return start(t, address, "/-/ready", "prometheus", append(flags,
		"--config.file="+config, "--storage.tsdb.path="+filepath.Join(dir, "data"),
		"--web.listen-address="+address, "--web.enable-remote-write-receiver")...)
}

// startVictoriaMetrics runs Debian's victoria-metrics with those flags as well.
func startVictoriaMetrics(t *testing.T, flags ...string) *server {
	address := loopback.Address()
	return start(t, address, "/health", "victoria-metrics", append(flags,
		"-httpListenAddr="+address, "-storageDataPath="+filepath.Join(t.TempDir(), "data"),
		"-search.latencyOffset=0s", "-retentionPeriod=1d")...)
}

// build makes the binary under test.
func build(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "skybridge")
	cmd := exec.Command("go", "build", "-o", binary, "github.com/skydive-project/skybridge/cmd/skybridge")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return binary
}
