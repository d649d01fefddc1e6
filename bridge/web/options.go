// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"context"
	"errors"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/skydive-project/skybridge/aggregator"
)

// Source is what a page is made of: every series as last sampled. Its methods
// are called from many requests at once and beside updates.
// *aggregator.Aggregator implements it.
type Source interface {
	// Scrape fills rows with connections not yet seen through the cursor and
	// returns how many; 0 is the end. The zero cursor is the beginning. What it
	// filled stays valid and unchanged, strings included.
	Scrape(c *aggregator.ScrapeCursor, rows []aggregator.Row) int
	// ScrapeTraffic is Scrape for rows with their rates.
	ScrapeTraffic(c *aggregator.ScrapeCursor, rows []aggregator.TrafficRow) int
	// ScrapeCaptures appends every capture to dst, sorted by id.
	ScrapeCaptures(dst []aggregator.CaptureRow) []aggregator.CaptureRow
	// ScrapeInterfaces appends every network interface to dst, sorted.
	ScrapeInterfaces(dst []aggregator.InterfaceRow) []aggregator.InterfaceRow
}

// Options is what a Server needs. Source, Gatherer, Registerer, Healthy,
// Ready, State and Logger are required, Reload too with EnableLifecycle.
type Options struct {
	// ListenAddress is host:port of the one listener; not used with
	// SystemdSocket.
	ListenAddress string
	// ConfigFile is exporter-toolkit's web configuration (TLS, users, headers),
	// read anew at each connection; empty: plain HTTP without authentication.
	ConfigFile string
	// SystemdSocket takes the listeners that systemd passed instead of opening
	// one.
	SystemdSocket bool
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
	State func() Status
	// Names says what addresses and nodes are called on the status page. May be nil.
	Names Names
	// Reload reads the configuration again, and logs how that went. It may be
	// called from several requests at once. Its context does not end with the
	// client's connection (a half-done reload helps nobody), only with the server.
	Reload func(context.Context) error

	Version string
	Logger  *slog.Logger
}

func (o *Options) validate() error {
	var errs []error
	need := func(ok bool, what string) {
		if !ok {
			errs = append(errs, errors.New("web: option missing: "+what))
		}
	}
	need(o.Source != nil, "Source")
	need(o.Gatherer != nil, "Gatherer")
	need(o.Registerer != nil, "Registerer")
	need(o.Healthy != nil, "Healthy")
	need(o.Ready != nil, "Ready")
	need(o.State != nil, "State")
	need(o.Logger != nil, "Logger")
	need(o.Reload != nil || !o.EnableLifecycle, "Reload (with EnableLifecycle)")
	need(o.ListenAddress != "" || o.SystemdSocket, "ListenAddress or SystemdSocket")
	return errors.Join(errs...)
}
