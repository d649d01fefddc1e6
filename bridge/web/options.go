// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"context"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/skydive-project/skybridge/bridge/web/connections"
	"github.com/skydive-project/skybridge/bridge/web/expose"
	"github.com/skydive-project/skybridge/bridge/web/status"
)

// Source is what /metrics and the connections are made of: every series as last
// sampled. *aggregator.Aggregator implements it.
type Source interface {
	expose.Source
	connections.Source
}

// Options is what a Server needs. Source, Gatherer, Registerer, Healthy,
// Ready, State and Logger are required, Reload too with EnableLifecycle.
type Options struct {
	// ListenAddresses are host:port or unix:///path of each listener; not used with
	// SystemdSocket.
	ListenAddresses []string
	// ConfigFile is exporter-toolkit's web configuration (TLS, users, headers),
	// read at each connection; empty: plain HTTP without authentication.
	ConfigFile string
	// SystemdSocket takes the listeners that systemd passed instead of opening
	// any.
	SystemdSocket bool
	// UnauthenticatedHealth answers /-/healthy and /-/ready without the credentials that
	// ConfigFile asks for.
	UnauthenticatedHealth bool
	// TelemetryPath is where the metrics are, by default /metrics, and RoutePrefix what
	// stands before all paths, by default nothing.
	TelemetryPath, RoutePrefix string
	// EnableLifecycle opens /-/reload, EnablePprof opens /debug/pprof/.
	EnableLifecycle, EnablePprof bool

	Source Source
	// Gatherer yields the bridge's own metrics (collect[]=self), those that this
	// package registers on Registerer included if both are one registry.
	Gatherer   prometheus.Gatherer
	Registerer prometheus.Registerer

	// Healthy says whether nothing of the bridge hangs, else what does. It waits for
	// nothing that may.
	Healthy func() (ok bool, word string)
	// Ready says whether the bridge does its work, and in a word how or why not.
	Ready func() (ok bool, word string)
	// State is what /api/v1/status answers and the status page shows, called for each
	// request, from several at once.
	State func() status.Status
	// Names says what addresses and nodes are called on the status page. May be nil.
	Names connections.Names
	// Reload reads the configuration again, and logs how that went. It may be
	// called from several requests at once. Its context does not end with the
	// client's connection (a half-done reload is of no use), only with the server.
	Reload func(context.Context) error

	Version string
	Logger  *slog.Logger
}
