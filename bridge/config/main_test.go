// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"flag"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	commoncfg "github.com/prometheus/common/config"
	"github.com/prometheus/prometheus/model/relabel"

	"github.com/skydive-project/skybridge/internal/leaks"
)

var update = flag.Bool("update", false, "write the golden files again")

func TestMain(m *testing.M) { leaks.Main(m, nil) }

// diff returns how two configurations differ.
func diff(want, got *Config) string {
	// By value: cmp.Diff must see the fields, not what Format shows.
	return cmp.Diff(*want, *got,
		cmpopts.IgnoreUnexported(commoncfg.ProxyConfig{}),
		cmp.Comparer(func(a, b relabel.Regexp) bool { return a.String() == b.String() }),
		cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
		cmp.Comparer(func(a, b *url.URL) bool { return (a == nil) == (b == nil) && (a == nil || a.String() == b.String()) }))
}

// defaultRemoteWrite returns an endpoint that sets nothing but its URL.
func defaultRemoteWrite(url string) RemoteWrite {
	rw := withDefaults[RemoteWrite]()
	rw.URL = url
	return rw
}

// golden compares got with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("%s (-want +got, write again with -update):\n%s", path, d)
	}
}

func sample(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// texts returns warnings as text.
func texts(warnings []Warning) []string {
	var list []string
	for _, w := range warnings {
		list = append(list, w.String())
	}
	return list
}

// parse reads a file of either format from data; name is the file's, environ are
// environment variables.
func parse(name string, data []byte, environ ...string) (*Config, []Warning, error) {
	r := newReader(name, filepath.Dir(name), Process{Environ: environ})
	c, _ := r.read(data)
	return r.result(c)
}
