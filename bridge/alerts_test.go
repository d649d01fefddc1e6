// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/promql/promqltest"
	"github.com/prometheus/prometheus/rules"

	"github.com/skydive-project/skybridge/internal/receiver"
)

// scraped is one of the bridge's own series at a time, as a scrape would have it.
type scraped struct {
	labels labels.Labels
	at     time.Time
	value  float64
}

// scrape appends the bridge's own metrics without histograms.
func (l *lab) scrape(all []scraped) []scraped {
	l.t.Helper()
	families, err := l.registry.Gather()
	if err != nil {
		l.t.Fatal(err)
	}
	b := labels.NewScratchBuilder(8)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if m.GetCounter() == nil && m.GetGauge() == nil {
				continue
			}
			b.Reset()
			b.Add(model.MetricNameLabel, f.GetName())
			b.Add("job", "skybridge")
			b.Add("instance", "lab:9100")
			for _, pair := range m.GetLabel() {
				b.Add(pair.GetName(), pair.GetValue())
			}
			b.Sort()
			all = append(all, scraped{b.Labels(), time.Now(), m.GetCounter().GetValue() + m.GetGauge().GetValue()})
		}
	}
	return all
}

// TestPushAlerts: Prometheus' own alerts on remote write, with the job selector set,
// and the bridge's fire over what a bridge really says of a receiver that is down,
// of one that is slow, of one that refuses some, of one at a wrong URL, where everything
// is refused, and of one for which two series get one name, and never over one that
// works.
func TestPushAlerts(t *testing.T) {
	const slowDial = 8 * time.Second
	var all []scraped
	var began, ended time.Time
	synctest.Test(t, func(t *testing.T) {
		l := &clockLab{lab: newLab(t), reported: map[string]int64{}, totals: map[string]int64{}, lum: map[string]int64{}}
		l.configure(`remote_write:
  - {name: well, url: 'http://well/'}
  - {name: down, url: 'http://down/'}
  - {name: slow, url: 'http://slow/', queue_config: {max_shards: 1, max_samples_per_send: 4}}
  - {name: refuses, url: 'http://refuses/'}
  - {name: wrong, url: 'http://wrong/'}
  - {name: mixed, url: 'http://mixed/', write_relabel_configs: [{regex: target_ip, action: labeldrop}]}
`)
		for host, cfg := range map[string]receiver.Config{
			"well": {}, "slow": {}, "mixed": {},
			"wrong": {GiveUps: true, Fail: func(int, *http.Request) receiver.Fault { return receiver.Fault{Status: http.StatusNotFound} }},
			"refuses": {GiveUps: true, Fail: func(n int, _ *http.Request) receiver.Fault {
				if n > 20 && n%3 == 0 {
					return receiver.Fault{
						Status: http.StatusBadRequest, Body: "out of bounds",
						Header: http.Header{"X-Prometheus-Remote-Write-Samples-Written": {"0"}}, // else it could be about the version
					}
				}
				return receiver.Fault{}
			}},
		} {
			r := receiver.New(cfg)
			defer r.Close()
			pipe := r.Pipe()
			dial := pipe
			if host == "slow" { // each request, for connections are not kept
				dial = func(ctx context.Context, network, address string) (net.Conn, error) {
					time.Sleep(slowDial) // the bubble's clock
					return pipe(ctx, network, address)
				}
			}
			l.serve(host, dial)
		}
		l.start()
		defer time.Sleep(slowDial) // what is still dialled when the bridge has gone ends
		defer l.halt()
		began = time.Now()
		for now := time.Duration(0); now < 40*time.Minute; now += time.Second {
			l.traffic(now)
			if now%(15*time.Second) == 0 {
				all = l.scrape(all)
			}
			time.Sleep(time.Second) // the bubble's clock
		}
		ended = time.Now()
	})

	storage := promqltest.LoadedStorage(t, "")
	app := storage.Appender(t.Context())
	for _, s := range all {
		if _, err := app.Append(0, s.labels, s.at.UnixMilli(), s.value); err != nil {
			t.Fatal(err)
		}
	}
	if err := app.Commit(); err != nil {
		t.Fatal(err)
	}
	engine := promqltest.NewTestEngine(t, false, 0, promqltest.DefaultMaxSamplesPerQuery)
	query := rules.EngineQueryFunc(engine, storage)
	manager := rules.NewManager(&rules.ManagerOptions{
		Context: t.Context(), QueryFunc: query, Appendable: storage, Queryable: storage,
		NotifyFunc: func(context.Context, string, ...*rules.Alert) {},
		Logger:     slog.New(slog.DiscardHandler), Parser: parser.NewParser(parser.Options{}),
	})
	groups, errs := manager.LoadGroups(time.Minute, labels.EmptyLabels(), "", nil, false,
		"../deploy/prometheus/testdata/prometheus-own.yml", "../deploy/prometheus/skybridge-alerts.yml")
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	for _, g := range groups {
		for _, r := range g.Rules() {
			r.(*rules.AlertingRule).SetRestored(true) // else ALERTS is not written
		}
	}
	for at := began; !at.After(ended); at = at.Add(15 * time.Second) {
		for _, g := range groups {
			g.Eval(t.Context(), at)
		}
	}
	alerts, err := query(t.Context(), `max_over_time(ALERTS{alertstate="firing"}[2h])`, ended)
	if err != nil {
		t.Fatal(err)
	}
	var fired []string
	for _, a := range alerts {
		name := a.Metric.Get(labels.AlertName)
		fired = append(fired, name+labels.NewBuilder(a.Metric).Del(labels.AlertName, "alertstate", "severity", "job", "instance").Labels().String())
	}
	slices.Sort(fired)
	want := []string{
		`PrometheusRemoteStorageFailures{remote_name="refuses", url="http://refuses/"}`,
		`PrometheusRemoteStorageFailures{remote_name="wrong", url="http://wrong/"}`,
		`PrometheusRemoteWriteBehind{remote_name="down", url="http://down/"}`,
		`PrometheusRemoteWriteBehind{remote_name="slow", url="http://slow/"}`,
		`PrometheusRemoteWriteDesiredShards{remote_name="slow", url="http://slow/"}`,
		`SkybridgeBytesLost{reason="refused", remote_name="wrong", url="http://wrong/"}`,
		`SkybridgePushBehind{remote_name="down", url="http://down/"}`,
		`SkybridgePushBehind{remote_name="slow", url="http://slow/"}`,
		`SkybridgePushBehind{remote_name="wrong", url="http://wrong/"}`, // retry_on_http, and nothing is lost yet
		`SkybridgePushFailing{remote_name="down", url="http://down/"}`,
		`SkybridgePushFailing{remote_name="wrong", url="http://wrong/"}`,
		`SkybridgePushRefused{remote_name="refuses", url="http://refuses/"}`,
		`SkybridgePushRefused{remote_name="wrong", url="http://wrong/"}`,
		`SkybridgeSeriesCollide{reason="relabel_collision", remote_name="mixed", url="http://mixed/"}`,
	}
	if diff := cmp.Diff(want, fired); diff != "" {
		t.Errorf("fired (-want +got):\n%s", diff)
	}
}
