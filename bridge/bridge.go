// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

// Package bridge runs one skybridge: it wires the feed, the aggregator, the
// remote-write sender and the web server together, and owns their lifecycle.
//
// Data goes one way: bridge/skydive to aggregator with each message; aggregator to
// remotewrite at each tick; aggregator to bridge/web at each scrape.
package bridge

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	commoncfg "github.com/prometheus/common/config"

	"github.com/skydive-project/skybridge/aggregator"
	"github.com/skydive-project/skybridge/bridge/config"
	"github.com/skydive-project/skybridge/bridge/notify"
	"github.com/skydive-project/skybridge/bridge/skydive"
	"github.com/skydive-project/skybridge/bridge/skydive/access"
	"github.com/skydive-project/skybridge/bridge/skydive/topology"
	"github.com/skydive-project/skybridge/bridge/web"
	"github.com/skydive-project/skybridge/disk"
	"github.com/skydive-project/skybridge/logging"
	"github.com/skydive-project/skybridge/progress"
	"github.com/skydive-project/skybridge/remotewrite"
	"github.com/skydive-project/skybridge/remotewrite/queue"
	"github.com/skydive-project/skybridge/replica"
	"github.com/skydive-project/skybridge/secrets"
)

// Options are what a process is started with, beside its configuration file.
type Options struct {
	ConfigFile string
	// ConfigOptional says that the file need not exist where variables of Environ are the
	// whole configuration.
	ConfigOptional bool
	Environ        []string // the environment variables, as of [os.Environ]

	StoragePath string // directory of what is durable; empty: nothing is
	// StorageFS is where that directory is; nil: the system's own file system.
	StorageFS       disk.FS
	ListenAddresses []string // win over web.listen_address where given
	WebConfigFile   string   // TLS and authentication of the listeners
	SystemdSocket   bool     // listen on the sockets that systemd passes

	// As in [web.Options].
	TelemetryPath, RoutePrefix string
	UnauthenticatedHealth      bool
	EnableLifecycle            bool // POST /-/reload
	EnablePprof                bool // /debug/pprof/

	Logger *slog.Logger
	// Log, where given, is where the lines of Logger go. May be nil.
	Log *logging.Writer
	// Reload asks for a reload of the configuration file with every value. May be
	// nil.
	Reload <-chan os.Signal
	// AutoReloadInterval is how often the content of the configuration file and of the files
	// that it names is compared with what was loaded; 0: never.
	AutoReloadInterval time.Duration
	// Service is the service manager to notify. May be nil.
	Service *notify.Service
	// Listening, where given, is called with the first address once the web server
	// listens.
	Listening func(address string)

	// For tests: the clock, how receivers are reached, who looks up names of analyzers, and
	// timeouts (zero: defaultTiming).
	clock    clockReader
	sender   []commoncfg.HTTPClientOption
	resolver access.Resolver
	timing   timing

	secrets *secrets.Set // what the logger hides, too
	watch   *watch       // on the configuration; nil: there is none
}

// minAutoReload is the least AutoReloadInterval.
const minAutoReload = time.Second

// Validate reports what no process can be started with, by the flag that says it. What is
// on a disk or in use by others shows at the start.
func (o *Options) Validate() error {
	for _, address := range o.ListenAddresses {
		if err := config.CheckListenAddress(address); err != nil {
			return fmt.Errorf("--web.listen-address %w", err)
		}
	}
	if o.AutoReloadInterval != 0 && o.AutoReloadInterval < minAutoReload {
		return fmt.Errorf("--config.auto-reload-interval is %v: write at least %v, or 0s for never", o.AutoReloadInterval, minAutoReload)
	}
	return web.CheckPaths(o.TelemetryPath, o.RoutePrefix)
}

// Bridge is one running bridge.
type Bridge struct {
	options  Options
	logger   *slog.Logger
	registry *prometheus.Registry
	metrics  *metrics
	clock    *clock

	// What only a restart can change.
	listenAddresses []string
	storageKeys     config.Storage

	aggregator *aggregator.Aggregator
	replica    *replica.Replica // of it: inputs go there
	disk       disk.FS          // of the storage path
	storage    io.Closer        // the lock on the storage path; nil: there is none
	log        *queue.Log
	sender     *remotewrite.Sender
	feed       *skydive.Feed
	topology   *topology.Topology
	web        *web.Server

	started     time.Time
	shownConfig atomic.Pointer[string] // the present configuration, secrets masked
	updateRates updateRates
	published   func() // called after each tick; never waits

	reloading sync.Mutex // one reload at a time; guards options.watch

	ticking sync.Mutex   // one tick at a time; guards sampler and cfg
	ahead   atomic.Int64 // ms, the latest tick that was made ahead of its time
	sampler *sampler
	cfg     *config.Config
	changed chan struct{} // the push interval may have changed

	ticksDue  *progress.Deadline
	unhealthy atomic.Bool // as said last

	timing   timing
	stopping chan struct{}          // closed when the bridge begins to stop
	stopStep atomic.Pointer[string] // what it waits for then
}

// Run runs a bridge until ctx is done, and then stops it: the feed first, then one last tick
// that is flushed to the receivers. It returns an error where the bridge could not start or
// its listener failed, not for analyzers or receivers. Log, error and HTTP answers show no
// secret.
func Run(ctx context.Context, options Options) error {
	options.secrets = secrets.New()
	if options.AutoReloadInterval > 0 {
		options.watch = &watch{file: options.ConfigFile}
	}
	options.Logger = slog.New(options.secrets.Handler(options.Logger.Handler()))
	err := options.secrets.Error(run(ctx, options))
	if err != nil { // it stays in the unit's status until the next start
		options.Service.Status(err.Error())
	}
	return err
}

func run(ctx context.Context, options Options) error {
	cfg, err := load(options)
	if err != nil {
		return err
	}
	options.Service.Status("recovers the state of the former process")
	b, err := newBridge(cfg, options)
	if err != nil {
		return err
	}
	if ctx.Err() != nil {
		b.logger.Info("stopped before it started; the recovered state is unchanged")
		b.close()
		return nil
	}
	if err := b.web.Listen(); err != nil {
		b.close()
		return err
	}
	if options.Listening != nil {
		options.Listening(b.web.Addresses()[0])
	}
	return b.runAndClose(ctx)
}

// newBridge builds the parts, each with its dependencies. None of them runs yet.
func newBridge(cfg *config.Config, options Options) (_ *Bridge, err error) {
	registry := newRegistry()
	b := &Bridge{
		options:  options,
		logger:   options.Logger,
		registry: registry,
		metrics:  newMetrics(registry),
		clock:    newClock(options.clock),
		cfg:      cfg,
		sampler:  newSampler(),
		changed:  make(chan struct{}, 1),
		started:  time.Now(),

		ticksDue: progress.NewDeadline(),
		stopping: make(chan struct{}),
		timing:   cmp.Or(options.timing, defaultTiming()),
	}
	b.published = b.tickPublished
	b.showConfig(cfg)
	b.listenAddresses, b.storageKeys = options.listenAddresses(cfg), cfg.Storage
	defer func() {
		if err != nil {
			b.close()
			err = fmt.Errorf("bridge: %w", err)
		}
	}()
	skipped := newSkipped(registry)
	feed, err := feedConfig(cfg, b.listenAddresses[0], options)
	if err != nil {
		return nil, err
	}
	if b.topology, err = topology.New(topologyConfig(cfg, feed), registry, component(b.logger, "topology")); err != nil {
		return nil, err
	}
	b.aggregator = aggregator.New(registry, skipped, component(b.logger, "aggregator"))
	b.replica = replica.New(b.aggregator, replica.Clock{Wall: b.clock.now, Passing: b.clock.passing}, registry, component(b.logger, "state"))
	registerReadings(registry, b.failure, b.wait, options.Log.Dropped)
	if b.feed, err = skydive.NewFeed(feed, b.replica, skipped, registry, component(b.logger, "feed")); err != nil {
		return nil, err
	}
	if err := b.openLog(cfg, registry); err != nil {
		return nil, err
	}
	b.sender = remotewrite.NewSender(b.log, registry, component(b.logger, "remote_write"),
		remotewrite.Options{Version: versionText(), HTTP: options.sender, Secrets: options.secrets, Now: b.clock.now})
	if err := b.openState(cfg); err != nil {
		return nil, err
	}
	b.web, err = web.New(b.webOptions(registry))
	return b, err
}

// close releases what a bridge holds, whether it ran or not.
func (b *Bridge) close() {
	if b.web != nil {
		b.web.Close()
	}
	if b.sender != nil {
		b.step("the endpoints")
		b.sender.Close()
	}
	if b.log != nil {
		b.step("the log on disk")
		if err := b.log.Close(); err != nil {
			b.logger.Error("the log could not be closed properly; some of it may be pushed twice, which receivers accept", "err", err)
		}
	}
	if b.replica != nil {
		b.step("the state on disk")
		if err := b.replica.Close(); err != nil {
			b.logger.Error("the state could not be closed properly; the counters of the next start reset to 0", "err", err)
		}
	}
	if b.storage != nil {
		_ = b.storage.Close() // the lock ends with the process at the latest
	}
}

func (b *Bridge) webOptions(registry *prometheus.Registry) web.Options {
	return web.Options{
		ListenAddresses: b.listenAddresses,
		ConfigFile:      b.options.WebConfigFile,
		SystemdSocket:   b.options.SystemdSocket,
		TelemetryPath:   b.options.TelemetryPath,
		RoutePrefix:     b.options.RoutePrefix,

		UnauthenticatedHealth: b.options.UnauthenticatedHealth,

		EnableLifecycle: b.options.EnableLifecycle,
		EnablePprof:     b.options.EnablePprof,
		Source:          b.aggregator,
		Gatherer:        registry,
		Registerer:      registry,
		Healthy:         b.healthy,
		Ready:           b.ready,
		State:           b.state,
		Names:           b.topology,
		Reload:          b.reload,
		Version:         versionText(),
		Logger:          component(b.logger, "web"),
	}
}

// run starts everything, waits for the end, and stops in the order in which data flows, so
// that the last tick has every update that was read.
func (b *Bridge) run(ctx context.Context) error {
	webCtx, stopWeb := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWeb()
	feedCtx, stopFeed := context.WithCancel(ctx)
	defer stopFeed()

	if err := b.resume(); err != nil {
		return fmt.Errorf("bridge: %w", err)
	}
	b.logger.Info("skybridge runs", "version", versionText(), "address", strings.Join(b.web.Addresses(), ","), "analyzers", len(b.cfg.Skydive.Analyzers), "endpoints", len(b.cfg.RemoteWrite))

	watchCtx, stopWatch := context.WithCancel(context.WithoutCancel(ctx))
	var watch sync.WaitGroup
	watch.Go(func() { b.options.Service.Run(watchCtx, b.watched()) })
	defer watch.Wait()
	defer stopWatch()

	listener := startPart("the web server", func() error {
		defer stopFeed() // without its listener the bridge stops
		return b.web.Run(webCtx)
	})
	parts := []*part{
		startPart("the feed", func() error {
			defer stopFeed()
			if err := b.feed.Run(feedCtx); !errors.Is(err, context.Canceled) {
				return err
			}
			return nil
		}),
		startPart("the topology", func() error { b.topology.Run(feedCtx, b.replica); return nil }),
		startPart("the ticks", func() error { b.tickLoop(feedCtx); return nil }),
		startPart("a reload", func() error { b.reloadLoop(feedCtx); return nil }),
	}

	<-feedCtx.Done()
	b.step("the notification of systemd")
	close(b.stopping)
	b.options.Service.Stopping("stops: receivers get the last values")
	b.logger.Info("stopping: the feed ends, then the last tick is flushed", "deadline", b.timing.flush)
	feedErr := b.await(b.timing.parts, parts...)
	b.lastTick()
	stopWeb()
	return errors.Join(b.await(b.timing.web, listener), feedErr)
}

// ready reports whether the bridge does its work, and why not.
func (b *Bridge) ready() (ok bool, word string) {
	if !b.feed.Subscribed() {
		return false, "not subscribed to any analyzer"
	}
	return true, b.readyWord()
}

// readyWord is ready's message of a bridge that does its work.
func (b *Bridge) readyWord() string {
	if b.failure() != nil {
		return "ready, but exactness is suspended: the disk is failing, and a crash now would lose what could not be written"
	}
	if left := b.wait(); left > 0 {
		return "ready, but the clock was set back: no samples for " + left.Round(time.Second).String() + ", until it has passed the last ones; counting continues"
	}
	if missing := len(b.feed.Missing()); missing > 0 {
		return missingWord(missing)
	}
	return "ready"
}

// missingWord is readyWord where so many analyzers are not subscribed to.
func missingWord(n int) string {
	what := "1 analyzer exists that is"
	if n != 1 {
		what = fmt.Sprintf("%d analyzers exist that are", n)
	}
	return "ready, but " + what + " not subscribed to: flows are missing"
}

func component(logger *slog.Logger, name string) *slog.Logger {
	return logger.With("component", name)
}
