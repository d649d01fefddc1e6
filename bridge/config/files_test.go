// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// write makes a file below dir and returns its path.
func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestLoad proves that a file is found with what it names beside it.
func TestLoad(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "secrets/p", "pa55word\n")
	path := write(t, dir, "skybridge.yml", under("skydive", "basic_auth: {username: u, password_file: secrets/p}"))
	got, warnings, err := Load(path, Process{})
	if err != nil || len(warnings) != 0 {
		t.Fatal(err, warnings)
	}
	want := base()
	want.Skydive.BasicAuth = BasicAuth{Username: "u", PasswordFile: filepath.Join(dir, "secrets/p")}
	if d := diff(&want, got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

// TestLoadMissingFiles proves that what cannot be read is found when the file
// is checked, in every place that names files, together with other errors.
func TestLoadMissingFiles(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "empty", "")
	yaml := `
skydive:
  analyzers: [ws://a:1]
  basic_auth: {username: u, password_file: p}
  tls_config: {ca_file: .}
remote_write:
- url: http://r/1/api/v1/write
  basic_auth: {username_file: empty, password_file: /run/credentials/skybridge.service/p}
  http_headers: {X-A: {files: [h]}}
  tls_config: {ca_file: ca, cert_file: cert, key_file: key}
- url: http://r/2/api/v1/write
  authorization: {credentials_file: c}
- url: http://r/3/api/v1/write
  oauth2: {client_id: i, client_secret_file: s, token_url: http://t, tls_config: {ca_file: oca}}
- url: http://r/4/api/v1/write
  bearer_token_file: b
web: {listen_addres: x}
`
	path := write(t, dir, "f.yml", yaml)
	_, warnings, err := Load(path, Process{Outside: true})
	if err == nil {
		t.Fatal("no error")
	}
	missing := func(line, key, name string) string {
		return "f.yml:" + line + ": " + key + " is " + name + ": no such file or directory: create the file or correct the path, which is relative to the configuration file"
	}
	want := []string{
		missing("4", "skydive.basic_auth.password_file", "p"),
		"f.yml:5: skydive.tls_config.ca_file is .: is a directory: name a regular file that holds the value",
		"f.yml:8: remote_write[0].basic_auth.username_file is empty: is empty: name a regular file that holds the value",
		missing("9", "remote_write[0].http_headers.X-A.files[0]", "h"),
		missing("10", "remote_write[0].tls_config.ca_file", "ca"),
		missing("10", "remote_write[0].tls_config.cert_file", "cert"),
		missing("10", "remote_write[0].tls_config.key_file", "key"),
		missing("12", "remote_write[1].authorization.credentials_file", "c"),
		missing("14", "remote_write[2].oauth2.client_secret_file", "s"),
		missing("14", "remote_write[2].oauth2.tls_config.ca_file", "oca"),
		missing("16", "remote_write[3].bearer_token_file", "b"),
		"f.yml:17: unknown key web.listen_addres: did you mean listen_address?",
	}
	got := strings.Split(strings.ReplaceAll(strings.ReplaceAll(err.Error(), dir+"/", ""), dir, "."), "\n")
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	if d := cmp.Diff([]string{path + ":8: remote_write[0].basic_auth.password_file is /run/credentials/skybridge.service/p, which is not to be seen here; the unit sees it, if it has LoadCredential=p:…"},
		texts(warnings)); d != "" {
		t.Errorf("warnings (-want +got)\n%s", d)
	}
}

// TestLoadBadCertificates proves that TLS files are looked into.
func TestLoadBadCertificates(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "ca", "pa55word")
	path := write(t, dir, "f", "skydive:\n  analyzers: [ws://a:1]\n  tls_config: {cert: x, key: pa55word}\nremote_write:\n- url: http://r/1/api/v1/write\n  tls_config: {ca_file: ca}\n"+
		"- url: http://r/2/api/v1/write\n  oauth2: {client_id: i, client_secret: s, token_url: http://t, tls_config: {ca: pa55word}}\n")
	_, _, err := Load(path, Process{})
	if err == nil {
		t.Fatal("no error")
	}
	const remedy = ": check the files and texts of this stanza: PEM blocks, a key that fits its certificate"
	want := []string{
		"f:3: skydive.tls_config: unable to use specified client cert (inline) & key (inline): tls: failed to find any PEM data in certificate input" + remedy,
		"f:6: remote_write[0].tls_config: unable to use specified CA cert file ca" + remedy,
		"f:8: remote_write[1].oauth2.tls_config: unable to use specified CA cert inline" + remedy,
	}
	if d := cmp.Diff(want, strings.Split(strings.ReplaceAll(err.Error(), dir+"/", ""), "\n")); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

// TestLoadCredentials proves that a file whose secrets are systemd's can be
// checked beside the unit.
func TestLoadCredentials(t *testing.T) {
	path := write(t, t.TempDir(), "f", "skydive:\n  analyzers: [ws://a:1]\n"+
		"  tls_config: {cert_file: /run/credentials/skybridge.service/cert, key_file: /run/credentials/skybridge.service/key}\n")
	_, warnings, err := Load(path, Process{Outside: true})
	if err != nil || len(warnings) != 2 {
		t.Errorf("error %v, warnings: %v", err, warnings)
	}
	// In the unit they are errors, which say how systemd is made to pass them.
	_, _, err = Load(path, Process{})
	for _, want := range []string{
		"f:3: skydive.tls_config.cert_file is /run/credentials/skybridge.service/cert: no such file or directory: let systemd pass it: LoadCredential=cert:/path/of/the/secret in the unit",
		"f:3: skydive.tls_config.key_file is /run/credentials/skybridge.service/key: no such file or directory: let systemd pass it: LoadCredential=key:/path/of/the/secret in the unit",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// TestLoadIrregularFiles proves that pipes and devices are refused wherever the
// configuration names a file, without waiting for them; and that links to files are
// followed.
func TestLoadIrregularFiles(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	write(t, dir, "..data/secret", "x")
	if err := os.Symlink("..data/secret", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	path := write(t, dir, "f", `
skydive: {analyzers: [ws://a:1], basic_auth: {username: u, password_file: pipe}, tls_config: {ca_file: /dev/zero}}
remote_write:
- {url: http://r/1, basic_auth: {username_file: link, password_file: pipe}}
- {url: http://r/2, authorization: {credentials_file: /dev/zero}}
- {url: http://r/3, oauth2: {client_id: i, client_secret_file: pipe, token_url: http://t}}
- {url: http://r/4, http_headers: {X-A: {files: [pipe]}}}
- {url: http://r/5, tls_config: {cert_file: pipe, key_file: pipe}}
`)
	_, _, err := Load(path, Process{})
	if err == nil || strings.Count(err.Error(), "is not a regular file but a pipe, socket or device: name a regular file that holds the value") != 8 {
		t.Errorf("error %v", err)
	}
}

// TestLoadUnreadable proves the errors of the file itself.
func TestLoadUnreadable(t *testing.T) {
	dir := t.TempDir()
	large := write(t, dir, "large", strings.Repeat("#", MaxFileSize+1))
	for path, want := range map[string]string{
		filepath.Join(dir, "absent"): ": cannot open the file (no such file or directory): check the name of the configuration file",
		dir:                          ": cannot read the file (is a directory): check the name of the configuration file",
		large:                        ": the file is larger than 1024 KiB: check that it is a configuration file",
	} {
		c, _, err := Load(path, Process{})
		if err == nil || c != nil || err.Error() != path+want {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// TestReadFileIsBounded proves that a file without an end is read up to the bound,
// and that a pipe is not waited for: one without a writer is empty, one whose writer
// says nothing is an error.
func TestReadFileIsBounded(t *testing.T) {
	if data, err := readFile("/dev/zero", readTimeout); len(data) != MaxFileSize+1 || err != nil {
		t.Errorf("/dev/zero: %d bytes, %v", len(data), err)
	}
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	if data, err := readFile(pipe, readTimeout); len(data) != 0 || err != nil {
		t.Errorf("a pipe without a writer: %d bytes, %v", len(data), err)
	}
	writer, err := os.OpenFile(pipe, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Close()
	if _, err := readFile(pipe, time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a pipe with a silent writer: %v", err)
	}
}
