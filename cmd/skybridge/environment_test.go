// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestEnvironmentAlone proves that variables of the old connector start a bridge where no
// file exists, that check-config and convert-config show the same, and that a file that is
// named has to exist all the same.
func TestEnvironmentAlone(t *testing.T) {
	a := startAnalyzer(t)
	inEnvironment := func(args ...string) *exec.Cmd {
		cmd := command(t, args...)
		cmd.Dir = t.TempDir()
		cmd.Env = append(cmd.Env, "SKYDIVE_PIPELINE_SUBSCRIBER_URL="+a.URL(), "SKYDIVE_HOST_ID=by-variable")
		return cmd
	}
	if out, err := inEnvironment("check-config").CombinedOutput(); err != nil || !strings.Contains(string(out), "host_id: by-variable") {
		t.Errorf("check-config: %v\n%s", err, out)
	}
	convert := inEnvironment("convert-config")
	out, err := convert.Output()
	if err != nil || !strings.HasPrefix(string(out), "# Made of the variables SKYDIVE_* by") || !strings.Contains(string(out), "host_id: by-variable") {
		t.Errorf("convert-config: %v\n%s", err, out)
	}
	file := filepath.Join(convert.Dir, "skybridge.yml") // which the shell makes of "> skybridge.yml"
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	again := inEnvironment("convert-config")
	again.Dir = convert.Dir
	if same, err := again.Output(); err != nil || string(same) != string(out) {
		t.Errorf("convert-config beside an empty file: %v\n%s", err, same)
	}
	for _, args := range [][]string{{"convert-config", "skybridge.yml"}, {"--config.file=skybridge.yml", "convert-config"}, {"check-config", "skybridge.yml"}, {"--config.file=skybridge.yml", "check-config"}, {"--config.file=skybridge.yml"}} {
		if out, err := inEnvironment(args...).CombinedOutput(); err == nil || !strings.Contains(string(out), "skybridge.yml: cannot open the file") {
			t.Errorf("%v: %v\n%s", args, err, out)
		}
	}

	cmd := inEnvironment("--web.listen-address=127.0.0.1:0", "--config.auto-reload-interval=1s")
	logged(t, cmd)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := a.WaitSubscribers(ctx, 1); err != nil {
		t.Error(err)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("the bridge ended with %v", err)
	}
}
