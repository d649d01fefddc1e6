// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/binary"
	"hash/fnv"
	"net/netip"
	"strconv"
	"strings"

	"github.com/skydive-project/skybridge/internal/analyzer"
)

// FinishType as Skydive's agents write it.
const (
	finishTimeout = 1 // the flow was quiet for flow.expire, or for its application's timeout
	finishFIN     = 2 // its first packet carried FIN
	finishRST     = 3 // its first packet carried RST
)

// applicationTimeout is after how many ms of silence an agent ends flows of the
// applications that it knows to be short, instead of after flow.expire.
const applicationTimeout = 10_000

func short(application string) bool { return application == "DNS" || application == "ARP" }

// endpoint is one side of a conversation. port is 0 where there is none.
type endpoint struct {
	addr netip.Addr
	port uint16
}

// mac makes up a hardware address that stays with the host.
func (e endpoint) mac() string {
	a := e.addr.As16()
	bytes := []byte{0x02, a[7] | 0x40, a[12], a[13], a[14], a[15]}
	if e.addr.IsMulticast() {
		bytes[0], bytes[1] = 0x33, 0x33
	}
	hexes := make([]string, 0, len(bytes))
	for _, b := range bytes {
		hexes = append(hexes, strconv.FormatUint(uint64(b)|0x100, 16)[1:])
	}
	return strings.Join(hexes, ":")
}

func (e endpoint) less(other endpoint) bool {
	if c := e.addr.Compare(other.addr); c != 0 {
		return c < 0
	}
	return e.port < other.port
}

// volume is what went one way; bytes include the Ethernet headers.
type volume struct{ packets, bytes int64 }

// burst is some packets of one conversation that pass at one instant.
type burst struct {
	from, to    endpoint // from sent the first of them
	kind        kind
	there, back volume
	rtt         int64 // ns, 0 unknown
	finish      int64 // FinishType of a flow that begins with this burst
	icmpID      uint32
}

// kind is what Skydive makes of a packet's layers.
type kind struct {
	layers      string // above Ethernet, "IPv4/TCP"
	application string
	transport   string // "TCP", "UDP", empty: none
	icmp        string // ICMP type, empty: none
	icmpCode    uint32
}

// conversation is the key of a flow in its table: the same both ways.
type conversation struct {
	low, high endpoint
	kind      kind
	icmpID    uint32
}

func (b burst) conversation() conversation {
	c := conversation{low: b.from, high: b.to, kind: b.kind, icmpID: b.icmpID}
	if c.high.less(c.low) {
		c.low, c.high = c.high, c.low
	}
	return c
}

// flowTable does what an agent's flow table does for one capture: it sums
// packets into flows and reports those with traffic every update period, and
// each once more when it has been quiet for long enough.
type flowTable struct {
	nodeTID, captureID string
	clock              int64 // ms that the agent's clock is ahead

	flows                  map[conversation]*tableFlow
	order                  []*tableFlow // by first packet, so that runs repeat
	lastUpdate, lastExpire int64        // ms, agent's clock
	packets, bytes         int64        // what the capture saw
	dropped                int64        // packets that it missed
	readings               [2]int64     // sums of readings of packets and dropped, since the last stats
}

// tableFlow is a flow and what of it was reported.
type tableFlow struct {
	key      conversation
	record   analyzer.Flow
	metric   analyzer.Metric
	window   analyzer.Metric // LastUpdateMetric
	reported analyzer.Metric // metric at the last update
	fresh    bool            // no update has seen it yet
	touched  bool            // packets since the last update
	gone     bool
}

func newFlowTable(nodeTID, captureID string, start, clock int64) *flowTable {
	return &flowTable{
		nodeTID: nodeTID, captureID: captureID, clock: clock,
		flows: map[conversation]*tableFlow{}, lastUpdate: start + clock, lastExpire: start + clock,
	}
}

// see adds packets that passed at ms now.
func (t *flowTable) see(b burst, now int64) {
	now += t.clock
	key := b.conversation()
	f := t.flows[key]
	if f == nil {
		f = t.begin(key, b, now)
	}
	there, back := b.there, b.back
	if t.swapped(f, b) {
		there, back = back, there
	}
	f.metric.ABPackets += there.packets
	f.metric.ABBytes += there.bytes
	f.metric.BAPackets += back.packets
	f.metric.BABytes += back.bytes
	f.metric.Last = now
	if b.rtt != 0 {
		f.metric.RTT = b.rtt
	}
	f.record.Last = now
	f.touched = true
	t.packets += there.packets + back.packets
	t.bytes += there.bytes + back.bytes
}

// swapped tells whether a burst's first sender is B of the flow.
func (t *flowTable) swapped(f *tableFlow, b burst) bool {
	if b.kind.transport != "" {
		return f.record.Transport.A != int64(b.from.port) || f.record.Network.A != b.from.addr.String()
	}
	return f.record.Link.A != b.from.mac()
}

func (t *flowTable) begin(key conversation, b burst, now int64) *tableFlow {
	f := &tableFlow{key: key, fresh: true, metric: analyzer.Metric{Start: now, Last: now}}
	f.record = analyzer.Flow{
		UUID:         hash(key, now, t.nodeTID),
		LayersPath:   "Ethernet/" + b.kind.layers,
		Application:  b.kind.application,
		Link:         &analyzer.Layer{Protocol: "ETHERNET", A: b.from.mac(), B: b.to.mac()},
		Start:        now,
		Last:         now,
		TrackingID:   hash(key, 0, ""),
		L3TrackingID: hash(key, 0, "L3"),
		NodeTID:      t.nodeTID,
		CaptureID:    t.captureID,
		FinishType:   b.finish,
	}
	if b.kind.layers != "ARP" {
		family := "IPV4"
		if b.from.addr.Is6() {
			family = "IPV6"
		}
		f.record.Network = &analyzer.Layer{Protocol: family, A: b.from.addr.String(), B: b.to.addr.String()}
	}
	if b.kind.transport != "" {
		f.record.Transport = &analyzer.Transport{Protocol: b.kind.transport, A: int64(b.from.port), B: int64(b.to.port)}
	}
	if b.kind.icmp != "" {
		f.record.ICMP = &analyzer.ICMP{Type: b.kind.icmp, Code: b.kind.icmpCode, ID: b.icmpID}
	}
	t.flows[key] = f
	t.order = append(t.order, f)
	return f
}

// update is the tick of flow.update: it reports every flow with packets since
// the one before.
func (t *flowTable) update(now int64) []analyzer.Flow {
	now += t.clock
	var out []analyzer.Flow
	for _, f := range t.order {
		switch {
		case f.touched:
			t.closeWindow(f, now)
			out = append(out, f.report())
		case short(f.key.kind.application) && f.record.Last < now-applicationTimeout:
			// Skydive repeats the last window here instead of clearing it.
			f.record.FinishType = finishTimeout
			out = append(out, f.report())
			t.remove(f)
		default:
			f.window = analyzer.Metric{Start: t.lastUpdate, Last: now, RTT: f.metric.RTT}
		}
		f.reported, f.fresh, f.touched = f.metric, false, false
	}
	t.lastUpdate = now
	t.compact()
	return out
}

// closeWindow makes the LastUpdateMetric that ends at ms last, agent's clock.
func (t *flowTable) closeWindow(f *tableFlow, last int64) {
	f.window = analyzer.Metric{
		ABPackets: f.metric.ABPackets - f.reported.ABPackets,
		ABBytes:   f.metric.ABBytes - f.reported.ABBytes,
		BAPackets: f.metric.BAPackets - f.reported.BAPackets,
		BABytes:   f.metric.BABytes - f.reported.BABytes,
		Start:     t.lastUpdate,
		Last:      last,
		RTT:       f.metric.RTT,
	}
	if f.fresh {
		f.window.Start = f.record.Start
	}
}

// expire is the tick of flow.expire: it ends what has been quiet since before
// the tick before, which is 1 to 2 periods.
func (t *flowTable) expire(now int64) []analyzer.Flow {
	var out []analyzer.Flow
	for _, f := range t.order {
		if f.record.Last >= t.lastExpire {
			continue
		}
		if f.touched { // only where flow.expire is shorter than flow.update
			t.closeWindow(f, f.record.Last)
		}
		f.record.FinishType = finishTimeout
		out = append(out, f.report())
		t.remove(f)
	}
	t.lastExpire = now + t.clock
	t.compact()
	return out
}

func (t *flowTable) remove(f *tableFlow) {
	f.gone = true
	delete(t.flows, f.key)
}

func (t *flowTable) compact() {
	kept := t.order[:0]
	for _, f := range t.order {
		if !f.gone {
			kept = append(kept, f)
		}
	}
	clear(t.order[len(kept):])
	t.order = kept
}

// read is the tick of agent.capture.stats_update, each second: Skydive adds the
// cumulative readings up.
func (t *flowTable) read() {
	t.readings[0] += t.packets
	t.readings[1] += t.dropped
}

// stats is the capture's message of every 10 s, which clears what it reports. The
// true numbers of packets are in the topology.
func (t *flowTable) stats() analyzer.Stats {
	s := analyzer.Stats{
		CaptureID: t.captureID, FlowCount: int64(len(t.order)),
		PacketsReceived: t.readings[0], PacketsDropped: t.readings[1],
	}
	t.readings = [2]int64{}
	return s
}

// report copies the flow as it stands: the table goes on changing it.
func (f *tableFlow) report() analyzer.Flow {
	record, metric, window := f.record, f.metric, f.window
	record.Metric, record.LastUpdateMetric = &metric, &window
	return record
}

// hash makes a Skydive-like identifier: hexadecimal, without leading zeros.
func hash(key conversation, start int64, salt string) string {
	h := fnv.New64a()
	_, _ = h.Write(key.low.addr.AsSlice())
	_, _ = h.Write(key.high.addr.AsSlice())
	var b []byte
	b = binary.BigEndian.AppendUint16(b, key.low.port)
	b = binary.BigEndian.AppendUint16(b, key.high.port)
	b = binary.BigEndian.AppendUint32(b, key.icmpID)
	b = binary.BigEndian.AppendUint64(b, uint64(start))
	_, _ = h.Write(b)
	_, _ = h.Write([]byte(key.kind.layers + key.kind.icmp + salt))
	return strconv.FormatUint(h.Sum64(), 16)
}
