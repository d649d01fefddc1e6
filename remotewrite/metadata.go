// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"context"
	"time"

	"github.com/prometheus/prometheus/prompb"

	"github.com/skydive-project/skybridge/remotewrite/client"
	"github.com/skydive-project/skybridge/remotewrite/queue"
	"github.com/skydive-project/skybridge/remotewrite/wire"
)

// Remote-write 1.0 has metadata in requests of its own (2.0 has it in each
// series). As Prometheus does, an endpoint that is served 1.0 sends the type,
// help and unit of every metric from time to time, in a WriteRequest without
// series. That is a courtesy: it comes after a tick, only when none waits, and a
// request that fails is not repeated.

// sendMetadata sends the metadata of a tick's metrics where it is time to.
func (e *endpoint) sendMetadata(ctx context.Context, t *queue.Tick) {
	s := e.settings.Load()
	if s.cfg.MetadataInterval <= 0 || e.spoken.use(s.cfg.ProtobufMessage) != wire.V1 || e.cursor.Position().Ticks > 0 ||
		(!e.metadataSent.IsZero() && time.Since(e.metadataSent) < s.cfg.MetadataInterval) || e.quiet.left() > 0 {
		return
	}
	if list, err := families(t.Values); err == nil && len(list) > 0 {
		e.sendFamilies(ctx, s, list)
	}
}

// sendFamilies sends the metadata of metrics, in halves where that is too large for the
// receiver.
func (e *endpoint) sendFamilies(ctx context.Context, s *settings, list []prompb.MetricMetadata) {
	plain, err := (&prompb.WriteRequest{Metadata: list}).Marshal()
	if err != nil {
		return // there is nothing in it that cannot be encoded
	}
	b := &client.Body{Data: wire.Compress(nil, plain), Version: wire.V1}
	e.metadataSent = time.Now()
	switch a := e.post(ctx, s, b, 0); {
	case a.Verdict == client.Delivered:
		s.metrics.metadata.Add(float64(len(list)))
		s.metrics.metadataBytes.Add(float64(len(b.Data)))
	case a.Verdict == client.Aborted:
	case a.Verdict == client.TooLarge && len(list) > 1:
		half := len(list) / 2
		e.sendFamilies(ctx, s, list[:half])
		e.sendFamilies(ctx, s, list[half:])
	default:
		s.metrics.metadataFailed.Add(float64(len(list)))
		e.noteError(a)
		s.seldom.Warn("receiver did not take metadata; samples are sent on", "err", a.Words)
	}
}

// families returns the metadata of the metrics in blocks, each once.
func families(blocks []queue.Block) (list []prompb.MetricMetadata, err error) {
	seen := make(map[string]bool)
	var raw []byte
	var r wire.Reader
	for i := range blocks {
		var data []byte
		if data, raw, err = blocks[i].Load(raw); err != nil {
			return nil, err
		}
		last := uint32(0) // the name of the series before
		err = r.Each(data, func() error {
			if r.NameRef() == last {
				return nil
			}
			last = r.NameRef()
			m, err := r.Metric()
			if err == nil && !seen[m.Name] {
				seen[m.Name] = true
				list = append(list, prompb.MetricMetadata{
					Type: prompb.MetricMetadata_MetricType(m.Type), MetricFamilyName: m.Name, Help: m.Help, Unit: m.Unit,
				})
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return list, nil
}
