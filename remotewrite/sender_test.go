// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/config"

	"github.com/skydive-project/skybridge/internal/receiver"
	"github.com/skydive-project/skybridge/remotewrite/queue"
)

// TestPrepareErrors proves that a config error changes nothing, that all of them
// are named at once, and that no secret is among the words.
func TestPrepareErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, queue.Config{})
		rec := r.receiver("a", receiver.Config{})
		r.apply(EndpointConfig{Name: "a", URL: "http://a/"})
		_, err := r.sender.Prepare([]EndpointConfig{
			{Name: "b", URL: "http://b/"},
			{Name: "b", URL: "http://c/"},
			{Name: "scheme", URL: "ftp://user:secret@host/"},
			{Name: "host", URL: "http://"},
			{Name: "socket", URL: "unix:///run/x.sock:/api/v1/write"}, // is valid
			{Name: "bad", URL: "http://user:secret@h\x7f/"},
			{Name: "shards", URL: "http://d/", MinShards: 5, MaxShards: 2},
			{Name: "backoff", URL: "http://d/", MinBackoff: time.Second, MaxBackoff: time.Millisecond},
			{Name: "auth", URL: "http://d/", HTTPClient: config.HTTPClientConfig{BasicAuth: &config.BasicAuth{}, BearerToken: "secret"}},
			{Name: "file", URL: "https://d/", HTTPClient: config.HTTPClientConfig{TLSConfig: config.TLSConfig{CAFile: "testdata/absent.pem"}}},
		})
		if err == nil {
			t.Fatal("no error")
		}
		for _, want := range []string{"(b): another", "(scheme): url must begin", "(host): url has no host", "(bad): url cannot be parsed", "(shards): min_shards", "(backoff): min_backoff", "(auth): at most one of", "(file): HTTP client"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("error does not say %q: %v", want, err)
			}
		}
		if strings.Contains(err.Error(), "(socket)") {
			t.Errorf("a Unix socket is refused: %v", err)
		}
		if strings.Contains(err.Error(), "secret") {
			t.Errorf("error tells a secret: %v", err)
		}
		if got := r.sender.Status(); len(got) != 1 || got[0].Name != "a" {
			t.Errorf("status %+v", got)
		}
		r.value(1000, 1, true, 1)
		r.flush()
		if rec.Stored() != 2 {
			t.Error("the endpoint does not run any more")
		}
	})
}

// TestApplyDiff proves what becomes of an endpoint's place in the log: it stays
// with its identity through any change, ends with it, and begins at the end.
func TestApplyDiff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, queue.Config{})
		wrong := func(_ int, req *http.Request) receiver.Fault {
			if user, password, _ := req.BasicAuth(); user != "u" || password != "right" {
				return receiver.Fault{Status: 503, Header: http.Header{"Retry-After": {"300"}}}
			}
			return receiver.Fault{}
		}
		auth := func(password config.Secret) config.HTTPClientConfig {
			return config.HTTPClientConfig{BasicAuth: &config.BasicAuth{Username: "u", Password: password}}
		}
		a, b, c := r.receiver("a", receiver.Config{Fail: wrong}), r.receiver("b", receiver.Config{}), r.receiver("c", receiver.Config{})
		r.apply(EndpointConfig{URL: "http://a/", HTTPClient: auth("wrong")}, EndpointConfig{Name: "b", URL: "http://absent/"}, EndpointConfig{Name: "gone", URL: "http://absent/"})
		r.value(15000, 1, true, 1)
		synctest.Wait()

		// New credentials, a new URL under the same name, one removed, one added.
		began := time.Now()
		r.apply(EndpointConfig{Name: "c", URL: "http://c/"}, EndpointConfig{URL: "http://a/", HTTPClient: auth("right")}, EndpointConfig{Name: "b", URL: "http://b/"})
		r.value(30000, 1, false, 2)
		r.flush()
		if took := time.Since(began); took != 0 {
			t.Errorf("new settings waited %v for the pauses of the old", took)
		}
		all := map[string][]receiver.Sample{keyA: {sample(1, 0), sample(15000, 1), sample(30000, 2)}}
		late := map[string][]receiver.Sample{keyA: {sample(30000, 2)}}
		for name, c := range map[string]struct {
			rec  *receiver.Receiver
			want map[string][]receiver.Sample
		}{"a": {a, all}, "b": {b, all}, "c": {c, late}} {
			if diff := cmp.Diff(c.want, c.rec.Series()); diff != "" {
				t.Errorf("%s: %s", name, diff)
			}
		}
		for _, gone := range [][]string{{"remote_name", "gone"}, {"remote_name", "b", "url", "http://absent/"}} {
			if got := r.metric(prefix+"sent_batch_duration_seconds", gone...); got != 0 {
				t.Errorf("metrics of %q are still there", gone)
			}
		}
		var order []string
		for _, s := range r.sender.Status() {
			order = append(order, s.Name+" "+s.URL)
		}
		if diff := cmp.Diff([]string{"c http://c/", order[1], "b http://b/"}, order); diff != "" || !strings.HasSuffix(order[1], " http://a/") {
			t.Errorf("%q", order)
		}
		if got := r.count("receiver accepts samples again"); got != 2 {
			t.Errorf("recovery is logged %d times", got)
		}

		// No one left: nothing is kept.
		r.apply()
		r.value(45000, 1, false, 3)
		if ticks := r.log.Usage().Ticks; ticks != 0 {
			t.Errorf("%d ticks kept for no one", ticks)
		}
	})
}

// TestApplyUnchanged proves that an endpoint whose config stays keeps its
// connection.
func TestApplyUnchanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, queue.Config{})
		r.receiver("a", receiver.Config{})
		cfg := func() EndpointConfig {
			return EndpointConfig{URL: "http://a/", Headers: map[string]string{"X": "y"}, HTTPClient: config.HTTPClientConfig{Authorization: &config.Authorization{Credentials: "x"}}}
		}
		r.apply(cfg())
		before := r.sender.live.all()[0].settings.Load()
		r.apply(cfg())
		if r.sender.live.all()[0].settings.Load() != before {
			t.Error("settings were replaced")
		}
	})
}

// TestMetricNames proves the names and labels that Prometheus' alerts and
// dashboards use.
func TestMetricNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, queue.Config{})
		r.receiver("a", receiver.Config{})
		r.apply(EndpointConfig{Name: "a", URL: "http://user:secret@a/?token=secret", MinShards: 2, MaxShards: 3, MaxSamplesPerSend: 9999})
		r.value(1_700_000_000_500, 1, true, 1)
		r.flush()
		for name, want := range map[string]float64{
			"samples_in_total": 2, "highest_timestamp_in_seconds": 1_700_000_000,
			"samples_total": 2, "samples_failed_total": 0, "samples_retried_total": 0, "samples_dropped_total": 0, "enqueue_retries_total": 0,
			"samples_pending": 0, "sent_batch_duration_seconds": 2,
			"queue_highest_timestamp_seconds": 1_700_000_000, "queue_highest_sent_timestamp_seconds": 1_700_000_000,
			"shards": 1, "shards_min": 2, "shards_max": 3, "shards_desired": 1, "shard_capacity": 2000, "max_samples_per_send": 2000,
		} {
			r.wantMetric(want, prefix+name)
		}
		if got := r.metric(prefix + "bytes_total"); got == 0 {
			t.Error("no bytes are counted")
		}
		families, err := r.reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			for _, m := range f.GetMetric() {
				labels := map[string]string{}
				for _, l := range m.GetLabel() {
					labels[l.GetName()] = l.GetValue()
				}
				if len(labels) > 0 && (labels["remote_name"] != "a" || labels["url"] != "http://a/?<hidden>") {
					t.Errorf("%s has labels %v", f.GetName(), labels)
				}
			}
		}
	})
}
