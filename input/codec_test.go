// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package input

import (
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/skydive-project/skybridge/disk"
)

// anyText draws text of all forms that the codec knows, and text that is almost of such a form.
func anyText(r *rapid.T) []byte {
	bytes := func(n int) []byte { return rapid.SliceOfN(rapid.Byte(), n, n).Draw(r, "bytes") }
	switch rapid.IntRange(0, 6).Draw(r, "text") {
	case 0:
		return nil
	case 1:
		return fmt.Appendf(nil, "%x", rapid.Uint64().Draw(r, "id"))
	case 2:
		return []byte(netip.AddrFrom4([4]byte(bytes(4))).String())
	case 3:
		b := bytes(16)
		for range rapid.IntRange(0, 8).Draw(r, "zero groups") {
			i := rapid.IntRange(0, 7).Draw(r, "group")
			clear(b[2*i : 2*i+2])
		}
		return []byte(netip.AddrFrom16([16]byte(b)).String())
	case 4:
		return []byte(rapid.StringMatching(`[0-9a-fA-F.:%]{0,20}`).Draw(r, "almost"))
	case 5:
		return bytes(rapid.IntRange(0, 300).Draw(r, "length"))
	}
	return []byte(rapid.SampledFrom([]string{
		"TCP", "UDP", "0", "00", "01", "8559e2ab-0429-5426-acd7-0899f5d7dd10", "1.2.3", "1.2.3.04", "1.2.3.256",
		"1.2.3.4.5", "1..2.3", ".1.2.3", "1.2.3.", "::", ":::", "::1", "1::", "1:0:0::1", "::ffff:1.2.3.4", "fe80::1%eth0",
		"1:2:3:4:5:6:7:8:9", "00::1", "FE80::1", "\x00", "\"\n\xff", strings.Repeat("f", 17),
	}).Draw(r, "hostile"))
}

// anyInt draws a number, often one that takes a shorter form beside near.
func anyInt(r *rapid.T, near int64) int64 {
	switch rapid.IntRange(0, 4).Draw(r, "number") {
	case 0:
		return 0
	case 1:
		return rapid.Int64Range(0, 1<<17).Draw(r, "small")
	case 2:
		return near
	case 3:
		return rapid.SampledFrom([]int64{-1, math.MinInt64, math.MaxInt64, near + 1, near - 1, math.MaxUint16, math.MaxUint16 + 1}).Draw(r, "edge")
	}
	return rapid.Int64().Draw(r, "any")
}

func anyMetric(r *rapid.T, m Metric, start, last int64) Metric {
	return Metric{
		ABBytes: anyInt(r, m.ABBytes), ABPackets: anyInt(r, m.ABPackets), BABytes: anyInt(r, m.BABytes), BAPackets: anyInt(r, m.BAPackets),
		Start: anyInt(r, start), Last: anyInt(r, last), RTT: anyInt(r, m.RTT),
	}
}

func anyFlows(r *rapid.T, now int64) (flows []Flow) {
	texts := rapid.SliceOfN(rapid.Custom(anyText), 1, rapid.SampledFrom([]int{4, 2 * maxWords}).Draw(r, "texts")).Draw(r, "pool")
	text := func() []byte { return rapid.SampledFrom(texts).Draw(r, "text") }
	before := Flow{Start: now, LastUpdate: Metric{Start: now, Last: now}}
	for range rapid.IntRange(0, 20).Draw(r, "flows") {
		f := Flow{
			UUID: anyText(r), ParentUUID: anyText(r), NodeTID: text(), CaptureID: text(),
			NetworkA: text(), NetworkB: text(), TransportProtocol: text(), Application: text(),
			VLAN: anyInt(r, 1), VNI: anyInt(r, 1), TransportA: anyInt(r, 80), TransportB: anyInt(r, 80),
			HasTransport: rapid.Bool().Draw(r, "transport"), Outer: rapid.Bool().Draw(r, "outer"),
			HasLastUpdate: rapid.Bool().Draw(r, "update"), Opened: Opened(rapid.Byte().Draw(r, "opened")),
			FinishType: anyInt(r, 1), Start: anyInt(r, before.Start),
		}
		f.Metric = anyMetric(r, before.Metric, f.Start, before.LastUpdate.Last)
		if f.LastUpdate = f.Metric; rapid.Bool().Draw(r, "grown") {
			f.LastUpdate = anyMetric(r, f.Metric, before.LastUpdate.Start, before.LastUpdate.Last)
		}
		flows, before = append(flows, f), f
	}
	return flows
}

// anyRows draws rows, of which some are gone: those have a key alone.
func anyRows[T any](r *rapid.T, row func(gone bool) T) (rows []T) {
	for range rapid.SampledFrom([]int{0, 1, 20, MaxRows}).Draw(r, "rows") {
		rows = append(rows, row(rapid.IntRange(0, 3).Draw(r, "gone") == 0))
	}
	return rows
}

// anyTopology draws the rows of an entry about the topology.
func anyTopology(r *rapid.T, e *Entry) {
	texts := rapid.SliceOfN(rapid.Custom(anyText), 1, rapid.SampledFrom([]int{4, 2 * maxWords}).Draw(r, "texts")).Draw(r, "pool")
	text := func() []byte { return rapid.SampledFrom(texts).Draw(r, "text") }
	number := func() uint64 { return uint64(anyInt(r, 1)) }
	e.Refresh = Refresh{rapid.Bool().Draw(r, "whole"), rapid.Bool().Draw(r, "end")}
	switch e.Kind {
	case KindNodeNames:
		e.NodeNames = anyRows(r, func(gone bool) NodeName {
			n := NodeName{TID: text(), Gone: gone}
			if !gone {
				n.Name, n.Host, n.Type = text(), text(), text()
			}
			return n
		})
	case KindAddressNames:
		e.AddressNames = anyRows(r, func(gone bool) AddressName {
			n := AddressName{Address: text(), Gone: gone}
			if !gone {
				n.Name = text()
			}
			return n
		})
	case KindInterfaces:
		e.Interfaces = anyRows(r, func(gone bool) Interface {
			n := Interface{NodeTID: text(), Name: text(), Host: text(), Type: text(), IPv4: text(), IPv6: text(), Gone: gone}
			for i := 0; i < len(n.Values) && !gone; i++ {
				n.Values[i] = number()
			}
			return n
		})
	case KindCapturePackets:
		e.CapturePackets = anyRows(r, func(gone bool) CapturePackets {
			n := CapturePackets{CaptureID: text(), NodeTID: text(), Gone: gone}
			if !gone {
				n.Received, n.Dropped = number(), number()
			}
			return n
		})
	}
}

func anyEntry(r *rapid.T) Entry {
	e := Entry{
		Kind: Kind(rapid.IntRange(int(KindFlows), int(KindCapturePackets)).Draw(r, "kind")),
		Time: rapid.SampledFrom([]int64{0, 1795402892265, math.MinInt64, math.MaxInt64}).Draw(r, "time"),
	}
	switch e.Kind {
	case KindFlows:
		e.Flows = anyFlows(r, e.Time)
	case KindStats:
		e.Stats = CaptureStats{anyText(r), anyInt(r, 1), anyInt(r, 1), anyInt(r, 1), anyInt(r, 1), anyInt(r, 1)}
	case KindAnalyzer:
		e.Analyzer = Analyzer{anyText(r), AnalyzerState(rapid.IntRange(int(AnalyzerLive), int(AnalyzerGone)).Draw(r, "state"))}
	case KindTick:
		e.Tick = Tick{anyInt(r, e.Time), anyInt(r, 15000), anyInt(r, e.Time)}
	case KindConfigure:
		e.Configuration = anyText(r)
	case KindStart:
		e.Start = Start{[16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(r, "key")), anyInt(r, e.Time), anyInt(r, e.Time)}
	case KindEnd:
		e.Last = rapid.Bool().Draw(r, "last")
	default:
		anyTopology(r, &e)
	}
	return e
}

// TestRoundTrip proves that every field of any entry comes back, however the codec and the
// entry were used before, and that no part of an encoding is taken for an entry.
func TestRoundTrip(t *testing.T) {
	var c Codec
	var got Entry
	rapid.Check(t, func(r *rapid.T) {
		want := anyEntry(r)
		b := c.Append([]byte("before"), &want)
		if b = b[len("before"):]; len(b) == 0 {
			r.Fatal("nothing was appended")
		}
		if err := c.Decode(b, &got); err != nil {
			r.Fatal(err)
		}
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			r.Fatalf("-want +got:\n%s", diff)
		}
		cut := rapid.IntRange(0, len(b)-1).Draw(r, "cut")
		if err := c.Decode(b[:cut], &got); !errors.Is(err, disk.ErrDamaged) {
			r.Fatalf("%d of %d bytes: %v", cut, len(b), err)
		}
		if err := c.Decode(append(b, 0), &got); !errors.Is(err, disk.ErrDamaged) {
			r.Fatalf("a byte too many: %v", err)
		}
	})
}

// examples are entries whose encoding must not change without another FormatVersion.
var examples = []struct {
	name  string
	entry Entry
	hex   string
}{
	{"flows", Entry{Kind: KindFlows, Time: 1795402892265, Flows: []Flow{
		{
			UUID: []byte("e8f303bd6905bad9"), NodeTID: []byte("node"), CaptureID: []byte("capture"),
			NetworkA: []byte("10.77.0.1"), NetworkB: []byte("10.77.0.2"),
			HasTransport: true, TransportProtocol: []byte("TCP"), TransportA: 59970, TransportB: 8000,
			Start: 1795402882356, Application: []byte("TCP"), Opened: OpenedByA,
			Metric:     Metric{7, 550, 5, 460, 1795402882356, 1795402882363, 47000},
			LastUpdate: Metric{7, 550, 5, 460, 1795402882356, 1795402890746, 47000}, HasLastUpdate: true,
		},
		{
			UUID: []byte("odd"), ParentUUID: []byte("1"), NodeTID: []byte("node"), CaptureID: []byte("other"),
			NetworkA: []byte("fd77::1"), NetworkB: []byte("odd"), Outer: true, VLAN: 5, VNI: -1, TransportA: 1 << 16,
			Start: 1795402882350, FinishType: 1, Application: []byte("DNS"),
			Metric:     Metric{1, 2, 3, 4, 5, 1795402890746, 0},
			LastUpdate: Metric{1, 0, 3, 4, 1795402882356, 1795402890746, 0}, HasLastUpdate: true,
		},
		{},
	}}, "01d28fd0e5c06803f1ab35febe03d9ba0569bd03f3e8046e6f6465076361707475726503544350020a4d00010a4d000242ea401f01e99a0107a60405cc030e98ef02dd17d6fcdaffa50d036f64640100000000000000056f7468657203444e5300fd770000000000000000000000000001046f6464808004000105ffffffffffffffffff010b01020304d1f4cee5c068010304000000001000"},
	{"stats", Entry{Kind: KindStats, Time: 1, Stats: CaptureStats{[]byte("capture"), 1, 2, 3, 4, -5}}, "020207636170747572650204060809"},
	{"analyzer", Entry{Kind: KindAnalyzer, Time: 1, Analyzer: Analyzer{[]byte("a"), AnalyzerDown}}, "0302016102"},
	{"tick", Entry{Kind: KindTick, Time: 2, Tick: Tick{1, 15000, 7}}, "040402b0ea010e"},
	{"configuration", Entry{Kind: KindConfigure, Time: 2, Configuration: []byte("labels")}, "0504066c6162656c73"},
	{"start", Entry{Kind: KindStart, Time: -1, Start: Start{[16]byte{1, 2, 15: 3}, 5, -1}}, "0601010200000000000000000000000000030a01"},
	{"end", Entry{Kind: KindEnd, Time: 1795402892265, Last: true}, "07d28fd0e5c06801"},
	{"names of nodes", Entry{Kind: KindNodeNames, Time: 1, Refresh: Refresh{Whole: true}, NodeNames: []NodeName{
		{TID: []byte("a"), Name: []byte("eth0"), Host: []byte("h"), Type: []byte("veth")},
		{TID: []byte("b"), Name: []byte("h"), Host: []byte("h")},
		{TID: []byte("c"), Gone: true},
	}}, "08020100037e000000000001610465746830016804766574680c00000000000162010100000000000163"},
	{"names of addresses", Entry{Kind: KindAddressNames, Time: 1, Refresh: Refresh{Whole: true, End: true}, AddressNames: []AddressName{
		{Address: []byte("10.77.0.1"), Name: []byte("shop/web-0")}, {Address: []byte("fd77::1"), Name: []byte("shop/web-0")}, {Address: []byte("10.77.0.2"), Gone: true},
	}}, "09020101031c00000000000a4d00010a73686f702f7765622d300e000000000000fd7700000000000000000000000000010500000000000a4d0002"},
	{"interfaces", Entry{Kind: KindInterfaces, Time: 1, Refresh: Refresh{End: true}, Interfaces: []Interface{
		{
			NodeTID: []byte("a"), Name: []byte("eth0"), Host: []byte("h"), Type: []byte("veth"), IPv4: []byte("10.77.0.1/24"), IPv6: []byte("fd77::1/64"),
			Values: [InterfaceMetrics]uint64{1, 2, 300, 0, 5, 0, 0, 0, 9, 0, 1<<64 - 1},
		},
		{NodeTID: []byte("b"), Name: []byte("eth0"), Host: []byte("h"), Gone: true},
	}}, "0a02000102fe8b0200000001610465746830016804766574680c31302e37372e302e312f32340a666437373a3a312f36340102ac020509ffffffffffffffffff010b000000000001620000"},
	{"packets of captures", Entry{Kind: KindCapturePackets, Time: 1, CapturePackets: []CapturePackets{
		{CaptureID: []byte("c"), NodeTID: []byte("a"), Received: 300, Dropped: 1}, {CaptureID: []byte("c"), NodeTID: []byte("b"), Gone: true},
	}}, "0b020000021e000000000001630161ac02010300000000000162"},
	{"end of a refresh", Entry{Kind: KindCapturePackets, Time: 1, Refresh: Refresh{End: true}}, "0b02000100"},
}

// TestFormat proves that entries which were written before can be read.
func TestFormat(t *testing.T) {
	for _, x := range examples {
		t.Run(x.name, func(t *testing.T) {
			var c Codec
			if got := hex.EncodeToString(c.Append(nil, &x.entry)); got != x.hex {
				t.Errorf("got %s\nwant %s", got, x.hex)
			}
			b, err := hex.DecodeString(x.hex)
			if err != nil {
				t.Fatal(err)
			}
			var got Entry
			if err := c.Decode(b, &got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(x.entry, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// TestDamaged proves that what is out of range is not taken for something else.
func TestDamaged(t *testing.T) {
	for _, x := range []struct{ name, hex string }{
		{"empty", ""},
		{"kind 0", "0002"},
		{"kind of a later version", "0c02"},
		{"state 0 of an analyzer", "0302016100"},
		{"state 4 of an analyzer", "0302016104"},
		{"bool", "070202"},
		{"whole refresh", "0802020000"},
		{"end of a refresh", "0802000200"},
		{"more rows than bytes", "090200008002"},
		{"more rows than an entry has", "0b0200008102" + strings.Repeat("0000000000000000", MaxRows+1)},
		{"negative number of rows", "0a020000ffffffffffffffffff01"},
		{"word of a row that is not there", "08020000010400000000000001"},
		{"more flows than bytes", "0102ffffffff0f000000000000"},
		{"negative number of flows", "0102ffffffffffffffffff01000000000000"},
		{"choice of an id", "010201030000000000"},
		{"choice of ports", "010201000003000000"},
		{"word that is not there", "01020120000000000000"},
		{"end of a flow opened by 256", "0102010000200000008002"},
	} {
		b, err := hex.DecodeString(x.hex)
		if err != nil {
			t.Fatal(err)
		}
		var c Codec
		var e Entry
		if err := c.Decode(b, &e); !errors.Is(err, disk.ErrDamaged) {
			t.Errorf("%s: %v, %+v", x.name, err, e)
		}
	}
}

// FuzzDecode holds that any bytes are an entry, which can be encoded again, or damaged, and
// that a few bytes never take much memory.
func FuzzDecode(f *testing.F) {
	for _, x := range examples {
		var c Codec
		f.Add(c.Append(nil, &x.entry))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var c, again Codec
		var e, got Entry
		before := slices.Clone(b)
		err := c.Decode(b, &e)
		if !slices.Equal(b, before) {
			t.Fatal("the input has changed")
		}
		for _, n := range []int{cap(e.Flows), cap(e.NodeNames), cap(e.AddressNames), cap(e.Interfaces), cap(e.CapturePackets)} {
			if n > 2*len(b)/choicesBytes+4 {
				t.Errorf("%d bytes made room for %d flows or rows", len(b), n)
			}
		}
		if n := cap(c.text); n > 10*len(b)+64 {
			t.Errorf("%d bytes made %d bytes of text", len(b), n)
		}
		if err != nil {
			if !errors.Is(err, disk.ErrDamaged) {
				t.Error(err)
			}
			return
		}
		if err := again.Decode(again.Append(nil, &e), &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(e, got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("-first +second:\n%s", diff)
		}
	})
}
