// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/relabel"

	"github.com/skydive-project/skybridge/remotewrite/wire"
)

// TestNamingText proves that names that were written by another process are those
// of the configuration, and what is not understood.
func TestNamingText(t *testing.T) {
	equal := act(relabel.KeepEqual, "a", "")
	equal.Regex, equal.TargetLabel = relabel.DefaultRelabelConfig.Regex, "b"
	for _, c := range []EndpointConfig{
		{},
		{ExternalLabels: []wire.Label{{Name: "z", Value: "1"}, {Name: "a", Value: "<&>\u2028\"\\"}}},
		{WriteRelabelConfigs: []*relabel.Config{act(relabel.Keep, "a", "1|2"), act(relabel.LabelDrop, "", "x.*"), equal}},
		{WriteRelabelConfigs: []*relabel.Config{replace("a", "(.*)", "b", ""), replace("__tmp", "(?i)x", "t_${1}", "$1;")}},
		{WriteRelabelConfigs: []*relabel.Config{rule(func(c *relabel.Config) {
			c.Action, c.Modulus, c.TargetLabel, c.Separator = relabel.HashMod, 1<<63, "m", "\n"
		}), rule(func(c *relabel.Config) { c.TargetLabel, c.Replacement = "const", "x" })}},
		{UTF8Names: true, ExternalLabels: []wire.Label{{Name: "a b", Value: "1"}}},
	} {
		c.URL = "http://a/"
		if err := c.complete(); err != nil {
			t.Fatal(err)
		}
		text := c.naming().text()
		n, err := CheckNames(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if n != text {
			t.Errorf("%s became %s", text, n)
		}
	}
	// What an older version wrote, without a field or with spaces, is the same.
	n, err := CheckNames(`{ "external_labels": [{"Value": "1", "Name": "z"}] }`)
	if want := (&EndpointConfig{ExternalLabels: []wire.Label{{Name: "z", Value: "1"}}}).naming().text(); err != nil || n != want {
		t.Errorf("%+v, %v, want %s", n, err, want)
	}
	for name, text := range map[string]string{
		"no JSON":        `x`,
		"unknown action": `{"write_relabel_configs":[{"regex":"(.*)","separator":";","replacement":"$1","action":"rot13"}]}`,
		"no action":      `{"write_relabel_configs":[{"regex":"(.*)"}]}`,
		"bad expression": `{"write_relabel_configs":[{"regex":"(","action":"keep"}]}`,
		"empty rule":     `{"write_relabel_configs":[null]}`,
		"bad label":      `{"external_labels":[{"Name":"a b","Value":"1"}]}`,
	} {
		if n, err := CheckNames(text); err == nil {
			t.Errorf("%s is taken for %s", name, n)
		}
	}
}

// TestNamingOfUTF8 proves that which names of labels are valid is in the text only where it
// may change a name: a text that changes restarts every counter of the endpoint.
func TestNamingOfUTF8(t *testing.T) {
	for name, c := range map[string]struct {
		naming naming
		in     bool
	}{
		"nothing":       {naming{}, false},
		"plain labels":  {naming{ExternalLabels: []wire.Label{{Name: "site", Value: "one"}}}, false},
		"another label": {naming{ExternalLabels: []wire.Label{{Name: "a", Value: "1"}, {Name: "data-center", Value: "one"}}}, true},
		"rules":         {naming{WriteRelabelConfigs: []*relabel.Config{act(relabel.LabelDrop, "", "port")}}, true},
	} {
		legacy := c.naming.text()
		c.naming.UTF8Names = true
		if in := c.naming.text() != legacy; in != c.in {
			t.Errorf("%s: %v", name, in)
		}
	}
}

// TestNamesHaveNoSecrets proves that of an endpoint's configuration nothing is in the
// text of its names but what gives series their names.
func TestNamesHaveNoSecrets(t *testing.T) {
	endpoint := &EndpointConfig{URL: "http://user:hunter2@a/?token=hunter3", Headers: map[string]string{"X-Key": "hunter4"},
		ExternalLabels:      []wire.Label{{Name: "site", Value: "one"}},
		WriteRelabelConfigs: []*relabel.Config{act(relabel.LabelDrop, "", "port")}}
	for _, secret := range []string{"hunter", "http", "X-Key"} {
		if strings.Contains(endpoint.naming().text(), secret) {
			t.Errorf("%s is in the names", secret)
		}
	}
}

// FuzzNames proves that no text of names makes its reading panic, and that what was
// read is written as the same.
func FuzzNames(f *testing.F) {
	f.Add((&EndpointConfig{ExternalLabels: []wire.Label{{Name: "a", Value: "1"}},
		WriteRelabelConfigs: []*relabel.Config{act(relabel.LabelDrop, "", "port"), replace("a", "(.)", "b", "x$1")}}).naming().text())
	f.Fuzz(func(t *testing.T, text string) {
		names, err := CheckNames(text)
		if err != nil {
			return
		}
		if again, err := CheckNames(names); err != nil || again != names {
			t.Errorf("%s became %s, %v", names, again, err)
		}
	})
}
