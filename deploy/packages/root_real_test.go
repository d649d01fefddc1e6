//go:build real

// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package packages

import (
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// scratch is a little Debian in a directory, in which packages are installed.
//
// Real are dpkg and rpm, chroot, the shell and its tools, systemd-sysusers,
// deb-systemd-helper and deb-systemd-invoke, users, owners and modes, and what
// systemctl does to files. Not real is what it asks of a running systemd, for none
// runs: that is noted, and nothing is started.
type scratch struct {
	t    *testing.T
	root string
}

const systemctl = `#!/bin/sh
echo "$*" >>/systemctl.log
case " $* " in
*" --root="*) exec systemctl.real "$@" ;;
*" is-enabled "*) exec systemctl.real --root=/ is-enabled skybridge.service ;;
*" is-active "*) test -e /run/active ;;
*" start "* | *" restart "*) >/run/active ;;
*" stop "*) rm -f /run/active ;;
esac
`

// parts are the packages of which the scratch root has the files, beside what their
// programs are linked with.
var parts = []string{"base-files", "dash", "bash", "coreutils", "grep", "sed", "perl-base", "init-system-helpers", "libc6", "systemd"}

func newScratch(t *testing.T) *scratch {
	if os.Getuid() != 0 {
		t.Fatal("packages are installed in a chroot: run this as root")
	}
	s := &scratch{t: t, root: t.TempDir()}
	for _, dir := range []string{"usr/bin", "usr/sbin", "usr/lib", "usr/lib64", "etc", "tmp", "run/systemd/system", "var/lib/dpkg/info", "var/lib/dpkg/updates", "dev"} {
		if err := os.MkdirAll(s.path(dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, dir := range []string{"bin", "sbin", "lib", "lib64"} {
		if err := os.Symlink("usr/"+dir, s.path(dir)); err != nil {
			t.Fatal(err)
		}
	}
	files := run(t, "dpkg-query", append([]string{"-L"}, parts...)...)
	for _, program := range []string{"/bin/bash", "/bin/systemd-sysusers", "/bin/systemctl", "/usr/bin/chgrp", "/bin/grep", "/bin/sed", "/usr/bin/perl"} {
		for _, library := range regexp.MustCompile(`/\S+\.so\S*`).FindAllString(run(t, "ldd", program), -1) {
			target, err := filepath.EvalSymlinks(library)
			if err != nil {
				t.Fatal(err)
			}
			files += library + "\n" + target + "\n"
		}
	}
	copying := exec.Command("tar", "-C", "/", "-c", "--no-recursion", "--ignore-failed-read", "--exclude=*/doc/*", "--exclude=*/locale/*", "--files-from=-")
	var list strings.Builder
	for line := range strings.Lines(files) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "/") && line != "/." {
			list.WriteString(strings.TrimPrefix(line, "/") + "\n")
		}
	}
	copying.Stdin = strings.NewReader(list.String())
	into := exec.Command("tar", "-C", s.root, "-x", "--keep-directory-symlink", "--skip-old-files")
	pipe, err := copying.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	into.Stdin = pipe
	if err := copying.Start(); err != nil {
		t.Fatal(err)
	}
	if out, err := into.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if err := copying.Wait(); err != nil {
		t.Fatal(err)
	}
	s.write("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n", 0o644)
	s.write("etc/group", "root:x:0:\n", 0o644)
	s.write("var/lib/dpkg/status", run(t, "dpkg-query", "-s", "systemd")+"\n"+run(t, "dpkg-query", "-s", "init-system-helpers"), 0o644)
	s.write("var/lib/dpkg/available", "", 0o644)
	if err := os.Rename(s.path("usr/bin/systemctl"), s.path("usr/bin/systemctl.real")); err != nil {
		t.Fatal(err)
	}
	s.write("usr/bin/systemctl", systemctl, 0o755)
	if err := syscall.Mknod(s.path("dev/null"), syscall.S_IFCHR|0o666, 1<<8|3); err != nil {
		// Where devices cannot be made, a file takes what no one reads.
		s.write("dev/null", "", 0o666)
	}
	return s
}

func (s *scratch) path(name string) string { return filepath.Join(s.root, name) }

func (s *scratch) write(name, text string, mode os.FileMode) {
	s.t.Helper()
	file := s.path(name)
	_ = os.Remove(file) // it may be a link
	if err := os.WriteFile(file, []byte(text), mode); err != nil {
		s.t.Fatal(err)
	}
	if err := os.Chmod(file, mode); err != nil {
		s.t.Fatal(err)
	}
}

func (s *scratch) read(name string) string {
	s.t.Helper()
	data, err := os.ReadFile(s.path(name))
	if err != nil {
		s.t.Error(err)
	}
	return string(data)
}

func (s *scratch) exists(name string) bool {
	_, err := os.Lstat(s.path(name))
	return err == nil
}

// dpkg and rpm do something to the root.
func (s *scratch) dpkg(args ...string) {
	s.t.Helper()
	run(s.t, "dpkg", append([]string{"--root=" + s.root, "--force-confold", "--log=/dev/null"}, args...)...)
}

func (s *scratch) rpm(args ...string) {
	s.t.Helper()
	// Its dependencies are Debian's there.
	run(s.t, "rpm", append([]string{"--root=" + s.root, "--dbpath=/var/lib/rpm", "--nodeps"}, args...)...)
}

// asService runs a program in the root as the service's user.
func (s *scratch) asService(args ...string) string {
	s.t.Helper()
	return run(s.t, "chroot", append([]string{"--userspec=skybridge:skybridge", s.root}, args...)...)
}

// calls returns how systemctl was called since the last time.
func (s *scratch) calls() string {
	data, _ := os.ReadFile(s.path("systemctl.log")) // none: it was not called
	_ = os.Remove(s.path("systemctl.log"))
	return string(data)
}

// wantCall holds calls to contain one that has all the words.
func (s *scratch) wantCall(calls string, words ...string) {
	s.t.Helper()
lines:
	for line := range strings.Lines(calls) {
		for _, word := range words {
			if !strings.Contains(" "+strings.TrimSpace(line)+" ", " "+word+" ") {
				continue lines
			}
		}
		return
	}
	s.t.Errorf("systemctl was not called with %q:\n%s", words, calls)
}

// elfKind names the machine that a static binary is for.
func elfKind(t *testing.T, file string) string {
	t.Helper()
	f, err := elf.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if libraries, err := f.ImportedLibraries(); err != nil || len(libraries) > 0 {
		t.Errorf("the binary is not static: %q, %v", libraries, err)
	}
	return f.Machine.String()
}
