// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/skydive-project/skybridge/internal/analyzer"
	"github.com/skydive-project/skybridge/internal/judge"
	"github.com/skydive-project/skybridge/internal/leaks"
	"github.com/skydive-project/skybridge/internal/loopback"
)

// TestMain lets the test binary be skybridge: its children run main.
func TestMain(m *testing.M) {
	if os.Getenv("SKYBRIDGE_TEST_MAIN") != "" {
		main()
		os.Exit(0)
	}
	leaks.Main(m, nil)
}

// command returns skybridge as a child process that ends with the test.
func command(t *testing.T, args ...string) *exec.Cmd {
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, os.Args[0], args...)
	cmd.Env = append(os.Environ(), "SKYBRIDGE_TEST_MAIN=1")
	return cmd
}

// logged has what a command logs shown where the test fails.
func logged(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	file, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = file
	t.Cleanup(func() {
		file.Close()
		if text, err := os.ReadFile(file.Name()); t.Failed() {
			t.Logf("%v logged (%v):\n%s", cmd, err, text)
		}
	})
}

func write(t *testing.T, name, text string) string {
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

const oldFile = `analyzers:
  - 127.0.0.1:8082
pipeline:
  subscriber:
    url: ws://127.0.0.1:8082/ws/subscriber/flow
  transform: {type: none}
  store:
    type: prom_sky_con
    prom_sky_con: {port: 9100, connection_timeout: 90}
`

func TestCommands(t *testing.T) {
	good := write(t, "skybridge.yml", "skydive: {analyzers: [ws://127.0.0.1:8082]}\n")
	bad := write(t, "bad.yml", "skydive:\n  analyzers: [ws://127.0.0.1:8082]\n  color: red\nwob: 1\n")
	listener := write(t, "web.yml", "http_server_config: {http2: false}\n")
	old := write(t, "prom_sky_con.yml", oldFile)
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	deaf := write(t, "deaf.yml", "skydive: {analyzers: ['ws://127.0.0.1:1']}\ntopology: {enabled: false}\n")
	tests := []struct {
		name           string
		args           []string
		code           int
		stdout, stderr []string
	}{
		{"a valid file", []string{"check-config", good}, 0, []string{"is valid", "ws://127.0.0.1:8082"}, nil},
		{"the old file is valid as it is", []string{"check-config", old}, 0, []string{"is valid"}, nil},
		{"every error with its line", []string{"check-config", good, bad}, 1, []string{good}, []string{"bad.yml:3: ", "bad.yml:4: ", "1 file is not valid"}},
		{"a file that is not there", []string{"check-config", "nowhere.yml"}, 1, nil, []string{"nowhere.yml"}},
		{"convert", []string{"convert-config", old}, 0, []string{"connection_timeout: 1m30s", "listen_address"}, nil},
		{"convert what has no end", []string{"convert-config", "/dev/zero"}, 1, nil, []string{"/dev/zero: the file is larger than 1024 KiB"}},
		{"convert a pipe without a writer", []string{"convert-config", pipe}, 1, nil, []string{"the file is empty"}},
		{"convert nothing", []string{"convert-config", "nowhere.yml"}, 1, nil, []string{"nowhere.yml: cannot open the file"}},
		{"check what has no end", []string{"check-config", "/dev/zero", pipe}, 1, nil, []string{"larger than 1024 KiB", "the file is empty"}},
		{"a listener's settings without an end", []string{"--config.file=" + good, "--web.listen-address=127.0.0.1:0", "--web.config.file=/dev/zero"}, 1, nil, []string{"--web.config.file /dev/zero: is not a regular file"}},
		{"a listener's settings from a pipe", []string{"--config.file=" + good, "--web.listen-address=127.0.0.1:0", "--web.config.file=" + pipe}, 1, nil, []string{"is not a regular file"}},
		{"an address without a port", []string{"--web.listen-address=127.0.0.1", "check-config", good}, 2, nil, []string{`--web.listen-address must be host:port, it is "127.0.0.1"`}},
		{"a prefix that is a URL", []string{"--web.route-prefix=http://x/y", "check-config", good}, 2, nil, []string{`--web.route-prefix is "http://x/y"`}},
		{"a path for the metrics that is another page's", []string{"--web.telemetry-path=/", "check-config", good}, 2, nil, []string{`--web.telemetry-path is "/"`}},
		{"a reload that never rests", []string{"--config.auto-reload-interval=500ms", "check-config", good}, 2, nil, []string{"--config.auto-reload-interval is 500ms: write at least 1s"}},
		{"the same when it starts", []string{"--config.auto-reload-interval=500ms", "--config.file=" + good, "--web.listen-address=127.0.0.1:0"}, 2, nil, []string{"at least 1s"}},
		{"version", []string{"--version"}, 0, []string{"skybridge, version", "commit:", "go version: go1."}, nil},
		{"help", []string{"--help"}, 0, []string{"--config.file", "check-config"}, nil},
		{"an unknown flag", []string{"--colour"}, 2, nil, []string{"colour", "see --help"}},
		{"an unknown command", []string{"chek-config", good}, 2, nil, []string{"see --help"}},
		{"no file", []string{"check-config"}, 1, nil, []string{"skybridge.yml: cannot open the file (no such file or directory)"}},
		{"the file of the flag", []string{"--config.file=" + good, "check-config"}, 0, []string{good + " is valid"}, nil},
		{"standard input", []string{"check-config", "-", good}, 1, []string{good + " is valid"}, []string{"/dev/stdin:5: unknown key colour", "1 file is not valid"}},
		{"standard input twice", []string{"check-config", "-", good, "-"}, 2, nil, []string{"standard input (-) stands there twice"}},
		{"convert standard input", []string{"convert-config", "-"}, 1, nil, []string{"/dev/stdin: this is not a prom_sky_con.yml"}},
		{"analyzers and receivers that are asked", []string{"check-config", "--connect", deaf}, 3, []string{deaf + " is valid", "FAILED  analyzer ws://127.0.0.1:1/ws/subscriber/flow: connect: "},
			[]string{"1 check has failed"}},
		{"settings of the listener", []string{"check-config", "--web.config.file=" + good, good}, 1, []string{good + " is valid"}, []string{"read --web.config.file " + good, "1 file is not valid"}},
		{"sound settings of the listener", []string{"check-config", "--web.config.file=" + listener, good}, 0, nil, nil},
		{"a bad configuration", []string{"--config.file=" + bad}, 1, nil, []string{"bad.yml:3: ", "bad.yml:4: "}},
		{"no configuration", []string{"--config.file=nowhere.yml"}, 1, nil, []string{"nowhere.yml", "no such file"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			cmd := command(t, test.args...)
			cmd.Stdin = strings.NewReader("skydive:\n  analyzers: [ws://127.0.0.1:8082]\n\n\ncolour: red\n")
			cmd.Stdout, cmd.Stderr = &stdout, &stderr
			code := 0
			if err := cmd.Run(); err != nil {
				exit, ok := errors.AsType[*exec.ExitError](err)
				if !ok {
					t.Fatal(err)
				}
				code = exit.ExitCode()
			}
			if code != test.code {
				t.Errorf("exit code %d, want %d\n%s", code, test.code, stderr.String())
			}
			for _, want := range test.stdout {
				if !strings.Contains(stdout.String(), want) {
					t.Errorf("standard output lacks %q:\n%s", want, stdout.String())
				}
			}
			for _, want := range test.stderr {
				if !strings.Contains(stderr.String(), want) {
					t.Errorf("standard error lacks %q:\n%s", want, stderr.String())
				}
			}
		})
	}
}

// TestConvertedFileIsValid feeds what convert-config prints to check-config.
func TestConvertedFileIsValid(t *testing.T) {
	out, err := command(t, "convert-config", write(t, "prom_sky_con.yml", oldFile)).Output()
	if err != nil {
		t.Fatal(err)
	}
	if out, err := command(t, "check-config", write(t, "skybridge.yml", string(out))).CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// running starts the bridge against an analyzer and a receiver that does not
// exist, sends it one flow and waits until it has read it.
func running(t *testing.T, receiver string, with ...func(*exec.Cmd)) (cmd *exec.Cmd, a *analyzer.Analyzer, logs *bytes.Buffer) {
	a = startAnalyzer(t)
	address := loopback.Address()
	file := write(t, "skybridge.yml", "skydive: {analyzers: ['"+a.URL()+"']}\n"+receiver)
	logs = &bytes.Buffer{}
	cmd = command(t, "--config.file="+file, "--web.listen-address="+address)
	cmd.Stderr = logs
	for _, with := range with {
		with(cmd)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	fail := func(err error) {
		t.Helper()
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it may have ended by itself
		t.Fatalf("%v\n%s", err, logs)
	}
	if err := a.WaitSubscribers(ctx, 1); err != nil {
		fail(err)
	}
	now := time.Now().UnixMilli()
	m := &analyzer.Metric{ABBytes: 60, ABPackets: 1, Start: now, Last: now}
	a.SendFlows([]analyzer.Flow{{
		UUID: "1", NodeTID: "n", CaptureID: "c", Start: now, Metric: m, LastUpdateMetric: m,
		Transport: &analyzer.Transport{Protocol: "TCP", A: 1, B: 2},
	}})
	feed := judge.Feed{Sent: 1}
	if err := feed.WaitReceived(ctx, "http://"+address); err != nil {
		fail(err)
	}
	http.DefaultClient.CloseIdleConnections()
	return cmd, a, logs
}

// webAddress is the listen address of a command.
func webAddress(cmd *exec.Cmd) string {
	for _, arg := range cmd.Args {
		if value, ok := strings.CutPrefix(arg, "--web.listen-address="); ok {
			return value
		}
	}
	return ""
}

func TestSIGTERMStopsInOrder(t *testing.T) {
	cmd, _, logs := running(t, "")
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v, want exit code 0\n%s", err, logs)
	}
}

// TestSecondSignalExitsAtOnce stops a bridge that has something to flush and
// no one who takes it, and does not wait for its deadline.
func TestSecondSignalExitsAtOnce(t *testing.T) {
	cmd, a, logs := running(t, "remote_write: [{url: 'http://127.0.0.1:9/'}]\n")
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := a.Wait(t.Context(), func(s []analyzer.Subscriber) bool { return len(s) == 0 }); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	err := cmd.Wait()
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGTERM {
		t.Errorf("ended with %v, want death by the second signal\n%s", err, logs)
	}
}

// TestImports holds the product to what it may carry: Prometheus' own
// configuration package brings the software kits of three clouds.
func TestImports(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	for pkg := range strings.FieldsSeq(string(out)) {
		for _, never := range []string{
			"github.com/prometheus/prometheus/config", "github.com/prometheus/prometheus/storage", "github.com/prometheus/prometheus/tsdb",
			"github.com/aws/", "github.com/Azure/", "cloud.google.com/",
			"github.com/skydive-project/skybridge/internal/",
		} {
			if strings.HasPrefix(pkg+"/", strings.TrimSuffix(never, "/")+"/") {
				t.Errorf("the product imports %s", pkg)
			}
		}
	}
}
