// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"math"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/relabel"
	"go.yaml.in/yaml/v3"
)

// relabelActions returns the actions of a relabelling rule.
func relabelActions() []string {
	return []string{
		"replace", "keep", "drop", "keepequal", "dropequal", "hashmod", "labelmap", "labeldrop", "labelkeep", "lowercase", "uppercase",
	}
}

// relabelConfigs reads the list at key, rules as in Prometheus.
func (o *object) relabelConfigs(key string) []*relabel.Config {
	var rules []*relabel.Config
	for i, n := range o.list(key) {
		path := fmt.Sprintf("%s[%d]", o.join(key), i)
		before := len(o.r.errs)
		rule := o.r.relabelConfig(o.r.object(n, path, false))
		if len(o.r.errs) > before {
			continue
		}
		if err := rule.Validate(model.LegacyValidation); err != nil {
			o.r.fail(n.Line, path+": "+err.Error(), "see Prometheus' documentation of relabel_config")
			continue
		}
		rules = append(rules, rule)
	}
	return rules
}

func (r *reader) relabelConfig(o *object) *relabel.Config {
	c := relabel.DefaultRelabelConfig
	for _, source := range o.texts("source_labels") {
		if !model.LegacyValidation.IsValidLabelName(source.text) {
			r.fail(source.line, fmt.Sprintf("%s.source_labels has %s, which is no label name", o.path, quoted(source.text)), "use letters, digits and _, and begin with a letter or _")
		}
		c.SourceLabels = append(c.SourceLabels, model.LabelName(source.text))
	}
	o.text("separator", &c.Separator)
	if n := o.take("regex"); n != nil {
		c.Regex = r.regex(n, o.join("regex"))
	}
	modulus := 0
	o.integer("modulus", &modulus, 1, math.MaxInt32)
	c.Modulus = uint64(modulus)
	o.text("target_label", &c.TargetLabel)
	o.text("replacement", &c.Replacement)
	if n := o.take("action"); n != nil {
		c.Action = r.relabelAction(n, o.join("action"))
	}
	o.done()
	return &c
}

func (r *reader) regex(n *yaml.Node, path string) relabel.Regexp {
	s, ok := r.scalar(n, path)
	if !ok {
		return relabel.Regexp{}
	}
	re, err := relabel.NewRegexp(s)
	if err != nil {
		r.fail(n.Line, path+" is no regular expression: "+quoted(s), "escape what is meant literally with \\, and close every bracket")
	}
	return re
}

func (r *reader) relabelAction(n *yaml.Node, path string) relabel.Action {
	s, ok := r.scalar(n, path)
	for _, known := range relabelActions() {
		if strings.EqualFold(s, known) {
			return relabel.Action(known)
		}
	}
	if ok {
		r.fail(n.Line, path+" is unknown: "+quoted(s), "use one of "+strings.Join(relabelActions(), ", "))
	}
	return ""
}

// relabelNode returns a rule, with what it does not leave to the default.
func relabelNode(c *relabel.Config) *yaml.Node {
	m, d, w := mapping(), relabel.DefaultRelabelConfig, writer{brief: true}
	sources := make([]string, len(c.SourceLabels))
	for i, l := range c.SourceLabels {
		sources[i] = string(l)
	}
	w.put(m, "source_labels", sources, []string{})
	w.put(m, "separator", c.Separator, d.Separator)
	w.put(m, "regex", c.Regex.String(), d.Regex.String())
	w.put(m, "modulus", int(c.Modulus), int(d.Modulus))
	w.put(m, "target_label", c.TargetLabel, d.TargetLabel)
	w.put(m, "replacement", c.Replacement, d.Replacement)
	w.put(m, "action", string(c.Action), string(d.Action))
	return m
}
