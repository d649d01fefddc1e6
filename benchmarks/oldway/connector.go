// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package oldway

import (
	"container/list"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/skydive-project/skybridge/internal/analyzer"
)

// Connector keeps the latest value of each connection in gauge vectors. Store is for
// one goroutine; the handler may run beside it.
type Connector struct {
	registry            *prometheus.Registry
	bytes, packets, rtt *prometheus.GaugeVec
	cache               map[string]*entry
	order               *list.List // by the time of the last update
}

type entry struct {
	ab, ba prometheus.Labels
	last   int64 // seconds
	place  *list.Element
}

// New returns a connector without connections.
func New() *Connector {
	labels := []string{"initiator_ip", "target_ip", "initiator_port", "target_port", "direction", "node_tid", "protocol"}
	c := &Connector{registry: prometheus.NewRegistry(), cache: make(map[string]*entry), order: list.New()}
	vector := func(name, help string) *prometheus.GaugeVec {
		v := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, labels)
		c.registry.MustRegister(v)
		return v
	}
	c.bytes = vector("skydive_network_connection_total_bytes", "Bytes that a connection has carried.")
	c.packets = vector("skydive_network_connection_total_packets", "Packets that a connection has carried.")
	c.rtt = vector("skydive_network_connection_rtt_nanoseconds", "Round trip time of a connection.")
	return c
}

// Store stores a message's flows and returns how many it has.
func (c *Connector) Store(message []byte) (int, error) {
	flows, err := Decode(message)
	if err != nil {
		return 0, err
	}
	now := time.Now().Unix()
	for _, f := range flows {
		if f.Transport == nil {
			continue
		}
		e := c.entry(f)
		e.last = now
		c.bytes.With(e.ab).Set(float64(f.Metric.ABBytes))
		c.bytes.With(e.ba).Set(float64(f.Metric.BABytes))
		c.packets.With(e.ab).Set(float64(f.Metric.ABPackets))
		c.packets.With(e.ba).Set(float64(f.Metric.BAPackets))
		c.rtt.With(e.ab).Set(float64(f.Metric.RTT))
	}
	return len(flows), nil
}

func (c *Connector) entry(f *analyzer.Flow) *entry {
	if e, ok := c.cache[f.L3TrackingID]; ok {
		c.order.MoveToBack(e.place)
		return e
	}
	labels := func(direction string) prometheus.Labels {
		return prometheus.Labels{
			"initiator_ip":   f.Network.A,
			"target_ip":      f.Network.B,
			"initiator_port": strconv.FormatInt(f.Transport.A, 10),
			"target_port":    strconv.FormatInt(f.Transport.B, 10),
			"direction":      direction,
			"node_tid":       f.NodeTID,
			"protocol":       f.Transport.Protocol,
		}
	}
	e := &entry{ab: labels("initiator_to_target"), ba: labels("target_to_initiator")}
	e.place = c.order.PushBack(e)
	c.cache[f.L3TrackingID] = e
	return e
}

// Connections is how many connections there are.
func (c *Connector) Connections() int { return len(c.cache) }

// Handler serves the page of all series.
func (c *Connector) Handler() http.Handler {
	return promhttp.HandlerFor(c.registry, promhttp.HandlerOpts{})
}
