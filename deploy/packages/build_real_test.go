//go:build real

// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package packages

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// workshop is where packages are built.
var workshop string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "skybridge-packages-")
	if err != nil {
		panic(err)
	}
	workshop = dir
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// run runs a program and returns what it prints; where it fails, the test does.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return string(out)
}

const (
	commit = "0123456789abcdef0123456789abcdef01234567"
	older  = "1.0.0"
	newer  = "1.1.0"
)

// pack builds packages of the working tree, copied to dir, and returns where they are.
func pack(dir, version string, env ...string) (string, error) {
	source, out := filepath.Join(dir, "source"), filepath.Join(dir, "out")
	if err := os.MkdirAll(source, 0o755); err != nil {
		return "", err
	}
	copying := exec.Command("sh", "-c", `git ls-files -z --cached --others --exclude-standard | tar --null --ignore-failed-read -c --files-from=- | tar -x -C "$0"`, source)
	copying.Dir = "../.."
	if text, err := copying.CombinedOutput(); err != nil {
		return "", fmt.Errorf("copy the tree: %w: %s", err, text)
	}
	build := exec.Command(filepath.Join(source, "deploy/packages/build.sh"), out)
	build.Env = append(os.Environ(), append(env, "SOURCE_DATE_EPOCH=1800000000", "COMMIT="+commit, "VERSION="+version)...)
	if text, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build packages: %w: %s", err, text)
	}
	return out, nil
}

// The two versions that tests install, each built once; the older one from another
// tree, by a user with other habits, of which nothing may be seen.
var (
	packed      = sync.OnceValues(func() (string, error) { return pack(filepath.Join(workshop, "a"), newer) })
	packedAgain = sync.OnceValues(func() (string, error) {
		return pack(filepath.Join(workshop, "another", "place"), newer, "TZ=Asia/Tokyo", "LC_ALL=C.UTF-8", "USER=somebody", "HOSTNAME=elsewhere")
	})
	packedOlder = sync.OnceValues(func() (string, error) { return pack(filepath.Join(workshop, "older"), older, "ARCHS=amd64") })
)

func built(t *testing.T, build func() (string, error), pattern string) string {
	t.Helper()
	dir, err := build()
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil || len(files) != 1 {
		t.Fatalf("%s: %q, %v", pattern, files, err)
	}
	return files[0]
}

// TestReproducible builds the same tree twice, in other directories and surroundings.
func TestReproducible(t *testing.T) {
	for _, pattern := range []string{"*_amd64.deb", "*_arm64.deb", "*.x86_64.rpm", "*.aarch64.rpm"} {
		var sums [2][sha256.Size]byte
		for i, build := range []func() (string, error){packed, packedAgain} {
			data, err := os.ReadFile(built(t, build, pattern))
			if err != nil {
				t.Fatal(err)
			}
			sums[i] = sha256.Sum256(data)
		}
		if sums[0] != sums[1] {
			t.Errorf("%s differs from one build to the other", pattern)
		}
	}
}

// TestArchitectures looks into the packages for both: each has a static binary for
// its machine (that of the other one is not run), and the same files.
func TestArchitectures(t *testing.T) {
	var files []string
	for arch, machine := range map[string]string{"amd64": "EM_X86_64", "arm64": "EM_AARCH64"} {
		root := t.TempDir()
		run(t, "dpkg-deb", "-x", built(t, packed, "*_"+arch+".deb"), root)
		kind := elfKind(t, filepath.Join(root, "usr/bin/skybridge"))
		if kind != machine {
			t.Errorf("%s: the binary is for %s", arch, kind)
		}
		files = append(files, run(t, "sh", "-c", `cd "$0" && find . | sort`, root))
	}
	if files[0] != files[1] {
		t.Errorf("files differ:\n%s\n%s", files[0], files[1])
	}
}

// TestManual holds the manual page to the flags that there are, and to what man thinks
// of it.
func TestManual(t *testing.T) {
	page, err := os.ReadFile("skybridge.1")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(string(page), `\-`, "-")
	root := t.TempDir()
	run(t, "dpkg-deb", "-x", built(t, packed, "*_amd64.deb"), root)
	flags := 0
	for field := range strings.FieldsSeq(run(t, filepath.Join(root, "usr/bin/skybridge"), "--help")) {
		name := strings.TrimPrefix(strings.TrimRight(strings.Split(field, "=")[0], ","), "--[no-]")
		if !strings.HasPrefix(field, "--") || strings.HasPrefix(name, "--help-") {
			continue
		}
		flags++
		if !strings.Contains(text, strings.TrimPrefix(name, "--")) {
			t.Errorf("the manual page lacks %s", name)
		}
	}
	if flags < 10 {
		t.Errorf("only %d flags in the help", flags)
	}
	cmd := exec.Command("man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", "skybridge.1")
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Run(); err != nil || said.Len() > 0 {
		t.Errorf("man: %v: %s", err, said.String())
	}
}
