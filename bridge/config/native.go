// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v3"
)

// native reads skybridge's own format.
func (r *reader) native(root *yaml.Node) *Config {
	c := Default()
	top := r.object(root, "", false)
	r.aggregation(top.child("aggregation"), &c.Aggregation)
	r.taken = c.Aggregation.Labels
	r.global(top.child("global"), &c.Global)
	r.skydive(top.child("skydive"), &c.Skydive)

	r.topology(top.child("topology"), &c.Topology)

	storage := top.child("storage")
	storage.size("max_bytes", &c.Storage.MaxBytes, minDiskBytes, 1<<50)
	storage.duration("max_age", &c.Storage.MaxAge, time.Minute, maxRetention)
	storage.size("memory_max_bytes", &c.Storage.MemoryMaxBytes, 1<<20, 1<<40)
	storage.done()

	c.RemoteWrite = r.remoteWrites(top.take("remote_write"))

	web := top.child("web")
	if n := web.take("listen_address"); n != nil {
		if s, ok := r.scalar(n, "web.listen_address"); ok && r.listenAddress(item{s, n.Line}, "web.listen_address") {
			c.Web.ListenAddress = s
		}
	}
	web.done()
	top.done()
	return &c
}

// minDiskBytes is room for a few ticks of many series, so that there are always
// several segments.
const minDiskBytes = 16 << 20

// maxPushInterval is Prometheus' lookback of 5 m less a margin: series that are
// pushed less often have gaps in every graph.
const maxPushInterval = 4 * time.Minute

func (r *reader) global(o *object, c *Global) {
	o.duration("push_interval", &c.PushInterval, time.Second, maxPushInterval)
	c.ExternalLabels = r.externalLabels(r.object(o.take("external_labels"), o.join("external_labels"), false))
	o.done()
}

// maxLabelValue is the length in bytes up to which Cortex and Mimir take a
// label's value (remote-write.md).
const maxLabelValue = 2048

// externalLabels returns the labels sorted by name.
func (r *reader) externalLabels(o *object) []Label {
	var labels []Label
	for i := range o.pairs {
		p := &o.pairs[i]
		p.taken = true
		name, path, line := p.name, o.label(p.name), p.key.Line
		switch {
		case !model.LegacyValidation.IsValidLabelName(name):
			r.fail(line, path+" is no valid label name", "use letters, digits and _, and begin with a letter or _")
			continue
		case strings.HasPrefix(name, "__"):
			r.fail(line, path+" begins with __, which is reserved", "choose another name")
			continue
		case slices.Contains(connectionLabels(), name) || slices.Contains(r.taken, name) ||
			slices.Contains(interfaceLabels(), name) || name == "capture_id":
			r.fail(line, path+" is already a label of what is pushed", "choose another name")
			continue
		case isNull(p.value):
			r.fail(line, path+" has no value", "write one, or remove the label")
			continue
		}
		value, ok := r.scalar(p.value, path)
		switch {
		case !ok:
			continue
		case value == "":
			r.fail(p.value.Line, path+" is empty, which means no label", "write a value, or remove the label")
			continue
		case len(value) > maxLabelValue:
			r.fail(p.value.Line, fmt.Sprintf("%s has %d bytes", path, len(value)),
				fmt.Sprintf("write at most %d; receivers refuse more", maxLabelValue))
			continue
		}
		r.noVariable(value, p.value.Line, path)
		labels = append(labels, Label{name, value})
	}
	slices.SortFunc(labels, func(a, b Label) int { return strings.Compare(a.Name, b.Name) })
	return labels
}

// printable reports whether s can stand in a header or a label without harm.
func printable(s string) bool {
	for _, c := range s {
		if !unicode.IsPrint(c) {
			return false
		}
	}
	return true
}
