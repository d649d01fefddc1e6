// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"testing"
	"time"

	"github.com/skydive-project/skybridge/internal/judge"
	"github.com/skydive-project/skybridge/internal/prom"
)

// checkDisk holds the log's size against its bound.
func (r *outageRun) checkDisk() {
	if r.memory {
		return
	}
	var bytes int64
	err := filepath.WalkDir(filepath.Join(r.options.StoragePath, logDir), func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err == nil {
			bytes += info.Size()
		}
		return err
	})
	if err != nil {
		r.t.Fatal(err)
	}
	r.disk = max(r.disk, bytes)
	// Beside it, an endpoint may hold a segment, a sixteenth, that was deleted while
	// it sends from it.
	if bound := r.maxBytes + r.maxBytes/8; r.maxBytes > 0 && bytes > bound {
		r.t.Fatalf("%d bytes on disk, storage.max_bytes is %d", bytes, r.maxBytes)
	}
}

// judge holds what a receiver has of the connections that began after the given
// time against what they reported, series by series.
func (r *outageRun) judge(t *testing.T, server *prom.Server, after time.Time) {
	t.Helper()
	if refused := server.Refused(); len(refused) > 0 {
		t.Errorf("%d requests were refused: %q", len(refused), refused[:min(3, len(refused))])
	}
	judged := 0
	for i := range crowdNodes {
		node := fmt.Sprintf("n%d", i)
		want := r.crowd.want(node, after)
		series, err := server.RawSeries(t.Context(), fmt.Sprintf(`{__name__=~"skydive_network_connection_total_(bytes|packets)",node_tid=%q}`, node), r.began.Add(-time.Hour), r.began.Add(24*time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		if after.IsZero() {
			checkLives(t, series, !r.memory)
		}
		got := judge.Sums(series) // which takes the markers out
		if !after.IsZero() {      // of the others only a part arrives
			for s := range got {
				if _, ok := want[s]; !ok {
					delete(got, s)
				}
			}
		}
		if diff := judge.Diff(want, got); diff != "" {
			t.Errorf("node %s differs from what was reported:\n%s", node, diff)
			return // the other nodes say the same
		}
		judged += len(want)
	}
	if judged == 0 {
		t.Error("nothing was judged")
	}
}

// checkLives proves that every life of every series begins with 0 and ends with one
// stale marker, but those that continue: where something outlives the process, its last
// tick has them all.
func checkLives(t *testing.T, series []prom.Series, continues bool) {
	t.Helper()
	wrong, newest := 0, int64(0)
	for _, s := range series {
		newest = max(newest, s.Samples[len(s.Samples)-1].At)
	}
	for _, s := range series {
		for i, life := range prom.Incarnations(s.Samples) {
			if life.FromZero() && life.Ended() && life.Markers == 1 {
				continue
			}
			if continues && life.FromZero() && !life.Ended() && life.Samples[len(life.Samples)-1].At == newest {
				continue
			}
			if wrong++; wrong <= 3 {
				n := len(life.Samples)
				t.Errorf("%v: life %d begins with %v and has %d markers at its end, after %v", s.Labels, i, life.Samples[0], life.Markers, life.Samples[n-1])
			}
		}
	}
	if wrong > 3 {
		t.Errorf("%d lives do not begin with 0 or do not end with one marker", wrong)
	}
}
