// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

// asIs names series as a block has them, for an endpoint that renames none. Neighbours
// share most of their strings, so it makes each of them once a block.
type asIs struct {
	strings []string // by symbol, "" where it has not been asked for
	metrics map[Metric]*Metric
	out     renamed

	// The metric that was seen last in the block.
	name   uint32
	meta   metadata
	metric *Metric
}

// reset turns to the block that r has turned to.
func (n *asIs) reset(r *blockReader) {
	clear(n.strings[:cap(n.strings)])
	if cap(n.strings) < len(r.symbols) {
		n.strings = make([]string, len(r.symbols))
	}
	n.strings = n.strings[:len(r.symbols)]
	n.metric = nil
}

func (n *asIs) text(r *blockReader, ref uint32) string {
	if n.strings[ref] == "" {
		n.strings[ref] = string(r.symbol(ref))
	}
	return n.strings[ref]
}

// series returns the reader's series; it is valid until the next.
func (n *asIs) series(r *blockReader) (*renamed, error) {
	meta, err := r.readMetadata()
	if err != nil {
		return nil, err
	}
	set := &n.out.set
	set.labels, set.nameAt = set.labels[:0], 0
	var name uint32
	for i := 0; i < len(r.refs); i += 2 {
		if label := n.text(r, r.refs[i]); label == nameLabel {
			name, set.nameAt = r.refs[i+1], len(set.labels)
		} else {
			set.labels = append(set.labels, Label{label, n.text(r, r.refs[i+1])})
		}
	}
	if n.metric == nil || n.name != name || n.meta != meta {
		m := Metric{Name: n.text(r, name), Help: n.text(r, meta.help), Unit: n.text(r, meta.unit), Type: MetricType(meta.kind)}
		if n.metrics == nil {
			n.metrics = make(map[Metric]*Metric)
		}
		if n.metrics[m] == nil {
			n.metrics[m] = &m
		}
		n.name, n.meta, n.metric = name, meta, n.metrics[m]
	}
	n.out.metric = n.metric
	return &n.out, nil
}
