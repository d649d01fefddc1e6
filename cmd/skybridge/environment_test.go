// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestEnvironmentAlone proves that variables of the old connector start a bridge where no
// file exists, that check-config shows the same, and that a file that a flag names has to
// exist all the same.
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
	for _, args := range [][]string{{"check-config", "skybridge.yml"}, {"--config.file=skybridge.yml", "check-config"}, {"--config.file=skybridge.yml"}} {
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
