// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package decode

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/skydive-project/skybridge/internal/analyzer"
)

// recordings are the sessions with a real analyzer.
var recordings = []string{
	"analyzer-restart-before", "analyzer-restart-after", "capture-deleted", "capture-namespace",
	"session-mixed", "stats", "two-captures", "vxlan-tunnel",
}

// recorded returns the data messages of a recording in order.
func recorded(tb testing.TB, name string) [][]byte {
	tb.Helper()
	messages, err := analyzer.Recording(filepath.Join("..", "testdata", name+".jsonl"))
	if err != nil {
		tb.Fatal(err)
	}
	return messages
}

// Every message of every recording means to the decoder what it means to
// encoding/json, and nothing in them is malformed.
func TestRecordings(t *testing.T) {
	var m Message
	flows := 0
	for _, name := range recordings {
		for _, msg := range recorded(t, name) {
			got := compare(t, &m, msg)
			if got.failed || got.malformed > 0 || got.kind == Other {
				t.Errorf("%s: %+v", name, got)
			}
			flows += len(got.flows)
		}
	}
	if flows < 800 {
		t.Errorf("only %d flows in all recordings", flows)
	}
}

// A message that is cut short anywhere keeps the flows before the cut.
func TestTruncated(t *testing.T) {
	var m Message
	msg := recorded(t, "two-captures")[0]
	for n := range msg {
		got := compare(t, &m, msg[:n])
		if !got.failed {
			t.Fatalf("cut at %d is not malformed", n)
		}
	}
}

const (
	soundMetric = `"Metric":{"ABPackets":1,"ABBytes":2,"BAPackets":3,"BABytes":4,"Start":5,"Last":6,"RTT":7}`
	soundFlow   = `{"UUID":"u",` + soundMetric + `}`
)

func flowMessage(flows string) string {
	return `{"Namespace":"flow","Type":"store","UUID":"x","Status":200,"Obj":` + flows + `}`
}

// odd are inputs that a table of expectations names and the fuzzer starts from.
// want is "flows malformed", with a trailing ! where the message is malformed.
var odd = []struct{ name, msg, want string }{
	{"sound", flowMessage(`[` + soundFlow + `]`), "1 0"},
	{"none", flowMessage(`[]`), "0 0"},
	{"null Obj", flowMessage(`null`), "0 0"},
	{"no Obj", `{"Namespace":"flow","Type":"store"}`, "0 0"},
	{"Obj is an object", flowMessage(`{}`), "0 0!"},
	{"Obj is a string", flowMessage(`"x"`), "0 0!"},
	{"capture's namespace", strings.Replace(flowMessage(`[`+soundFlow+`]`), `"flow"`, `"flow/c"`, 1), "1 0"},
	{"Obj first", `{"Obj":[` + soundFlow + `],"Type":"store","Namespace":"flow"}`, "1 0"},
	{"Obj between", `{"Namespace":"flow","Obj":[` + soundFlow + `],"Type":"store"}`, "1 0"},
	{"Obj first, then broken", `{"Obj":[` + soundFlow + `,` + soundFlow + `],"Type":"store","Namespace":"flow",}`, "2 0!"},
	{"Obj broken before its kind is known", `{"Obj":[` + soundFlow + `,x],"Type":"store","Namespace":"flow"}`, "0 0!"},
	{"two Obj", `{"Namespace":"flow","Type":"store","Obj":[` + soundFlow + `,` + soundFlow + `],"Obj":[` + soundFlow + `]}`, "1 0"},
	{"two Obj, the last null", `{"Namespace":"flow","Type":"store","Obj":[` + soundFlow + `],"Obj":null}`, "0 0"},
	{"two Obj, the last broken", `{"Namespace":"flow","Type":"store","Obj":[` + soundFlow + `,` + soundFlow + `],"Obj":[` + soundFlow + `,tru]}`, "1 0!"},
	{"namespace changes its mind", `{"Namespace":"flow","Type":"store","Obj":[` + soundFlow + `],"Namespace":"stats"}`, "0 0"},
	{"and again", `{"Namespace":"flow","Type":"store","Obj":[` + soundFlow + `],"Namespace":"x","Namespace":"flow"}`, "1 0"},
	{"becomes flows", `{"Namespace":"x","Type":"store","Obj":[` + soundFlow + `],"Namespace":"flow"}`, "1 0"},
	{"namespace is a number", `{"Namespace":5,"Type":"store","Obj":[` + soundFlow + `]}`, "0 0!"},
	{"namespace null", `{"Namespace":null,"Type":"store","Obj":[` + soundFlow + `]}`, "0 0"},
	{"unknown namespace", `{"Namespace":"graph","Type":"store","Obj":[` + soundFlow + `]}`, "0 0"},
	{"unknown type", `{"Namespace":"flow","Type":"delete","Obj":[` + soundFlow + `]}`, "0 0"},
	{"envelope is an array", `[1]`, "0 0!"},
	{"envelope is null", `null`, "0 0!"},
	{"empty", ``, "0 0!"},
	{"only a brace", `{`, "0 0!"},
	{"empty object", `{}`, "0 0"},
	{"something follows", flowMessage(`[`+soundFlow+`]`) + ` x`, "1 0!"},
	{"white space", " {\n\"Namespace\" :\t\"flow\" , \"Type\":\"store\",\"Obj\" : [ " + soundFlow + " ] } \r\n", "1 0"},
	{"broken between flows", flowMessage(`[` + soundFlow + `;` + soundFlow + `]`), "1 0!"},
	{"trailing comma", flowMessage(`[` + soundFlow + `,]`), "1 0!"},
	{"trailing comma in a flow", flowMessage(`[` + soundFlow + `,{"UUID":"v",` + soundMetric + `,}]`), "1 0!"},
	{"key without quotes", flowMessage(`[` + soundFlow + `,{UUID:"v"}]`), "1 0!"},
	{"control character", flowMessage("[" + soundFlow + ",{\"UUID\":\"a\nb\"}]"), "1 0!"},
	{"bad escape", flowMessage(`[` + soundFlow + `,{"UUID":"a\x"}]`), "1 0!"},
	{"bad unicode escape", flowMessage(`[` + soundFlow + `,{"UUID":"a\u12g4"}]`), "1 0!"},
	{"leading zero", flowMessage(`[` + soundFlow + `,{"UUID":"v","Start":01,` + soundMetric + `}]`), "1 0!"},
	{"bare minus", flowMessage(`[` + soundFlow + `,{"UUID":"v","Start":-,` + soundMetric + `}]`), "1 0!"},
	{"dot without digits", flowMessage(`[` + soundFlow + `,{"UUID":"v","Start":1.,` + soundMetric + `}]`), "1 0!"},
	{"elements that are no flows", flowMessage(`[1,null,"x",[],` + soundFlow + `,true]`), "1 5"},
	{"empty flow", flowMessage(`[{},` + soundFlow + `]`), "1 1"},
	{"no UUID", flowMessage(`[{` + soundMetric + `},` + soundFlow + `]`), "1 1"},
	{"empty UUID", flowMessage(`[{"UUID":"",` + soundMetric + `}]`), "0 1"},
	{"null UUID", flowMessage(`[{"UUID":null,` + soundMetric + `}]`), "0 1"},
	{"UUID is a number", flowMessage(`[{"UUID":1,` + soundMetric + `}]`), "0 1"},
	{"UUID bad, then good", flowMessage(`[{"UUID":{"a":[1]},"UUID":"u",` + soundMetric + `}]`), "1 0"},
	{"UUID good, then bad", flowMessage(`[{"UUID":"u","UUID":[],` + soundMetric + `}]`), "0 1"},
	{"UUID in escapes", flowMessage(`[{"\u0055UID":"\u00e9\ud83d\ude00\ud83d\"\\\/\b\f\n\r\tx",` + soundMetric + `}]`), "1 0"},
	{"key in other case", flowMessage(`[{"uuid":"u",` + soundMetric + `}]`), "0 1"},
	{"bad UTF-8", flowMessage("[{\"UUID\":\"a\xff\xc3(\xe2\x82\",\"NodeTID\":\"\xf0\x9f\x98\x80\"," + soundMetric + "}]"), "1 0"},
	{"bad UTF-8 in a key", flowMessage("[{\"UUID\xff\":1,\"UUID\":\"u\"," + soundMetric + "}]"), "1 0"},
	{"no Metric", flowMessage(`[{"UUID":"u"}]`), "0 1"},
	{"null Metric", flowMessage(`[{"UUID":"u","Metric":null}]`), "0 1"},
	{"empty Metric", flowMessage(`[{"UUID":"u","Metric":{}}]`), "1 0"},
	{"Metric, then null", flowMessage(`[{"UUID":"u",` + soundMetric + `,"Metric":null}]`), "0 1"},
	{"Metric twice", flowMessage(`[{"UUID":"u",` + soundMetric + `,"Metric":{"ABBytes":9}}]`), "1 0"},
	{"Metric is a string", flowMessage(`[{"UUID":"u","Metric":"x"}]`), "0 1"},
	{"negative counter", flowMessage(`[{"UUID":"u","Metric":{"BABytes":-1}}]`), "0 1"},
	{"negative LastUpdateMetric", flowMessage(`[{"UUID":"u","Metric":{},"LastUpdateMetric":{"ABBytes":-1,"RTT":-5}}]`), "1 0"},
	{"null LastUpdateMetric", flowMessage(`[{"UUID":"u","Metric":{},"LastUpdateMetric":null}]`), "1 0"},
	{"LastUpdateMetric is a list", flowMessage(`[{"UUID":"u","Metric":{},"LastUpdateMetric":[]}]`), "0 1"},
	{"counter is a string", flowMessage(`[{"UUID":"u","Metric":{"ABBytes":"1"}}]`), "0 1"},
	{"counter is null", flowMessage(`[{"UUID":"u","Metric":{"ABBytes":5,"ABBytes":null}}]`), "1 0"},
	{"counter bad, then good", flowMessage(`[{"UUID":"u","Metric":{"ABBytes":true,"ABBytes":3}}]`), "1 0"},
	{"floats that are whole", flowMessage(`[{"UUID":"u","Metric":{"ABBytes":1e3,"ABPackets":12.0,"BABytes":12500e-2,"BAPackets":0.05E+2,"Start":-0,"Last":0e999999999999,"RTT":-0.0}}]`), "1 0"},
	{"a float", flowMessage(`[{"UUID":"u","Metric":{"ABBytes":1.5}}]`), "0 1"},
	{"a small float", flowMessage(`[{"UUID":"u","Metric":{"ABBytes":1e-999999999999}}]`), "0 1"},
	{"largest", flowMessage(`[{"UUID":"u","Metric":{"ABBytes":9223372036854775807,"Start":-9223372036854775808,"BABytes":9.223372036854775807e18}}]`), "1 0"},
	{"too large", flowMessage(`[{"UUID":"u","Metric":{"ABBytes":9223372036854775808}}]`), "0 1"},
	{"too small", flowMessage(`[{"UUID":"u","Metric":{"Start":-9223372036854775809}}]`), "0 1"},
	{"much too large", flowMessage(`[{"UUID":"u","Metric":{"ABBytes":1` + strings.Repeat("0", 400) + `}}]`), "0 1"},
	{"huge exponent", flowMessage(`[{"UUID":"u","Metric":{"ABBytes":1e99999999999999999999}}]`), "0 1"},
	{"several zeros", flowMessage(`[{"UUID":"u","Metric":{"ABBytes":000}},{"UUID":"u"}]`), "0 0!"},
	{"many zeros", flowMessage(`[{"UUID":"u","Metric":{"ABBytes":7` + strings.Repeat("0", 300) + `e-300}}]`), "1 0"},
	{"transport", flowMessage(`[{"UUID":"u","Metric":{},"Transport":{"Protocol":"TCP","A":1,"B":65535,"ID":0},"Network":{"Protocol":"IPV4","A":"::1","B":"10.0.0.1"}}]`), "1 0"},
	{"transport empty", flowMessage(`[{"UUID":"u","Metric":{},"Transport":{},"Network":{}}]`), "1 0"},
	{"transport null", flowMessage(`[{"UUID":"u","Metric":{},"Transport":{"A":5},"Transport":null,"Network":{"A":"x"},"Network":null}]`), "1 0"},
	{"transport twice", flowMessage(`[{"UUID":"u","Metric":{},"Transport":{"A":"x"},"Transport":{"B":5},"Network":{"A":1},"Network":{"B":"x"}}]`), "1 0"},
	{"port is a string", flowMessage(`[{"UUID":"u","Metric":{},"Transport":{"A":"80"}}]`), "0 1"},
	{"protocol is a number", flowMessage(`[{"UUID":"u","Metric":{},"Transport":{"Protocol":6,"ID":1,"x":2}}]`), "0 1"},
	{"counter is a list", flowMessage(`[{"UUID":"u","Metric":{"ABPackets":[],"x":2}}]`), "0 1"},
	{"transport is a number", flowMessage(`[{"UUID":"u","Metric":{},"Transport":6}]`), "0 1"},
	{"address is a number", flowMessage(`[{"UUID":"u","Metric":{},"Network":{"A":6}}]`), "0 1"},
	{"network is a list", flowMessage(`[{"UUID":"u","Metric":{},"Network":["a"]}]`), "0 1"},
	{"tunnel", flowMessage(`[{"UUID":"u","Metric":{},"LayersPath":"Ethernet/IPv4/UDP/VXLAN","Application":"VXLAN"},{"UUID":"v","Metric":{},"LayersPath":"GRE","ParentUUID":"u"}]`), "2 0"},
	{"no tunnel any more", flowMessage(`[{"UUID":"u","Metric":{},"LayersPath":"Ethernet/MPLS","LayersPath":"Ethernet/MPLS/x","ParentUUID":"a","ParentUUID":null}]`), "1 0"},
	{"encapsulations", flowMessage(`[{"UUID":"u","Metric":{},"LayersPath":"Ethernet/IPv4/UDP/Geneve"},{"UUID":"u","Metric":{},"LayersPath":"Ethernet/IPv4/GRE"},{"UUID":"u","Metric":{},"LayersPath":"Ethernet/MPLS"}]`), "3 0"},
	{"no encapsulations", flowMessage(`[{"UUID":"u","Metric":{},"LayersPath":""},{"UUID":"u","Metric":{},"LayersPath":"Ethernet/IPv4/GRE/MPLS/IPv4"},{"UUID":"u","Metric":{},"LayersPath":"Ethernet/VXLAN/"},{"UUID":"u","Metric":{},"LayersPath":"Ethernet/NVGRE"}]`), "4 0"},
	{"VLAN and VNI", flowMessage(`[
		{"UUID":"a","Metric":{},"Link":{"Protocol":"ETHERNET","A":"02:00","B":"02:01","ID":10},"Network":{"Protocol":"IPV4","A":"10.0.0.1","B":"10.0.0.2","ID":5}},
		{"UUID":"b","Metric":{},"Network":{"Protocol":"IPV4","A":"10.0.0.1","B":"10.0.0.2"}},
		{"UUID":"c","Metric":{},"Link":{"Protocol":"ETHERNET","ID":4094}},
		{"UUID":"d","Metric":{},"Link":{"Protocol":"ETHERNET","ID":-1},"Network":null}]`), "4 0"},
	{"opened by A", flowMessage(`[{"UUID":"u","Metric":{},"TCPMetric":{"ABSynStart":5,"x":[1],"BASynStart":6}}]`), "1 0"},
	{"opened by A at once", flowMessage(`[{"UUID":"u","Metric":{},"TCPMetric":{"ABSynStart":5,"BASynStart":5},"Start":5}]`), "1 0"},
	{"opened by one of them", flowMessage(`[{"UUID":"u","Metric":{},"TCPMetric":{"ABSynStart":5,"BASynStart":5},"Start":4}]`), "1 0"},
	{"opened by B", flowMessage(`[{"UUID":"u","Metric":{},"TCPMetric":{"ABSynStart":7,"BASynStart":6}}]`), "1 0"},
	{"no one answers", flowMessage(`[{"UUID":"u","Metric":{},"TCPMetric":{"ABSynStart":7,"BASynStart":0}}]`), "1 0"},
	{"a SYN before all time", flowMessage(`[{"UUID":"u","Metric":{},"TCPMetric":{"ABSynStart":5,"BASynStart":-1}},{"UUID":"u","Metric":{},"TCPMetric":{"BASynStart":5}}]`), "2 0"},
	{"SYN times bad, then good", flowMessage(`[{"UUID":"u","Metric":{},"TCPMetric":[],"TCPMetric":{"ABSynStart":"x","BASynStart":8,"ABSynStart":7}}]`), "1 0"},
	{"SYN times good, then bad", flowMessage(`[{"UUID":"u","Metric":{},"TCPMetric":{"ABSynStart":7,"BASynStart":8,"BASynStart":1.5}},{"UUID":"u","Metric":{},"TCPMetric":{"ABSynStart":7,"BASynStart":8},"TCPMetric":null}]`), "2 0"},
	{"names of another type", flowMessage(`[{"UUID":"u","Metric":{},"Application":5,"ParentUUID":{},"LayersPath":["GRE"],"TCPMetric":"x"}]`), "1 0"},
	{"broken in TCPMetric", flowMessage(`[` + soundFlow + `,{"UUID":"u","Metric":{},"TCPMetric":{"ABSynStart":01}}]`), "1 0!"},
	{"unknown fields", flowMessage(`[{"UUID":"u","Metric":{"x":{"y":[{},[],[{}],"]}",1.5e-3,true,false,null]}},"z":-1.25}]`), "1 0"},
	{"deepest", flowMessage(`[{"UUID":"u","Metric":{},"x":` + strings.Repeat("[", 9997) + strings.Repeat("]", 9997) + `}]`), "1 0"},
	{"too deep", flowMessage(`[` + soundFlow + `,{"UUID":"u","Metric":{},"x":` + strings.Repeat("[", 9998) + strings.Repeat("]", 9998) + `}]`), "1 0!"},
	{"much too deep", flowMessage(`[` + soundFlow + `,` + strings.Repeat(`{"a":[`, 100000)), "1 0!"},
	{"closes the wrong thing", flowMessage(`[` + soundFlow + `,{"x":[1}]`), "1 0!"},
	{"stats", `{"Obj":{"CaptureID":"c","FlowCount":1,"FlowDropped":2,"KernelFlowDropped":3,"PacketsDropped":4,"PacketsReceived":5,"x":6},"Namespace":"stats","Type":"stats"}`, "0 0"},
	{"stats with a list", `{"Namespace":"stats","Type":"stats","Obj":[]}`, "0 0!"},
	{"stats without Obj", `{"Namespace":"stats","Type":"stats"}`, "0 0!"},
	{"stats null", `{"Namespace":"stats","Type":"stats","Obj":null}`, "0 0!"},
	{"stats without capture", `{"Namespace":"stats","Type":"stats","Obj":{"FlowCount":1}}`, "0 0!"},
	{"stats negative", `{"Namespace":"stats","Type":"stats","Obj":{"CaptureID":"c","FlowCount":-1}}`, "0 0!"},
	{"stats of wrong type", `{"Namespace":"stats","Type":"stats","Obj":{"CaptureID":"c","FlowCount":"1"}}`, "0 0!"},
	{"stats of the longest capture", `{"Namespace":"stats","Type":"stats","Obj":{"CaptureID":"\u00e9` + strings.Repeat("c", 254) + `"}}`, "0 0"},
	{"stats of a longer capture", `{"Namespace":"stats","Type":"stats","Obj":{"CaptureID":"\u00e9` + strings.Repeat("c", 255) + `"}}`, "0 0!"},
	{"stats, then broken", `{"Namespace":"stats","Type":"stats","Obj":{"CaptureID":"c","FlowCount":1},}`, "0 0!"},
}

// TestOddInput proves that what is odd means to the decoder what it means to the
// reference, whatever the message before it had, and how many flows that leaves.
func TestOddInput(t *testing.T) {
	var m Message
	for _, c := range odd {
		t.Run(c.name, func(t *testing.T) {
			r := compare(t, &m, []byte(c.msg))
			got := strings.TrimSpace(strings.Join([]string{itoa(len(r.flows)), itoa(r.malformed)}, " "))
			if r.failed {
				got += "!"
			}
			if got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func itoa(n int) string { return string(rune('0' + n)) }

// One message of very many tiny flows costs no more memory than the bound: what
// is beyond it is counted as malformed, and its syntax still checked.
func TestFlowsOfAMessageAreBounded(t *testing.T) {
	many := soundFlow + strings.Repeat(`,`+soundFlow, maxFlows-1)
	const tiny = `,{"UUID":"u","Metric":{}}`
	for _, c := range []struct {
		name, msg        string
		flows, malformed int
		failed           bool
	}{
		{"as many as allowed", flowMessage(`[` + many + `]`), maxFlows, 0, false},
		{"some more", flowMessage(`[` + many + strings.Repeat(tiny, 904) + `]`), maxFlows, 904, false},
		{"unsound ones take no room", flowMessage(`[{},` + many + `,{},1]`), maxFlows, 3, false},
		{"Obj first", `{"Obj":[` + many + tiny + `],"Type":"store","Namespace":"flow"}`, maxFlows, 1, false},
		{"broken beyond the bound", flowMessage(`[` + many + tiny + `,{"UUID":}` + tiny + `]`), maxFlows, 1, true},
		{"very many more", flowMessage(`[` + many + strings.Repeat(tiny, 50000) + `]`), maxFlows, 50000, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			var m Message
			got := compare(t, &m, []byte(c.msg))
			if len(got.flows) != c.flows || got.malformed != c.malformed || got.failed != c.failed {
				t.Errorf("%d flows, %d malformed, failed %v", len(got.flows), got.malformed, got.failed)
			}
			if cap(m.Flows) > 2*maxFlows {
				t.Errorf("room for %d flows", cap(m.Flows))
			}
			if c.name == "some more" && !strings.Contains(m.FirstError.Error(), "more than 4096 flows in one message") {
				t.Errorf("the error is %v", m.FirstError)
			}
		})
	}
}

// A steady feed costs no allocation, whatever is in the messages of a real one.
func TestDecodeDoesNotAllocate(t *testing.T) {
	var messages [][]byte
	for _, name := range recordings {
		messages = append(messages, recorded(t, name)...)
	}
	var m Message
	allocs := testing.AllocsPerRun(20, func() {
		for _, msg := range messages {
			if err := Decode(msg, &m); err != nil {
				t.Fatal(err)
			}
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations for %d messages", allocs, len(messages))
	}
}

// FuzzDecode compares the decoder with the reference on any input.
func FuzzDecode(f *testing.F) {
	for _, c := range odd {
		if len(c.msg) < 2000 { // the deep ones make the fuzzer slow
			f.Add([]byte(c.msg))
		}
	}
	for _, name := range []string{"stats", "capture-namespace", "capture-deleted"} {
		f.Add(recorded(f, name)[0])
	}
	f.Fuzz(func(t *testing.T, msg []byte) {
		var m Message
		compare(t, &m, msg)
		// Once more with the memory of the first time.
		compare(t, &m, msg)
	})
}
