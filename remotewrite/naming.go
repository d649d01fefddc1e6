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

	"github.com/skydive-project/skybridge/remotewrite/wire"
	"github.com/skydive-project/skybridge/secrets"
)

// naming is how an endpoint calls the series of the log. It is immutable.
type naming struct {
	text     string // EndpointConfig.naming
	external []wire.Label
	rules    []*relabel.Config
}

// namingJSON is the text of a naming. It holds labels and rules, which are no
// secrets, and nothing else of an endpoint's configuration.
type namingJSON struct {
	ExternalLabels      []wire.Label      `json:"external_labels,omitempty"`
	WriteRelabelConfigs []*relabel.Config `json:"write_relabel_configs,omitempty"`
}

// naming is what decides about the names of an endpoint's series, as text: "" is
// nothing. Two configs that give one text give the same names.
func (c *EndpointConfig) naming() string {
	if len(c.ExternalLabels) == 0 && len(c.WriteRelabelConfigs) == 0 {
		return ""
	}
	text, err := json.Marshal(namingJSON{wire.SortedLabels(c.ExternalLabels), c.WriteRelabelConfigs})
	if err != nil { // they are strings and numbers
		return err.Error()
	}
	return string(text)
}

// namingOf returns a complete config's naming.
func namingOf(c *EndpointConfig) *naming {
	return &naming{text: c.naming(), external: c.ExternalLabels, rules: c.WriteRelabelConfigs}
}

// parseNaming reads a text that another process wrote. Its rules are checked as
// those of a configuration are: an action that this version does not know must
// not be taken for one that does nothing.
func parseNaming(text string) (*naming, error) {
	if text == "" {
		return &naming{}, nil
	}
	var j namingJSON
	if err := json.Unmarshal([]byte(text), &j); err != nil {
		return nil, fmt.Errorf("naming: %w", err)
	}
	for i, rule := range j.WriteRelabelConfigs {
		if rule == nil {
			return nil, fmt.Errorf("naming: rule %d is empty", i)
		}
		// The default is known by its address, by Validate too.
		if rule.Regex.String() == relabel.DefaultRelabelConfig.Regex.String() {
			rule.Regex = relabel.DefaultRelabelConfig.Regex
		}
		if err := rule.Validate(model.LegacyValidation); err != nil {
			return nil, fmt.Errorf("naming: rule %d: %w", i, err)
		}
		if !knownAction(rule.Action) {
			return nil, fmt.Errorf("naming: rule %d: unknown action %q", i, rule.Action)
		}
	}
	c := EndpointConfig{ExternalLabels: j.ExternalLabels, WriteRelabelConfigs: j.WriteRelabelConfigs}
	if err := checkExternal(c.ExternalLabels); err != nil {
		return nil, fmt.Errorf("naming: %w", err)
	}
	// Written anew, the text is what this version makes of the same configuration.
	return namingOf(&c), nil
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

// named is what gives series certain names at an endpoint; see naming.text.
type named struct {
	text     string
	rewriter *rewriter // nil: they keep those of the log
}

// rewriterFor returns what gives the series of a tick their names at the endpoint,
// nil: they keep those of the log. Only run calls it.
func (e *endpoint) rewriterFor(number uint64) *rewriter {
	n := e.namingOfTick(number)
	for _, known := range e.named {
		if known.text == n.text {
			return known.rewriter
		}
	}
	r := newRewriter(&EndpointConfig{ExternalLabels: n.external, WriteRelabelConfigs: n.rules}, e.lost)
	if r != nil {
		r.claims.durable = e.cursor.log.store != nil
	}
	if !e.pastRead {
		// Only now, as the cursor can have moved. What later names are for begins again
		// under them, and needs no past.
		e.pastRead = true
		e.cursor.past().apply(r, func(tick uint64) bool { return e.namingOfTick(tick).text == n.text })
	}
	e.named = append(e.named, named{n.text, r})
	return r
}

// namingOfTick is how the endpoint calls the series of a tick.
func (e *endpoint) namingOfTick(number uint64) *naming {
	if n := e.cursor.log.namingAt(e.hash, number); n != nil {
		return n
	}
	return namingOf(&e.settings.Load().cfg)
}

// rewrite makes of a tick what the endpoint is sent of it, and counts the rest.
func (e *endpoint) rewrite(ctx context.Context, t *loggedTick) (*loggedTick, error) {
	r := e.rewriterFor(t.seq)
	// Ticks come in order: what gave those before it other names has done its work.
	e.named = slices.DeleteFunc(e.named, func(n named) bool { return n.rewriter != r })
	if r == nil || t.broken {
		return t, nil
	}
	var out rewritten
	err := e.cursor.retryRead(ctx, damagedBlock, func() (err error) {
		out, err = r.rewrite(t)
		return err
	})
	if err != nil {
		return t, err
	}
	e.cursor.refusedIn(r.claims.remember(false))
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
