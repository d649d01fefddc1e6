// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/skydive-project/skybridge/internal/await"
	"github.com/skydive-project/skybridge/internal/judge"
	"github.com/skydive-project/skybridge/internal/loopback"
	"github.com/skydive-project/skybridge/internal/prom"
	"github.com/skydive-project/skybridge/internal/script"
)

// reloadNow asks for a reload as SIGHUP does and waits until it is done.
func (r *rig) reloadNow() {
	r.t.Helper()
	select {
	case r.reload <- syscall.SIGHUP:
	case <-r.ctx.Done():
		r.t.Fatal("no one takes the reload")
	}
	// The bridge takes the next one when this one is done.
	select {
	case r.reload <- syscall.SIGHUP:
	case <-r.ctx.Done():
		r.t.Fatal("the reload does not end")
	}
	if r.metric("skybridge_config_last_reload_successful") != 1 {
		r.t.Fatalf("the reload failed\n%s", r.logs)
	}
}

// TestReloadKeepsCounters changes what does not concern series, and what only a restart
// can change: nothing ends, and no analyzer sees a new connection.
func TestReloadKeepsCounters(t *testing.T) {
	r := newRig(t, 1, prom.Options{})
	r.address = ""
	r.configure("", "web: {listen_address: '127.0.0.1:0'}\n")
	r.start()
	r.awaitTicks(2) // counters begin from here on
	r.play(30)
	r.configure("", "web: {listen_address: '127.0.0.1:1'}\naggregation: {connection_timeout: 90s, max_series: 5000}\n")
	r.reloadNow()
	r.reloadNow() // two reloads each, the last of which may still run
	if n := strings.Count(r.logs.String(), "web.listen_address changes with a restart only"); n < 3 {
		t.Errorf("%d warnings, want one for each reload", n)
	}
	if n := r.Analyzers[0].Accepted(); n != 1 {
		t.Errorf("%d connections to the analyzer, want the first one kept", n)
	}
	for _, s := range r.raw() {
		if n := len(prom.Incarnations(s.Samples)); n != 1 {
			t.Errorf("%v has %d incarnations after the reload, want 1", s.Labels, n)
		}
	}
	if version := r.metric("skybridge_remote_write_version"); version != 2 {
		t.Errorf("version %v is spoken, want 2 with a Prometheus of today", version)
	}
	if limit := r.metric("skybridge_series_limit"); limit != 5000 {
		t.Errorf("series limit %v, want 5000", limit)
	}
	r.halt()
	r.judgeExact()
}

// TestReloadWhileTrafficFlows changes the series' names while records arrive: each of
// them counts once, under one name or the other. The series of the former names end at
// the reload, those of the last ones at the stop, which pushes what no tick has sampled.
func TestReloadWhileTrafficFlows(t *testing.T) {
	r := startedRig(t, 1)
	feed := script.Write(script.Options{Seed: uint64(time.Now().UnixNano()), Connections: 300, Steps: 20, Analyzers: 1, Now: time.Now().UnixMilli()})
	r.send(feed.Hello...)
	r.awaitReceived()
	allEnded := func(but string) {
		t.Helper()
		for _, s := range r.raw() {
			if generation := s.Labels.Get("generation"); (but == "" || generation != but) && !ended(s) {
				t.Errorf("%v did not end", s.Labels)
			}
		}
	}
	for i, messages := range feed.Steps {
		r.send(messages...)
		if i%5 == 0 {
			names := fmt.Sprint("g", i)
			r.configure(", external_labels: {generation: "+names+"}", "")
			r.reloadNow()
			r.awaitTicks(1) // and so has the receiver what came before
			allEnded(names)
		}
	}
	r.awaitReceived()
	r.halt()
	allEnded("")
	// The judge adds up a connection's series whatever their generation.
	if diff := judge.Diff(r.Reference.Totals(), judge.Sums(r.raw())); diff != "" {
		t.Errorf("differs from what was reported:\n%s", diff)
	}
	r.judgeWrites()
}

// TestReloadOfAnEndpointsNames changes what one of two receivers calls its
// series, by labels of its own and by relabelling. Its old series end and the new
// ones begin at 0, and neither receiver loses or doubles a byte.
func TestReloadOfAnEndpointsNames(t *testing.T) {
	r := newRig(t, 1, prom.Options{})
	second := startProm(t, prom.Options{KeepLive: time.Second})
	configure := func(more string) {
		r.configure("", fmt.Sprintf("remote_write:\n- url: %s\n- url: %s\n  %s\n", r.prom.WriteURL(), second.WriteURL(), more))
	}
	for i, more := range []string{
		"protobuf_message: prometheus.WriteRequest", "external_labels: {site: b}",
		"write_relabel_configs: [{target_label: site, replacement: c}, {source_labels: [initiator_ip], target_label: from}]",
	} {
		configure(more)
		if i == 0 {
			r.start()
		} else {
			r.reloadNow()
		}
		r.play(30)
	}
	r.halt()
	r.judgeExact()
	if refused := second.Refused(); len(refused) > 0 {
		t.Errorf("%d requests were refused: %q", len(refused), refused)
	}
	series := r.stored(second, judge.Selector)
	sites := map[string]int{}
	for _, s := range series {
		if !ended(s) {
			t.Errorf("%v did not end", s.Labels)
		}
		sites[s.Labels.Get("site")]++
	}
	if len(sites) != 3 || sites[""] == 0 || sites["b"] == 0 || sites["c"] == 0 {
		t.Errorf("series by site: %v", sites)
	}
	// judge.Sums adds up series that differ in labels of the receiver's own only.
	if diff := judge.Diff(r.Reference.Totals(), judge.Sums(series)); diff != "" {
		t.Errorf("the renamed series differ from what was reported:\n%s", diff)
	}
}

func TestReloadOfABadFileChangesNothing(t *testing.T) {
	r := startedRig(t, 1)
	if err := os.WriteFile(r.config, []byte("skydive: {analyzers: [ws://127.0.0.1:1], colour: red}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	resp, err := http.Post(r.url+"/-/reload", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	if resp.StatusCode != http.StatusInternalServerError || !strings.Contains(string(body), ":1: ") || !strings.Contains(string(body), "colour") {
		t.Errorf("%s: %s: want a 500 that names the key and its line", resp.Status, body)
	}
	if r.metric("skybridge_config_last_reload_successful") != 0 {
		t.Error("the metric says that the reload succeeded")
	}
	r.play(20)
	r.halt()
	r.judgeExact()
}

// TestReloadMovesAnalyzersAndEndpoints adds a second receiver and takes the
// first away.
func TestReloadMovesAnalyzersAndEndpoints(t *testing.T) {
	r := newRig(t, 2, prom.Options{})
	second := startProm(t, prom.Options{KeepLive: time.Second})
	all := r.Analyzers
	r.Analyzers = all[:1]
	r.configure("", "")
	r.start()
	r.play(20)
	r.Analyzers = all
	r.configure("", fmt.Sprintf("remote_write: [{url: %s}]\n", second.WriteURL()))
	r.reloadNow()
	r.awaitSubscribers(1)
	before := r.raw()
	r.play(20)
	if diff := cmp.Diff(before, r.raw(), cmp.Comparer(labels.Equal)); diff != "" {
		t.Errorf("the receiver that was removed got more:\n%s", diff)
	}
	if len(r.stored(second, judge.Selector)) == 0 {
		t.Error("the receiver that was added has no series")
	}
}

// TestDeadReceiverCostsTheOthersNothing has one receiver that refuses
// connections beside a live one.
func TestDeadReceiverCostsTheOthersNothing(t *testing.T) {
	r := newRig(t, 1, prom.Options{})
	r.configure("", fmt.Sprintf("remote_write: [{name: dead, url: 'http://%s/'}, {url: %s}]\n", loopback.Address(), r.prom.WriteURL()))
	r.start()
	r.send(recording(t, "skydive/testdata/session-mixed.jsonl")...)
	r.awaitReceived()
	r.await(func() (bool, string) {
		diff := judge.Diff(r.Reference.Totals(), judge.Sums(r.raw()))
		return diff == "", diff
	})
	if ready, _, err := await.Page(r.ctx, r.url+"/-/ready", ""); err != nil {
		t.Errorf("not ready because of a dead receiver: %s %v", ready, err)
	}
}

func TestReadyMeansSubscribed(t *testing.T) {
	r := startedRig(t, 1)
	r.await(func() (bool, string) {
		_, _, err := await.Page(r.ctx, r.url+"/-/ready", "")
		return err == nil, fmt.Sprint(err)
	})
	landing := func(want ...string) {
		t.Helper()
		r.await(func() (bool, string) {
			page, _, err := await.Page(r.ctx, r.url+"/", "")
			for _, w := range want {
				if !strings.Contains(page, w) {
					return false, fmt.Sprintf("no %q on the page (%v):\n%s", w, err, page)
				}
			}
			return true, ""
		})
	}
	landing(r.Analyzers[0].URL(), "subscribed", r.prom.WriteURL(), "not contacted yet")
	r.Analyzers[0].Stop()
	r.await(func() (bool, string) {
		_, _, err := await.Page(r.ctx, r.url+"/-/ready", "")
		return err != nil && strings.Contains(err.Error(), "not subscribed"), fmt.Sprint(err)
	})
	landing("not subscribed", `<p class="error">`)
	if _, _, err := await.Page(r.ctx, r.url+"/-/healthy", ""); err != nil {
		t.Errorf("not healthy because the analyzer is down: %v", err)
	}
}

// TestOldConfigurationFile starts from prom_sky_con.yml as users have it: the
// page on the configured port serves what the old queries ask for.
func TestOldConfigurationFile(t *testing.T) {
	r := newRig(t, 1, prom.Options{})
	text := fmt.Sprintf(`host_id: ""
analyzers:
  - %s
analyzer:
  auth:
    cluster:
      username:
      password:
pipeline:
  subscriber:
    url: %s
    capture_id:
  classify:
    # cluster_net_masks:
      # - 10.0.0.0/8
  transform:
    type: none
  store:
    type: prom_sky_con
    prom_sky_con:
      port: 9100
      connection_timeout: 60
remote_write:
  - url: %s
`, r.Analyzers[0].Addr(), r.Analyzers[0].URL(), r.prom.WriteURL())
	if err := os.WriteFile(r.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	r.start()
	r.send(recording(t, "skydive/testdata/session-mixed.jsonl")...)
	r.awaitReceived()
	r.halt() // the old file's push interval is the default of 15 s
	r.judgeExact()
}
