// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// volume is a directory into which Kubernetes mounts a ConfigMap or a secret: each file is
// a link through ..data, which is replaced as a whole.
type volume struct {
	t        *testing.T
	dir      string
	versions int
}

func newVolume(t *testing.T) *volume { return &volume{t: t, dir: t.TempDir()} }

// put replaces the content, and returns the file of that name.
func (v *volume) put(name, text string) string {
	v.t.Helper()
	v.versions++
	version, file := "..version"+strconv.Itoa(v.versions), filepath.Join(v.dir, name)
	v.must(os.Mkdir(filepath.Join(v.dir, version), 0o700))
	v.must(os.WriteFile(filepath.Join(v.dir, version, name), []byte(text), 0o600))
	v.must(os.Symlink(version, filepath.Join(v.dir, "..next")))
	v.must(os.Rename(filepath.Join(v.dir, "..next"), filepath.Join(v.dir, "..data")))
	if v.versions == 1 {
		v.must(os.Symlink(filepath.Join("..data", name), file))
	}
	return file
}

// remove removes the content.
func (v *volume) remove() { v.must(os.Remove(filepath.Join(v.dir, "..data"))) }

func (v *volume) must(err error) {
	v.t.Helper()
	if err != nil {
		v.t.Fatal(err)
	}
}

// TestAutoReload proves that a change of what the configuration or a secret contains is
// loaded once two looks have found the same, also after a reload that failed, and that a
// touch, a new volume with the same content, and a file that is missing or half-written at
// one look are not.
func TestAutoReload(t *testing.T) {
	config, secret := newVolume(t), newVolume(t)
	password := secret.put("password", "one")
	text := func(rest string) string {
		return "skydive: {analyzers: ['ws://127.0.0.1:1'], basic_auth: {username: u, password_file: " + password + "}}\n" + rest
	}
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		l.options.ConfigFile = config.put("skybridge.yml", text(""))
		l.options.AutoReloadInterval = time.Minute
		l.options.watch = &watch{file: l.options.ConfigFile}
		l.start()
		defer l.halt()
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		l.ticks.Go(func() { l.reloadLoop(ctx) })
		reloads, failures := 0, 0
		time.Sleep(time.Second) // between two looks
		for _, step := range []struct {
			what             string
			do               func()
			looks            time.Duration
			reloads, failure int
		}{
			{"nothing", func() {}, 2, 0, 0},
			{"the same content in a new volume", func() { config.put("skybridge.yml", text("")) }, 2, 0, 0},
			{"a touch", func() { config.must(os.Chtimes(l.options.ConfigFile, time.Now(), time.Now())) }, 2, 0, 0},
			{"another configuration", func() { config.put("skybridge.yml", text("global: {push_interval: 20s}\n")) }, 2, 1, 0},
			{"another secret", func() { secret.put("password", "two") }, 2, 1, 0},
			{"an invalid configuration", func() { config.put("skybridge.yml", text("wob: 1\n")) }, 2, 0, 1},
			{"the same, which is not tried again", func() {}, 2, 0, 0},
			{"another secret while it is invalid", func() { secret.put("password", "three") }, 2, 0, 1},
			{"a valid configuration", func() { config.put("skybridge.yml", text("")) }, 2, 1, 0},
			{"a secret that is missing at one look", secret.remove, 1, 0, 0},
			{"the same secret", func() { secret.put("password", "three") }, 2, 0, 0},
			{"a configuration that is missing at one look", config.remove, 1, 0, 0},
			{"a configuration that is missing at two", func() {}, 1, 0, 1},
			{"and at three", func() {}, 1, 0, 0},
			{"a new configuration", func() { config.put("skybridge.yml", text("")) }, 2, 1, 0},
			{"a reload by the operator, seen by the next look", func() {
				secret.put("password", "four")
				config.must(l.reload(t.Context()))
			}, 2, 1, 0},
			{"half a configuration, which is valid, at one look", func() { config.put("skybridge.yml", text("")+"global:\n") }, 1, 0, 0},
			{"all of it", func() { config.put("skybridge.yml", text("global:\n  push_interval: 20s\n")) }, 1, 0, 0},
			{"the same at two looks", func() {}, 1, 1, 0},
			{"a file that is written in place, at a look", func() { config.must(os.Truncate(l.options.ConfigFile, 0)) }, 1, 0, 0},
		} {
			step.do()
			time.Sleep(step.looks * time.Minute)
			reloads += step.reloads
			failures += step.failure
			if n := strings.Count(l.logs.String(), "configuration reloaded"); n != reloads {
				t.Fatalf("%s: %d reloads, want %d\n%s", step.what, n, reloads, l.logs)
			}
			if n := strings.Count(l.logs.String(), "reload failed"); n != failures {
				t.Fatalf("%s: %d reloads failed, want %d\n%s", step.what, n, failures, l.logs)
			}
			success := l.metric("skybridge_config_last_reload_successful") == 1
			if step.failure > 0 && success || step.reloads > 0 && !success {
				t.Errorf("%s: the metric says %v", step.what, success)
			}
		}
	})
}
