// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package topology

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/skydive-project/skybridge/input"
	"github.com/skydive-project/skybridge/internal/await"
)

// TestChanges proves that a refresh has what has changed and nothing else: first what is, also
// where it only is wanted, then what is gone.
func TestChanges(t *testing.T) {
	was := map[string]int{"same": 1, "wanted": 2, "changed": 3, "gone": 4}
	now := map[string]int{"same": 1, "wanted": 2, "changed": 5}
	sink := &rowSink{}
	changes(false, was, now, []string{"wanted", "unknown"}, rowOf, sink.take)
	changes(false, now, now, nil, rowOf, sink.take)
	changes(true, nil, map[string]int{"all": 1}, nil, rowOf, sink.take)
	changes(true, nil, nil, nil, rowOf, sink.take)
	want := []string{"end [changed 5 wanted 2 gone]", "end []", "whole end [all 1]", "whole end []"}
	if diff := cmp.Diff(want, sink.calls); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestPartsOfARefresh proves that many rows come in parts, of which the first begins and the
// last ends the refresh.
func TestPartsOfARefresh(t *testing.T) {
	now := map[string]int{}
	for i := range 600 {
		now[fmt.Sprint(i)] = i
	}
	sink := &rowSink{count: true}
	changes(true, nil, now, nil, rowOf, sink.take)
	changes(false, now, nil, nil, rowOf, sink.take)
	want := []string{"whole 256", "256", "end 88", "256", "256", "end 88"}
	if diff := cmp.Diff(want, sink.calls); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func rowOf(key string, value int, gone bool) string {
	if gone {
		return "gone"
	}
	return fmt.Sprintf("%s %d", key, value)
}

// rowSink describes the calls that it gets: all rows, or how many.
type rowSink struct {
	count bool
	calls []string
}

func (s *rowSink) take(rows []string, how input.Refresh) {
	call := fmt.Sprint(rows)
	if s.count {
		call = fmt.Sprint(len(rows))
	}
	if how.End {
		call = "end " + call
	}
	if how.Whole {
		call = "whole " + call
	}
	s.calls = append(s.calls, call)
}

// TestDisabledFromTheStart proves that what a former process stated is gone.
func TestDisabledFromTheStart(t *testing.T) {
	r := newRig(t, Config{}, func(t *Topology) { t.cfg.Enabled = false })
	await.Until(t, "an empty refresh", func() bool {
		_, rounds := r.sink.list()
		return rounds == 1
	})
	r.sink.mu.Lock()
	defer r.sink.mu.Unlock()
	if len(r.sink.nodes)+len(r.sink.addresses)+len(r.sink.captures)+len(r.sink.rows) > 0 || r.sink.nodes == nil {
		t.Error("something is stated")
	}
}
