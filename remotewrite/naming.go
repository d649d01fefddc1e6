// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/relabel"

	"github.com/skydive-project/skybridge/remotewrite/queue"
	"github.com/skydive-project/skybridge/remotewrite/wire"
	"github.com/skydive-project/skybridge/secrets"
)

// naming is how an endpoint calls the series of the log, as text. It holds labels and
// rules, which are no secrets, and nothing else of an endpoint's configuration.
type naming struct {
	ExternalLabels      []wire.Label      `json:"external_labels,omitempty"`
	WriteRelabelConfigs []*relabel.Config `json:"write_relabel_configs,omitempty"`
}

// naming is what decides about the names of an endpoint's series, as text: "" is
// nothing. Two configs that give one text give the same names.
func (c *EndpointConfig) naming() string {
	if len(c.ExternalLabels) == 0 && len(c.WriteRelabelConfigs) == 0 {
		return ""
	}
	text, err := json.Marshal(naming{wire.SortedLabels(c.ExternalLabels), c.WriteRelabelConfigs})
	if err != nil { // they are strings and numbers
		return err.Error()
	}
	return string(text)
}

// CheckNames is [LogConfig.CheckNames] for the names of endpoints.
func CheckNames(text string) (string, error) {
	c, err := parseNaming(text)
	if err != nil {
		return "", err
	}
	// Written again, the text is what this version makes of the same configuration.
	return c.naming(), nil
}

// parseNaming reads a text that another process wrote: of the configuration it has
// what decides about names. Its rules are checked as those of a configuration are: an
// action that this version does not know must not be taken for one that does nothing.
func parseNaming(text string) (c EndpointConfig, err error) {
	if text == "" {
		return c, nil
	}
	var j naming
	if err := json.Unmarshal([]byte(text), &j); err != nil {
		return c, fmt.Errorf("naming: %w", err)
	}
	for i, rule := range j.WriteRelabelConfigs {
		if rule == nil {
			return c, fmt.Errorf("naming: rule %d is empty", i)
		}
		// The default is known by its address, by Validate too.
		if rule.Regex.String() == relabel.DefaultRelabelConfig.Regex.String() {
			rule.Regex = relabel.DefaultRelabelConfig.Regex
		}
		if err := rule.Validate(model.LegacyValidation); err != nil {
			return c, fmt.Errorf("naming: rule %d: %w", i, err)
		}
		if !knownAction(rule.Action) {
			return c, fmt.Errorf("naming: rule %d: unknown action %q", i, rule.Action)
		}
	}
	c.ExternalLabels, c.WriteRelabelConfigs = j.ExternalLabels, j.WriteRelabelConfigs
	if err := checkExternal(c.ExternalLabels); err != nil {
		return c, fmt.Errorf("naming: %w", err)
	}
	return c, nil
}

// knownAction says whether relabelling knows an action; with others it panics.
func knownAction(a relabel.Action) bool {
	switch a {
	case relabel.Replace, relabel.Keep, relabel.Drop, relabel.KeepEqual, relabel.DropEqual, relabel.HashMod,
		relabel.LabelMap, relabel.LabelDrop, relabel.LabelKeep, relabel.Lowercase, relabel.Uppercase:
		return true
	}
	return false
}

// named is what gives series certain names at an endpoint; see EndpointConfig.naming.
type named struct {
	text     string
	rewriter *rewriter // nil: they keep those of the log
}

// rewriterFor returns what gives the series of a tick their names at the endpoint,
// nil: they keep those of the log. Only run calls it.
func (e *endpoint) rewriterFor(number uint64) *rewriter {
	text := e.namesOfTick(number)
	for _, known := range e.named {
		if known.text == text {
			return known.rewriter
		}
	}
	cfg, err := parseNaming(text)
	if err != nil { // it was checked when the log was opened
		cfg = e.settings.Load().cfg
	}
	r := newRewriter(&cfg, e.lost)
	if r != nil {
		r.claims.durable = e.log.Durable()
	}
	if !e.pastRead {
		// Only now, as the cursor can have moved. What later names are for begins again
		// under them, and needs no past.
		e.pastRead = true
		e.past().apply(r, func(tick uint64) bool { return e.namesOfTick(tick) == text })
	}
	e.named = append(e.named, named{text, r})
	return r
}

// namesOfTick is how the endpoint calls the series of a tick.
func (e *endpoint) namesOfTick(number uint64) string {
	if text, known := e.log.NamesAt(e.hash, number); known {
		return text
	}
	return e.settings.Load().cfg.naming()
}

// rewrite makes of a tick what the endpoint is sent of it, and counts the rest.
func (e *endpoint) rewrite(ctx context.Context, t *queue.Tick) (*queue.Tick, error) {
	r := e.rewriterFor(t.Number)
	// Ticks come in order: what gave those before it other names has done its work.
	e.named = slices.DeleteFunc(e.named, func(n named) bool { return n.rewriter != r })
	if r == nil || t.Broken {
		return t, nil
	}
	var out rewritten
	err := e.cursor.Retry(ctx, queue.DamagedBlock, func() (err error) {
		out, err = r.rewrite(t)
		return err
	})
	if err != nil {
		return t, err
	}
	e.cursor.KeepWhileHeld(r.claims.remember(false))
	metrics := e.settings.Load().metrics
	for reason, samples := range out.dropped {
		metrics.dropped(samples, 0, reason)
	}
	return out.tick, nil
}

// lost reports a series of which the endpoint is sent nothing.
func (e *endpoint) lost(reason, series, renamed string) {
	cfg := &e.settings.Load().cfg
	words := map[string]string{
		reasonCollision: "relabelling gives a series the name of another, it is not sent while it lives",
		reasonInvalid:   "relabelling makes no valid series, it is not sent",
	}[reason]
	e.seldom.Error(words, "remote_name", cfg.label(), "url", secrets.URL(cfg.URL), "series", series, "relabelled", renamed)
}
