// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"context"
	"encoding/json"
	"net"
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"github.com/skydive-project/skybridge/internal/analyzer"
	"github.com/skydive-project/skybridge/internal/prom"
	"github.com/skydive-project/skybridge/internal/script"
)

// TestExactnessOfRecordings plays what a real analyzer sent.
func TestExactnessOfRecordings(t *testing.T) {
	files, err := filepath.Glob("skydive/testdata/*.jsonl")
	if err != nil || len(files) == 0 {
		t.Fatalf("no recordings: %v", err)
	}
	for _, file := range files {
		messages := recording(t, file)
		if len(messages) == 0 {
			continue // statistics only
		}
		t.Run(filepath.Base(file), func(t *testing.T) {
			r := startedRig(t, 1)
			for i, m := range messages {
				r.Send(m)
				if i == len(messages)/2 {
					r.awaitReceived()
					r.awaitTicks(1)
				}
			}
			r.awaitReceived()
			r.halt()
			if len(r.Reference.Totals()) == 0 {
				if n := len(r.raw()); n != 0 {
					t.Errorf("%d series of a recording without connections", n)
				}
				return
			}
			r.judgeExact()
		})
	}
}

// recording reads the flow messages of a recording.
func recording(t *testing.T, file string) (messages []script.Message) {
	texts, err := analyzer.Recording(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range texts {
		var message struct {
			Type string
			Obj  json.RawMessage
		}
		if err := json.Unmarshal(text, &message); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if message.Type != "store" {
			continue
		}
		var flows []analyzer.Flow
		if err := json.Unmarshal(message.Obj, &flows); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		messages = append(messages, script.Message{Flows: flows})
	}
	return messages
}

// records is a name server at which every name has the SRV records of all analyzers.
type records []*analyzer.Analyzer

func (r records) LookupSRV(context.Context, string, string, string) (string, []*net.SRV, error) {
	var found []*net.SRV
	for _, a := range r {
		at := netip.MustParseAddrPort(a.Addr())
		found = append(found, &net.SRV{Target: at.Addr().String(), Port: at.Port()})
	}
	return "", found, nil
}

func (records) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	ip, err := netip.ParseAddr(host)
	return []netip.Addr{ip}, err
}

// TestExactnessBehindOneName proves that what three analyzers behind one name report is
// counted once, to the byte.
func TestExactnessBehindOneName(t *testing.T) {
	r := newRig(t, 3, prom.Options{})
	r.names = records(r.Analyzers)
	r.configure("", "")
	r.start()
	feed := script.Write(script.Options{Seed: 15, Connections: 100, Steps: 10, Analyzers: 3, Now: time.Now().UnixMilli()})
	r.send(feed.Hello...)
	r.awaitReceived()
	for _, step := range feed.Steps {
		r.send(step...)
	}
	r.awaitReceived()
	r.awaitTicks(2)
	r.halt()
	r.judgeExact()
}
