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

	"github.com/skydive-project/skybridge/remotewrite/queue"
	"github.com/skydive-project/skybridge/remotewrite/wire"
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
	external []wire.Label
	rules    []*relabel.Config
	// lost is called for a series of which nothing will be sent, by its labels in the
	// log and what they became. It is called once for each.
	lost func(reason, series, renamed string)

	tick    uint32 // counts the ticks that were rewritten
	known   map[seriesKey]*renamed
	claims  claims
	past    *past // nil: a tick was rewritten
	metrics map[wire.Metric]*wire.Metric

	reader  wire.Reader
	group   wire.Builder
	scratch labels.ScratchBuilder
	builder *labels.Builder
	seeds   [2]maphash.Seed
	key     []byte // of the series whose seriesKey was asked for last
	name    []byte
	raw     []byte // of a block that is on disk
}

// seriesKey stands for a series' labels. 128 bits of hash, with another seed in each
// process, so that two series share one in theory only.
type seriesKey [2]uint64

// renamed is what relabelling made of a series.
type renamed struct {
	reason string // why nothing of it is sent, "": it is
	seen   uint32 // the last tick that had it
	out    seriesKey
	set    wire.LabelSet
	metric *wire.Metric
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
		known: make(map[seriesKey]*renamed), metrics: make(map[wire.Metric]*wire.Metric), claims: newClaims(),
		builder: labels.NewBuilder(labels.EmptyLabels()),
		seeds:   [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()},
	}
}

// rewritten is a tick as one endpoint is sent it, and how many samples of the
// original are not in it, by reason.
type rewritten struct {
	tick    *queue.Tick
	dropped map[string]int
}

// rewrite relabels a tick. An error means that the tick cannot be read.
func (r *rewriter) rewrite(t *queue.Tick) (out rewritten, err error) {
	r.tick++
	defer func() {
		if err != nil {
			r.tick-- // no series lost its name by missing a tick that could not be read
		}
	}()
	if r.past != nil {
		if r.past.last = t.After; !r.past.learned {
			if err := r.learn(t); err != nil && !queue.Lasting(err) {
				return out, err
			}
		}
	}
	out = rewritten{tick: &queue.Tick{Number: t.Number, At: t.At, FinalsAt: t.FinalsAt, Broken: t.Broken}, dropped: make(map[string]int)}
	if out.tick.Zeros, err = r.rewriteGroup(t.Zeros, out.dropped); err != nil {
		return out, err
	}
	if t.FinalsAt != 0 {
		// Before their stale markers, which free the names.
		if out.tick.Ends, err = r.rewriteGroup(t.Ends, make(map[string]int)); err != nil {
			return out, err
		}
	}
	if out.tick.Values, err = r.rewriteGroup(t.Values, out.dropped); err != nil {
		return out, err
	}
	for _, group := range [][]queue.Block{out.tick.Zeros, out.tick.Values} {
		for i := range group {
			out.tick.Samples += group[i].Samples
			out.tick.Stale += group[i].Stale
		}
	}
	r.past = nil
	r.claims.endFormer(t.At)
	r.forget()
	return out, nil
}

// rewriteGroup relabels the blocks of a group.
func (r *rewriter) rewriteGroup(blocks []queue.Block, dropped map[string]int) ([]queue.Block, error) {
	for i := range blocks {
		data, raw, err := blocks[i].Load(r.raw)
		r.raw = raw
		if err == nil {
			err = r.reader.Reset(data)
		}
		if err != nil {
			r.group.Discard()
			return nil, err
		}
		for {
			ok, err := r.reader.Next()
			if err == nil && ok {
				err = r.sample(dropped)
			}
			if err != nil {
				r.group.Discard()
				return nil, err
			}
			if !ok {
				break
			}
		}
	}
	return queue.InMemory(r.group.Take()), nil
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
	at, start := r.reader.At, r.reader.Start
	if reason == "" {
		zero := start != 0 && start == at
		answer, moved := r.claims.take(s.out, in, r.key, at, zero, r.reader.Value == wire.StaleMarker, r.tick)
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
			r.lost(reason, wire.SeriesName(r.reader.Labels()), s.name())
		}
		return nil
	}
	r.group.Add(&s.set, s.metric, wire.Sample{Value: r.reader.Value, At: at, Start: start})
	return nil
}

// seriesKey is the key of the reader's series.
func (r *rewriter) seriesKey() seriesKey {
	r.key = r.reader.AppendKey(r.key[:0])
	return r.hash(r.key)
}

func (r *rewriter) hash(b []byte) seriesKey {
	return seriesKey{maphash.Bytes(r.seeds[0], b), maphash.Bytes(r.seeds[1], b)}
}

// evaluate returns what becomes of the reader's series.
func (r *rewriter) evaluate() (*renamed, error) {
	metric, err := r.reader.Metric()
	if err != nil {
		return nil, err
	}
	all := r.reader.Labels()
	if r.renames() {
		if all = r.relabel(all); all == nil {
			return &renamed{reason: reasonDroppedSeries}, nil
		}
	}
	out := &renamed{}
	metric.Name = ""
	set, valid := all[:0], true
	for _, l := range all {
		switch {
		case l.Name == wire.NameLabel:
			metric.Name = l.Value
		case strings.HasPrefix(l.Name, "__"):
			// Reserved: rules use such labels among themselves, a receiver never sees
			// them (remote-write 1.0, "Labels").
		default:
			valid = valid && model.LegacyValidation.IsValidLabelName(l.Name) && utf8.ValidString(l.Value)
			set = append(set, l)
		}
	}
	out.set.Set(set, nil)
	r.name = append(append(r.name[:0], metric.Name...), 0xFF) // no byte of UTF-8
	for _, l := range set {
		r.name = append(append(append(append(r.name, l.Name...), 0xFF), l.Value...), 0xFF)
	}
	out.out = r.hash(r.name)
	out.metric = r.metric(metric)
	if !valid || !model.LegacyValidation.IsValidMetricName(metric.Name) {
		out.reason = reasonInvalid
	}
	return out, nil
}

// relabel returns labels as the endpoint names them, nil where it drops the series: its
// external labels replace what has their names, then come the rules, as in Prometheus.
func (r *rewriter) relabel(in []wire.Label) (out []wire.Label) {
	r.scratch.Reset()
	for _, l := range in {
		r.scratch.Add(l.Name, l.Value)
	}
	r.builder.Reset(r.scratch.Labels())
	for _, l := range r.external {
		r.builder.Set(l.Name, l.Value)
	}
	if !relabel.ProcessBuilder(r.builder, r.rules...) {
		return nil
	}
	out = in[:0]
	r.builder.Labels().Range(func(l labels.Label) { out = append(out, wire.Label(l)) })
	return out
}

// metric returns the one Metric that is m: blocks know metrics by address.
func (r *rewriter) metric(m wire.Metric) *wire.Metric {
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
	return wire.SeriesName(append([]wire.Label{{Name: wire.NameLabel, Value: s.metric.Name}}, s.set.Labels()...))
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
