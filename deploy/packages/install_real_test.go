//go:build real

// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package packages

import (
	"os"
	"strings"
	"syscall"
	"testing"
)

const configFile = "etc/skybridge/skybridge.yml"

// installed holds the root to what both kinds of packages install.
func (s *scratch) installed(version string) {
	s.t.Helper()
	for _, name := range []string{
		"usr/bin/skybridge", "usr/lib/systemd/system/skybridge.service", "usr/lib/systemd/system/skybridge.socket", "etc/default/skybridge",
		"usr/share/man/man1/skybridge.1.gz", "usr/share/bash-completion/completions/skybridge", "usr/share/doc/skybridge/copyright",
		"usr/share/doc/skybridge/examples/scrape.yml", "usr/share/doc/skybridge/examples/skybridge-alerts.yml", "usr/share/doc/skybridge/examples/bridge.json",
	} {
		if !s.exists(name) {
			s.t.Errorf("%s is not there", name)
		}
	}
	said := s.asService("/usr/bin/skybridge", "--version")
	for _, want := range []string{"version " + version, commit, "go version: go1."} {
		if !strings.Contains(said, want) {
			s.t.Errorf("--version does not tell %q:\n%s", want, said)
		}
	}
	// The user can read the configuration, and others cannot.
	s.asService("/usr/bin/skybridge", "check-config", "/"+configFile)
	info, err := os.Stat(s.path(configFile))
	if err != nil {
		s.t.Fatal(err)
	}
	if owner := info.Sys().(*syscall.Stat_t); info.Mode() != 0o640 || owner.Uid != 0 || owner.Gid == 0 {
		s.t.Errorf("%s: mode %s, owner %d:%d", configFile, info.Mode(), owner.Uid, owner.Gid)
	}
	if user := s.read("etc/passwd"); !strings.Contains(user, "skybridge:") || !strings.Contains(user, "nologin") {
		s.t.Errorf("no user that cannot log in:\n%s", user)
	}
}

// use makes a configuration of its own, and state, as an administrator and the
// service do.
func (s *scratch) use() string {
	s.t.Helper()
	text := strings.Replace(s.read(configFile), "127.0.0.1:8082", "analyzer.example:8082", 1)
	file, err := os.OpenFile(s.path(configFile), os.O_WRONLY|os.O_TRUNC, 0) // its owner stays
	if err != nil {
		s.t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.WriteString(text); err != nil {
		s.t.Fatal(err)
	}
	if err := os.MkdirAll(s.path("var/lib/skybridge/state"), 0o700); err != nil {
		s.t.Fatal(err)
	}
	s.write("var/lib/skybridge/state/snapshot", "counters", 0o600)
	return text
}

func (s *scratch) kept(config string) {
	s.t.Helper()
	if s.read(configFile) != config {
		s.t.Error("the administrator's configuration is gone")
	}
	if s.read("var/lib/skybridge/state/snapshot") != "counters" {
		s.t.Error("the state is gone")
	}
}

// TestDebian lives a package's life: install, upgrade, remove, install again, purge.
func TestDebian(t *testing.T) {
	s := newScratch(t)
	const wanted = "etc/systemd/system/multi-user.target.wants/skybridge.service"
	s.dpkg("-i", built(t, packedOlder, "*_amd64.deb"))
	s.installed(older)
	calls := s.calls()
	s.wantCall(calls, "daemon-reload")
	s.wantCall(calls, "start", "skybridge.service")
	if !s.exists(wanted) {
		t.Error("the service is not on after installation")
	}
	config := s.use()

	s.dpkg("-i", built(t, packed, "*_amd64.deb"))
	s.installed(newer)
	s.kept(config)
	calls = s.calls()
	s.wantCall(calls, "restart", "skybridge.service")
	if strings.Contains(calls, "stop") {
		t.Errorf("the service stands still during the upgrade:\n%s", calls)
	}

	s.dpkg("--remove", "skybridge")
	s.wantCall(s.calls(), "stop", "skybridge.service", "skybridge.socket")
	s.kept(config)
	if s.exists("usr/bin/skybridge") {
		t.Error("the binary is there after removal")
	}
	units := []string{"etc/systemd/system/skybridge.service", "etc/systemd/system/skybridge.socket"}
	for _, unit := range units {
		if !s.exists(unit) {
			t.Errorf("%s is not masked after removal", unit)
		}
	}

	s.dpkg("-i", built(t, packed, "*_amd64.deb"))
	s.installed(newer)
	s.kept(config)
	s.wantCall(s.calls(), "restart", "skybridge.service") // which starts it
	for _, unit := range units {
		if s.exists(unit) {
			t.Errorf("%s is masked still", unit)
		}
	}

	s.dpkg("--purge", "skybridge")
	for _, name := range []string{configFile, "etc/skybridge", "etc/default/skybridge", "var/lib/skybridge", wanted, "etc/systemd/system/skybridge.service"} {
		if s.exists(name) {
			t.Errorf("%s is there after the purge", name)
		}
	}
}

// TestDebianKeepsOff proves that an upgrade does not turn on what the administrator
// has turned off.
func TestDebianKeepsOff(t *testing.T) {
	s := newScratch(t)
	const wanted = "etc/systemd/system/multi-user.target.wants/skybridge.service"
	s.dpkg("-i", built(t, packedOlder, "*_amd64.deb"))
	if err := os.Remove(s.path(wanted)); err != nil { // as systemctl disable does
		t.Fatal(err)
	}
	s.dpkg("-i", built(t, packed, "*_amd64.deb"))
	if s.exists(wanted) {
		t.Error("the upgrade has turned the service on")
	}
}

// TestRPM is the same for rpm, on Debian's rpm: the database and the scripts are
// real, the distribution around them is not one of rpm's.
func TestRPM(t *testing.T) {
	s := newScratch(t)
	s.rpm("-i", built(t, packedOlder, "*.x86_64.rpm"))
	s.installed(older)
	s.wantCall(s.calls(), "preset", "skybridge.service")
	config := s.use()

	s.rpm("-U", built(t, packed, "*.x86_64.rpm"))
	s.installed(newer)
	s.kept(config)
	calls := s.calls()
	s.wantCall(calls, "try-restart", "skybridge.service")
	if strings.Contains(calls, "disable") {
		t.Errorf("the upgrade turns the service off:\n%s", calls)
	}

	s.rpm("-e", "skybridge")
	s.wantCall(s.calls(), "disable", "--now", "skybridge.service")
	if s.exists("usr/bin/skybridge") {
		t.Error("the binary is there after removal")
	}
	if s.read(configFile+".rpmsave") != config || s.read("var/lib/skybridge/state/snapshot") != "counters" {
		t.Error("configuration or state are gone")
	}
}

// TestRPMOfTheShippedConfiguration proves that an upgrade leaves the configuration
// readable for the service where no one has changed it: rpm then writes it again.
func TestRPMOfTheShippedConfiguration(t *testing.T) {
	s := newScratch(t)
	s.rpm("-i", built(t, packedOlder, "*.x86_64.rpm"))
	s.rpm("-U", built(t, packed, "*.x86_64.rpm"))
	s.installed(newer)
}
