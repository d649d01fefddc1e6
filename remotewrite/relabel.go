// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"hash/maphash"
	"strings"
	"unicode/utf8"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"
)

const (
	// maxRenamed bounds how many series an endpoint remembers the new labels of,
	// some 500 bytes each. Those beyond it are relabelled at each tick.
	maxRenamed = 1 << 18
	// maxFamilies bounds the metrics that are remembered; rules can make a metric
	// of every series.
	maxFamilies = 1 << 12
)

// rewriter makes of a tick what one endpoint is sent of it: with the endpoint's
// own labels, relabelled. The result consists of blocks like any other's, so
// nothing behind it need know. One goroutine uses it.
type rewriter struct {
	external []Label
	rules    []*relabel.Config
	// lost is told of a series of which nothing will be sent, by its labels in the
	// log and what they became. It is called once for each.
	lost func(reason, series, renamed string)

	tick    uint32 // counts the ticks that were rewritten
	version uint64 // of the last label set made
	known   map[seriesKey]*renamed
	claims  claims
	past    *past // nil: a tick was rewritten
	metrics map[Metric]*Metric

	reader  blockReader
	group   groupBuilder
	scratch labels.ScratchBuilder
	builder *labels.Builder
	seeds   [2]maphash.Seed
	key     []byte // of the series whose seriesKey was asked for last
	name    []byte
	raw     []byte // of a block that lies on disk
}

// seriesKey stands for a series' labels. 128 bits of hash, seeded anew in each
// process, so that two series share one in theory only.
type seriesKey [2]uint64

// renamed is what relabelling made of a series.
type renamed struct {
	reason string // why nothing of it is sent, "": it is
	seen   uint32 // the last tick that had it
	out    seriesKey
	set    labelSet
	metric *Metric
}

// newRewriter returns nil where an endpoint takes the series as they are in the
// log.
func newRewriter(cfg *EndpointConfig, lost func(reason, series, renamed string)) *rewriter {
	if len(cfg.ExternalLabels) == 0 && len(cfg.WriteRelabelConfigs) == 0 {
		return nil
	}
	return makeRewriter(cfg, lost)
}

// renames says whether the rewriter may change anything.
func (r *rewriter) renames() bool { return len(r.external) > 0 || len(r.rules) > 0 }

func makeRewriter(cfg *EndpointConfig, lost func(reason, series, renamed string)) *rewriter {
	return &rewriter{
		external: cfg.ExternalLabels, rules: cfg.WriteRelabelConfigs, lost: lost,
		known: make(map[seriesKey]*renamed), metrics: make(map[Metric]*Metric), claims: newClaims(),
		builder: labels.NewBuilder(labels.EmptyLabels()),
		seeds:   [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()},
	}
}

// rewritten is a tick as one endpoint is sent it, and how many samples of the
// original are not in it, by reason.
type rewritten struct {
	tick    *loggedTick
	dropped map[string]int
}

// rewrite relabels a tick. An error means that the tick cannot be read.
func (r *rewriter) rewrite(t *loggedTick) (out rewritten, err error) {
	r.tick++
	defer func() {
		if err != nil {
			r.tick-- // nobody lost its name by missing a tick that could not be read
		}
	}()
	if r.past != nil {
		if r.past.last = t.after; !r.past.learned {
			if err := r.learn(t); err != nil && !lasting(err) {
				return out, err
			}
		}
	}
	out = rewritten{tick: &loggedTick{seq: t.seq, at: t.at, finalsAt: t.finalsAt, broken: t.broken}, dropped: make(map[string]int)}
	if out.tick.zeros, err = r.rewriteGroup(t.zeros, out.dropped); err != nil {
		return out, err
	}
	if t.finalsAt != 0 {
		// Before their stale markers, which free the names.
		if out.tick.ends, err = r.rewriteGroup(t.ends, make(map[string]int)); err != nil {
			return out, err
		}
	}
	if out.tick.values, err = r.rewriteGroup(t.values, out.dropped); err != nil {
		return out, err
	}
	for _, group := range [][]storedBlock{out.tick.zeros, out.tick.values} {
		for i := range group {
			out.tick.samples += group[i].samples
			out.tick.stale += group[i].stale
		}
	}
	r.past = nil
	r.claims.endFormer(t.at)
	r.forget()
	return out, nil
}

// rewriteGroup relabels the blocks of a group.
func (r *rewriter) rewriteGroup(blocks []storedBlock, dropped map[string]int) ([]storedBlock, error) {
	for i := range blocks {
		data, raw, err := blocks[i].load(r.raw)
		r.raw = raw
		if err == nil {
			err = r.reader.reset(data)
		}
		if err != nil {
			r.group.discard()
			return nil, err
		}
		for {
			ok, err := r.reader.next()
			if err == nil && ok {
				err = r.sample(dropped)
			}
			if err != nil {
				r.group.discard()
				return nil, err
			}
			if !ok {
				break
			}
		}
	}
	return inLog(r.group.take()), nil
}

// sample relabels the reader's sample and adds it to the group.
func (r *rewriter) sample(dropped map[string]int) error {
	in := r.seriesKey()
	s, known := r.known[in]
	if !known {
		var err error
		if s, err = r.evaluate(); err != nil {
			return err
		}
		if len(r.known) < maxRenamed {
			r.known[in] = s
		}
	}
	s.seen = r.tick
	reason, first := s.reason, !known
	at, start := r.reader.at, r.reader.start
	if reason == "" {
		zero := start != 0 && start == at
		answer, moved := r.claims.take(s.out, in, r.key, at, zero, r.reader.value == staleMarker, r.tick)
		if answer == granted && zero && moved == 0 && r.mayHaveEnded(at) {
			moved = r.claims.move(s.out)
		}
		if start != 0 {
			start += moved
		}
		if zero {
			at += moved
		}
		switch answer {
		case refusedNow:
			reason, first = reasonCollision, true
		case refusedBefore:
			reason, first = reasonCollision, false
		}
	}
	if reason != "" {
		dropped[reason]++
		if first && reason != reasonDroppedSeries {
			r.lost(reason, r.reader.series(), s.name())
		}
		return nil
	}
	r.group.add(&s.set, s.metric, r.reader.value, at, start)
	return nil
}

// seriesKey is the key of the reader's series.
func (r *rewriter) seriesKey() seriesKey {
	r.key = r.key[:0]
	for _, ref := range r.reader.refs {
		r.key = append(r.key, r.reader.symbols[ref]...) // with its length, so nothing runs together
	}
	return r.hash(r.key)
}

func (r *rewriter) hash(b []byte) seriesKey {
	return seriesKey{maphash.Bytes(r.seeds[0], b), maphash.Bytes(r.seeds[1], b)}
}

// evaluate relabels the reader's series: the endpoint's external labels replace
// what has their names, then come the rules, as in Prometheus.
func (r *rewriter) evaluate() (*renamed, error) {
	meta, err := r.reader.readMetadata()
	if err != nil {
		return nil, err
	}
	r.scratch.Reset()
	for i := 0; i < len(r.reader.refs); i += 2 {
		r.scratch.Add(string(r.reader.symbol(r.reader.refs[i])), string(r.reader.symbol(r.reader.refs[i+1])))
	}
	r.builder.Reset(r.scratch.Labels())
	for _, l := range r.external {
		r.builder.Set(l.Name, l.Value)
	}
	if !relabel.ProcessBuilder(r.builder, r.rules...) {
		return &renamed{reason: reasonDroppedSeries}, nil
	}
	r.version++
	out := &renamed{set: labelSet{version: r.version}}
	var name string
	valid := true
	r.builder.Labels().Range(func(l labels.Label) {
		switch {
		case l.Name == nameLabel:
			name = l.Value
			out.set.nameAt = len(out.set.labels)
		case strings.HasPrefix(l.Name, "__"):
			// Reserved: rules use such labels among themselves, a receiver never sees
			// them (remote-write 1.0, "Labels").
		default:
			valid = valid && model.LegacyValidation.IsValidLabelName(l.Name) && utf8.ValidString(l.Value)
			out.set.labels = append(out.set.labels, Label{l.Name, l.Value})
		}
	})
	r.name = r.name[:0]
	for _, l := range append([]Label{{nameLabel, name}}, out.set.labels...) {
		r.name = append(append(append(append(r.name, l.Name...), 0xFF), l.Value...), 0xFF) // no byte of UTF-8
	}
	out.out = r.hash(r.name)
	out.metric = r.metric(Metric{
		Name: name, Help: string(r.reader.symbol(meta.help)), Unit: string(r.reader.symbol(meta.unit)), Type: MetricType(meta.kind),
	})
	if !valid || !model.LegacyValidation.IsValidMetricName(name) {
		out.reason = reasonInvalid
	}
	return out, nil
}

// metric returns the one Metric that is m: blocks know metrics by address.
func (r *rewriter) metric(m Metric) *Metric {
	if known, ok := r.metrics[m]; ok {
		return known
	}
	if len(r.metrics) >= maxFamilies {
		clear(r.metrics)
	}
	r.metrics[m] = &m
	return &m
}

// name names what a series became.
func (s *renamed) name() string {
	if s.metric == nil {
		return ""
	}
	return seriesName(append([]Label{{nameLabel, s.metric.Name}}, s.set.labels...))
}

// forget drops what has not been seen in this tick, when that is a good part of
// what is kept or there is no room.
func (r *rewriter) forget() {
	seen := 0
	for _, s := range r.known {
		if s.seen == r.tick {
			seen++
		}
	}
	if len(r.known) >= maxRenamed || len(r.known) > seen+seen/4+1024 {
		for key, s := range r.known {
			if s.seen != r.tick {
				delete(r.known, key)
			}
		}
	}
	r.claims.forget(r.tick)
}

// discard empties a builder whose blocks are not wanted.
func (g *groupBuilder) discard() {
	g.open.reset()
	g.blocks = nil
}
