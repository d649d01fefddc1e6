// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package chaos

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/skydive-project/skybridge/internal/leaks"
	"github.com/skydive-project/skybridge/internal/loopback"
)

// workshop is where the binary is built.
var workshop string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "skybridge-chaos-")
	if err != nil {
		panic(err)
	}
	workshop = dir
	// The runs wait most of the time, for ticks and for what is broken to be
	// mended: all of them at once take hardly longer than one. -parallel wins.
	if err := flag.Set("test.parallel", "16"); err != nil {
		panic(err)
	}
	leaks.Main(m, func() { _ = os.RemoveAll(dir) })
}

// build builds the binary, once for all tests.
var build = sync.OnceValues(func() (string, error) {
	binary := filepath.Join(workshop, "skybridge")
	cmd := exec.Command("go", "build", "-buildvcs=false", "-o", binary, "github.com/skydive-project/skybridge/cmd/skybridge")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build skybridge: %w: %s", err, out)
	}
	return binary, nil
})

// process is the bridge as a child process, one after the other.
type process struct {
	t       *testing.T
	binary  string
	address string
	args    []string
	logs    *logs

	lifeLog *lifeLog   // of the present life, or the last
	cmd     *exec.Cmd  // nil: none runs
	ended   chan error // of cmd
	// stopping: cmd has been asked to end.
	stopping bool
	ready    chan struct{} // closed when cmd answers, or has ended
}

func newProcess(t *testing.T, config, storage string, logs *logs) *process {
	binary, err := build()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{t: t, binary: binary, address: loopback.Address(), logs: logs}
	p.args = []string{"--config.file=" + config, "--storage.path=" + storage, "--web.listen-address=" + p.address}
	t.Cleanup(p.kill)
	return p
}

func (p *process) url() string { return "http://" + p.address }

func (p *process) running() bool { return p.cmd != nil }

func (p *process) left() bool { return p.lifeLog.left() }

// start starts a process and does not wait until it is up.
func (p *process) start(ctx context.Context) {
	cmd := exec.Command(p.binary, p.args...)
	p.lifeLog = p.logs.lifeLog()
	cmd.Stdout, cmd.Stderr = p.lifeLog, p.lifeLog
	if err := cmd.Start(); err != nil {
		p.t.Fatalf("start the bridge: %v", err)
	}
	ended, ready, gone := make(chan error, 1), make(chan struct{}), make(chan struct{})
	p.cmd, p.ended, p.ready, p.stopping = cmd, ended, ready, false
	go func() {
		err := cmd.Wait()
		close(gone)
		ended <- err
	}()
	go func() {
		defer close(ready)
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Second}
		for ticker := time.NewTicker(10 * time.Millisecond); ; {
			response, err := client.Get(p.url() + "/-/healthy")
			if err == nil {
				_ = response.Body.Close()
				return
			}
			select {
			case <-ticker.C:
			case <-gone:
				return
			case <-ctx.Done():
				return
			}
		}
	}()
}

// up says whether the process obeys signals by now.
func (p *process) up() bool {
	if p.cmd == nil || p.stopping {
		return false
	}
	select {
	case <-p.ready:
		return true
	default:
		return false
	}
}

// check says whether the process has ended as it was asked to. One that ends by
// itself, or badly, fails the test.
func (p *process) check() bool {
	p.t.Helper()
	if p.cmd == nil {
		return false
	}
	select {
	case err := <-p.ended:
		<-p.ready
		p.cmd = nil
		if err != nil || !p.stopping {
			p.t.Fatalf("the bridge ended (asked to: %v) with: %v\n%s", p.stopping, err, p.logs)
		}
		return true
	default:
		return false
	}
}

// kill is kill -9.
func (p *process) kill() {
	if p.cmd != nil {
		_ = p.cmd.Process.Kill()
		<-p.ended
		<-p.ready
		p.cmd = nil
	}
}

// terminate is SIGTERM.
func (p *process) terminate() {
	p.stopping = true
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // if it has ended, check says so
}

// reload is SIGHUP.
func (p *process) reload() {
	_ = p.cmd.Process.Signal(syscall.SIGHUP) // if it has ended, check says so
}
