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
	naming
	text string // of the naming
	// lost is called for a series of which nothing will be sent, by its labels in the
	// log and what they became. It is called once for each.
	lost func(reason, series, renamed string)

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

// renamed is what relabelling made of a series.
type renamed struct {
	reason string // why nothing of it is sent, "": it is
	seen   uint32 // the last tick that had it
	out    seriesKey
	set    wire.LabelSet
	metric *wire.Metric
}

// newRewriter returns what gives series their names. Rewriters with the same seeds have
// the same key for the same name.
func newRewriter(n naming, seeds [2]maphash.Seed, lost func(reason, series, renamed string)) *rewriter {
	return &rewriter{
		naming: n, lost: lost, seeds: seeds,
		known: make(map[seriesKey]*renamed), metrics: make(map[wire.Metric]*wire.Metric), claims: claims{held: make(map[seriesKey]claim), refused: make(map[seriesKey]refusal)},
		builder: labels.NewBuilder(labels.EmptyLabels()),
	}
}

// newSeeds returns the seeds of an endpoint's keys.
func newSeeds() [2]maphash.Seed { return [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()} }

// each calls f with the reader at each sample of blocks.
func (r *rewriter) each(blocks []queue.Block, f func() error) (err error) {
	for i := range blocks {
		var data []byte
		if data, r.raw, err = blocks[i].Load(r.raw); err != nil {
			return err
		}
		if err := r.reader.Each(data, f); err != nil {
			return err
		}
	}
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
			valid = valid && r.valid().IsValidLabelName(l.Name) && utf8.ValidString(l.Value)
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
	for _, l := range r.ExternalLabels {
		r.builder.Set(l.Name, l.Value)
	}
	if !relabel.ProcessBuilder(r.builder, r.WriteRelabelConfigs...) {
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
		if s.seen == r.claims.tick {
			seen++
		}
	}
	if len(r.known) >= maxRenamed || len(r.known) > seen+seen/4+1024 {
		for key, s := range r.known {
			if s.seen != r.claims.tick {
				delete(r.known, key)
			}
		}
	}
	r.claims.forget()
}

// lookUp returns what the reader's series is called, without remembering it: it
// has ended.
func (r *rewriter) lookUp() (*renamed, error) {
	if s, ok := r.known[r.seriesKey()]; ok {
		return s, nil
	}
	return r.evaluate()
}

// past is what an endpoint's first rewriter has to know of the ticks before its
// own: of those that a former process sent, or that are older than the endpoint.
//
// A series that began before begun, and is not among those that were refused, holds
// its name; one that begins later does not get it, wherever it stands in its tick.
// For an endpoint that is new, and where what was refused is not known, several can
// have begun before under one name: then the one that began first holds it.
type past struct {
	begun   int64  // see queue.Past
	resumed uint64 // see queue.Past
	last    int64  // time of the tick before the first that is rewritten
	learned bool   // all holders are known
}
