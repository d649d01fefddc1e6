// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package prom

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/grafana/regexp"
	remoteapi "github.com/prometheus/client_golang/exp/api/remote"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/common/route"

	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/scrape"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/util/notifications"
	apiv1 "github.com/prometheus/prometheus/web/api/v1"
)

const apiPrefix = "/api/v1"

// routes mounts Prometheus' whole API beside what its web package would add.
func (s *Server) routes() http.Handler {
	router := route.New().WithPrefix(apiPrefix)
	s.api().Register(router)

	mux := http.NewServeMux()
	mux.Handle(apiPrefix+"/", router)
	mux.Handle("POST "+apiPrefix+"/write", s.refusals.keep(router))
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /-/healthy", say("Prometheus Server is Healthy.\n"))
	mux.HandleFunc("GET /-/ready", say("Prometheus Server is Ready.\n"))
	if s.options.Home != nil {
		mux.Handle("GET /{$}", s.options.Home)
	} else {
		mux.HandleFunc("GET /{$}", say("Prometheus in one process, without its web UI. The HTTP API is under "+apiPrefix+"/.\n"))
	}
	// Where the web UI would draw: what links there finds what there is.
	for _, path := range []string{"/graph", "/query"} {
		mux.Handle("GET "+path, http.RedirectHandler("/", http.StatusFound))
	}
	return mux
}

func say(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = io.WriteString(w, text)
	}
}

// api builds the server's own API over this storage and engine. Targets, rules and
// alerting answer with empty lists.
func (s *Server) api() *apiv1.API {
	started := time.Now()
	var absent nothing
	return apiv1.NewAPI(
		s.engine,
		s.db,
		s.db, s.db,
		s.db,
		func(context.Context) apiv1.ScrapePoolsRetriever { return absent },
		func(context.Context) apiv1.TargetRetriever { return absent },
		func(context.Context) apiv1.AlertmanagerRetriever { return absent },
		func() config.Config { return config.DefaultConfig },
		map[string]string{
			"enable-feature":                   "promql-extended-range-selectors",
			"web.enable-remote-write-receiver": "true",
			"web.listen-address":               s.Addr(),
			"storage.tsdb.path":                s.dir,
			"storage.tsdb.retention.time":      s.options.Retention.String(),
		},
		apiv1.GlobalURLOptions{ListenAddress: s.Addr(), Host: s.Addr(), Scheme: "http"},
		func(next http.HandlerFunc) http.HandlerFunc { return next }, // ready as soon as it listens
		adminStats{s.db}, s.dir,
		false,    // admin API
		false, 0, // search API
		s.logger.With("component", "api"),
		func(context.Context) apiv1.RulesRetriever { return absent },
		maxSamples, 10, 1<<20, // remote read: samples, requests at once, bytes in a frame
		false,                           // agent mode
		regexp.MustCompile(`^no-cors$`), // pages of other origins get no answer
		func() (apiv1.RuntimeInfo, error) {
			return apiv1.RuntimeInfo{StartTime: started, ServerTime: time.Now(), ReloadConfigSuccess: true}, nil
		},
		&apiv1.PrometheusVersion{Version: "v0.315.0 (Go module)"},
		func() []notifications.Notification { return nil },
		func() (<-chan notifications.Notification, func(), bool) { return nil, nil, false },
		s.registry, s.registry,
		nil, // statistics renderer: the default one
		true, remoteapi.MessageTypes{remoteapi.WriteV1MessageType, remoteapi.WriteV2MessageType},
		false, false, false, // OTLP
		false, // zero samples from start timestamps: the bridge sends its own
		lookbackDelta,
		false, // type and unit as labels
		true,  // metadata of 2.0 requests goes to the storage
		nil, nil,
		apiv1.OpenAPIOptions{ExternalURL: s.URL()},
		s.parser,
	)
}

// nothing answers for the parts of a Prometheus that are not here.
type nothing struct{}

func (nothing) ScrapePools() []string                       { return []string{} }
func (nothing) TargetsActive() map[string][]*scrape.Target  { return nil }
func (nothing) TargetsDropped() map[string][]*scrape.Target { return nil }
func (nothing) TargetsDroppedCounts() map[string]int        { return nil }
func (nothing) Alertmanagers() []*url.URL                   { return nil }
func (nothing) DroppedAlertmanagers() []*url.URL            { return nil }
func (nothing) RuleGroups() []*rules.Group                  { return nil }
func (nothing) AlertingRules() []*rules.AlertingRule        { return nil }
func (nothing) ScrapePoolConfig(string) (*config.ScrapeConfig, error) {
	return nil, errors.New("the targets of scrapes are not told here")
}

// adminStats is the storage with the statistics that the API shows of it.
type adminStats struct{ *tsdb.DB }

func (a adminStats) Stats(label string, limit int) (*tsdb.Stats, error) {
	return a.Head().Stats(label, limit), nil
}

func (a adminStats) WALReplayStatus() (tsdb.WALReplayStatus, error) {
	return tsdb.WALReplayStatus{}, nil // replayed before Start returned
}

func (a adminStats) BlockMetas() ([]tsdb.BlockMeta, error) { return a.DB.BlockMetas(), nil }
