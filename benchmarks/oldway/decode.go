// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

// Package oldway imitates what skybridge replaces, as far as its cost goes: the
// Skydive-Prometheus connector prom_sky_con of skydive-flow-exporter. A message is
// decoded by encoding/json, first its envelope and then every field of every flow,
// each connection has an entry in a cache by L3TrackingID with two label maps, and
// values go into client_golang's gauge vectors. Left out is what the comparison does
// not need: the classification of addresses, logging, and the interfaces. That makes
// it cheaper than the original.
package oldway

import (
	"encoding/json"
	"fmt"

	"github.com/skydive-project/skybridge/internal/analyzer"
)

type envelope struct {
	Namespace, Type, UUID string
	Status                int64
	Obj                   json.RawMessage
}

// Decode decodes a message of the feed; one that holds no flows has none. Flows have every
// field that the recordings and the generated feed have.
func Decode(message []byte) ([]*analyzer.Flow, error) {
	var e envelope
	if err := json.Unmarshal(message, &e); err != nil {
		return nil, fmt.Errorf("old way: envelope: %w", err)
	}
	if e.Type != "store" {
		return nil, nil
	}
	var flows []*analyzer.Flow
	if err := json.Unmarshal(e.Obj, &flows); err != nil {
		return nil, fmt.Errorf("old way: flows: %w", err)
	}
	return flows, nil
}
