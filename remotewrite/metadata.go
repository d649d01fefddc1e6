// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"context"
	"encoding/binary"
	"math"
	"time"

	"github.com/skydive-project/skybridge/secrets"
)

// Remote-write 1.0 has metadata in requests of its own (2.0 has it in each
// series). As Prometheus does, an endpoint that is served 1.0 sends the type,
// help and unit of every metric from time to time, in a WriteRequest without
// series. That is a courtesy: it comes after a tick, only when none waits, and a
// request that fails is not repeated.

// Tags of prometheus.WriteRequest's metadata.
const (
	tag1Metadata = 3<<3 | 2
	tag1Type     = 1<<3 | 0
	tag1Family   = 2<<3 | 2
	tag1Help     = 4<<3 | 2
	tag1Unit     = 5<<3 | 2
)

// sendMetadata sends the metadata of a tick's metrics where it is time to.
func (e *endpoint) sendMetadata(ctx context.Context, t *loggedTick) {
	s := e.settings.Load()
	if s.cfg.MetadataInterval <= 0 || e.spoken.use(s.cfg.ProtobufMessage) != version1 || e.cursor.position().Ticks > 0 ||
		(!e.metadataSent.IsZero() && time.Since(e.metadataSent) < s.cfg.MetadataInterval) || e.quiet.left() > 0 {
		return
	}
	w := e.workspaces.Get().(*workspace)
	defer e.putAway(w)
	e.sendFamilies(ctx, s, t.values, w, 0, math.MaxInt)
}

// sendFamilies sends the metadata of the metrics in blocks from number from up to to,
// in halves where that is too large for the receiver.
func (e *endpoint) sendFamilies(ctx context.Context, s *settings, blocks []storedBlock, w *workspace, from, to int) {
	families, err := w.buildMetadata(blocks, from, to)
	if err != nil || families == 0 {
		return
	}
	e.metadataSent = time.Now()
	switch a := e.post(ctx, s, w.body, 0); {
	case a.verdict == delivered:
		s.metrics.metadata.Add(float64(families))
		s.metrics.metadataBytes.Add(float64(len(w.body.data)))
	case a.verdict == aborted:
	case a.verdict == tooLarge && families > 1:
		half := from + families/2
		e.sendFamilies(ctx, s, blocks, w, from, half)
		e.sendFamilies(ctx, s, blocks, w, half, from+families)
	default:
		s.metrics.metadataFailed.Add(float64(families))
		e.noteError(a)
		e.seldom.Warn("receiver did not take metadata; samples are sent on", "remote_name", s.cfg.label(), "url", secrets.URL(s.cfg.URL), "err", a.words)
	}
}

// buildMetadata makes the body of a request with the metadata of the metrics in
// blocks, each once, from number from up to to, and returns how many there are.
func (w *workspace) buildMetadata(blocks []storedBlock, from, to int) (families int, err error) {
	w.ready(version1)
	w.plain = w.plain[:0]
	seen := make(map[string]bool)
	r := &w.encoder2.reader
	for i := range blocks {
		var data []byte
		if data, w.body.raw, err = blocks[i].load(w.body.raw); err != nil {
			return 0, err
		}
		if err := r.reset(data); err != nil {
			return 0, err
		}
		last := uint32(0) // the name of the series before
		for {
			ok, err := r.next()
			if err != nil {
				return 0, err
			}
			if !ok {
				break
			}
			name := r.name()
			if name == last || seen[string(r.symbol(name))] {
				last = name
				continue
			}
			last = name
			m, err := r.readMetadata()
			if err != nil {
				return 0, err
			}
			if n := len(seen); n >= from && n < to {
				w.plain = appendMetadata1(w.plain, m.kind, r.symbol(name), r.symbol(m.help), r.symbol(m.unit))
				families++
			}
			seen[string(r.symbol(name))] = true
		}
	}
	w.body.compress(w.plain)
	return families, nil
}

// name returns the symbol of the series' metric, 0: it has none.
func (r *blockReader) name() uint32 {
	for i := 0; i < len(r.refs); i += 2 {
		if string(r.symbol(r.refs[i])) == nameLabel {
			return r.refs[i+1]
		}
	}
	return 0
}

// appendMetadata1 appends one prometheus.MetricMetadata. The types are numbered
// alike in both versions.
func appendMetadata1(dst []byte, kind uint64, name, help, unit []byte) []byte {
	size := func(s []byte) int {
		if len(s) == 0 {
			return 0
		}
		return 1 + uvarintLen(uint64(len(s))) + len(s)
	}
	text := func(dst []byte, tag byte, s []byte) []byte {
		if len(s) == 0 {
			return dst
		}
		return append(binary.AppendUvarint(append(dst, tag), uint64(len(s))), s...)
	}
	n := size(name) + size(help) + size(unit)
	if kind != 0 {
		n += 1 + uvarintLen(kind)
	}
	dst = binary.AppendUvarint(append(dst, tag1Metadata), uint64(n))
	dst = appendVarintField(dst, tag1Type, kind)
	dst = text(dst, tag1Family, name)
	dst = text(dst, tag1Help, help)
	return text(dst, tag1Unit, unit)
}
