// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/relabel"

	"github.com/skydive-project/skybridge/remotewrite/wire"
)

// naming is how an endpoint calls the series of the log. It holds labels and rules,
// which are no secrets, and nothing else of an endpoint's configuration.
type naming struct {
	ExternalLabels      []wire.Label      `json:"external_labels,omitempty"`
	WriteRelabelConfigs []*relabel.Config `json:"write_relabel_configs,omitempty"`
	UTF8Names           bool              `json:"utf8_names,omitempty"`
}

// valid is which names of labels are sent.
func (n *naming) valid() model.ValidationScheme {
	if n.UTF8Names {
		return model.UTF8Validation
	}
	return model.LegacyValidation
}

// renames says whether series may get other names than in the log.
func (n *naming) renames() bool { return len(n.ExternalLabels) > 0 || len(n.WriteRelabelConfigs) > 0 }

// text is the naming as text: "" is nothing. Two that have one text give the same names.
func (n naming) text() string {
	if !n.renames() {
		return ""
	}
	n.ExternalLabels = wire.SortedLabels(n.ExternalLabels)
	if len(n.WriteRelabelConfigs) == 0 && checkExternal(n.ExternalLabels, model.LegacyValidation) == nil {
		n.UTF8Names = false // it changes no name
	}
	text, err := json.Marshal(n)
	if err != nil { // they are strings and numbers
		return err.Error()
	}
	return string(text)
}

// CheckNames is [queue.Config.CheckNames] for the names of endpoints.
func CheckNames(text string) (string, error) {
	n, err := parseNaming(text)
	if err != nil {
		return "", err
	}
	// Written again, the text is what this version makes of the same configuration.
	return n.text(), nil
}

// parseNaming reads a text that another process wrote. Its rules are checked as those of
// a configuration are: an action that this version does not know must not be taken for
// one that does nothing.
func parseNaming(text string) (n naming, err error) {
	if text == "" {
		return n, nil
	}
	if err := json.Unmarshal([]byte(text), &n); err != nil {
		return naming{}, fmt.Errorf("naming: %w", err)
	}
	for i, rule := range n.WriteRelabelConfigs {
		if rule == nil {
			return naming{}, fmt.Errorf("naming: rule %d is empty", i)
		}
		// The default is known by its address, by Validate too.
		if rule.Regex.String() == relabel.DefaultRelabelConfig.Regex.String() {
			rule.Regex = relabel.DefaultRelabelConfig.Regex
		}
		if err := rule.Validate(n.valid()); err != nil {
			return naming{}, fmt.Errorf("naming: rule %d: %w", i, err)
		}
		// Relabelling panics at an action that it does not know, and only this looks at it.
		if err := rule.Action.UnmarshalYAML(func(to any) error { *to.(*string) = string(rule.Action); return nil }); err != nil {
			return naming{}, fmt.Errorf("naming: rule %d: %w", i, err)
		}
	}
	if err := checkExternal(n.ExternalLabels, n.valid()); err != nil {
		return naming{}, fmt.Errorf("naming: %w", err)
	}
	return n, nil
}

// checkExternal complains about external labels, which are sorted.
func checkExternal(labels []wire.Label, valid model.ValidationScheme) error {
	var errs []error
	for i, l := range labels {
		if !valid.IsValidLabelName(l.Name) || strings.HasPrefix(l.Name, "__") || l.Value == "" {
			errs = append(errs, fmt.Errorf("external_labels: %q is no valid name, or has no value", l.Name))
		}
		if i > 0 && labels[i-1].Name == l.Name {
			errs = append(errs, fmt.Errorf("external_labels: %q is there twice", l.Name))
		}
	}
	return errors.Join(errs...)
}
