// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/net/http/httpproxy"

	"github.com/skydive-project/skybridge/bridge/config"
	"github.com/skydive-project/skybridge/bridge/skydive"
	"github.com/skydive-project/skybridge/remotewrite"
	"github.com/skydive-project/skybridge/secrets"
)

// reloadLoop reloads whenever it is asked to, and when the configuration has changed, until
// ctx is done.
func (b *Bridge) reloadLoop(ctx context.Context) {
	var look <-chan time.Time
	if interval := b.options.AutoReloadInterval; interval > 0 {
		ticker := time.NewTicker(interval)
		defer ticker.Stop()
		look = ticker.C
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-b.options.Reload:
			_ = b.reload(ctx) // logged there
		case <-look:
			b.reloadIfChanged()
		}
	}
}

// reloadIfChanged reloads if the content of the configuration has changed.
func (b *Bridge) reloadIfChanged() {
	b.reloading.Lock()
	defer b.reloading.Unlock()
	if b.options.watch.changed() {
		_ = b.reloadNow() // logged there
	}
}

// reload reads the configuration file, validates it, and applies it. Counters, queues and the
// connections of unchanged analyzers and endpoints are kept. An invalid file changes nothing.
func (b *Bridge) reload(context.Context) error {
	b.reloading.Lock()
	defer b.reloading.Unlock()
	return b.reloadNow()
}

// reloadNow is reload for a caller that holds reloading.
func (b *Bridge) reloadNow() error {
	select {
	case <-b.stopping: // its last tick must stay the last
		return errors.New("the bridge is stopping")
	default:
	}
	done := b.options.Service.Reloading()
	former := b.cfg // only a reload replaces it
	renamed := false
	cfg, err := load(b.options)
	if err == nil {
		b.ticking.Lock()
		renamed = b.renames(cfg)
		b.ticking.Unlock()
		err = b.swap(cfg)
	}
	b.metrics.reloaded(err)
	defer func() { done(b.options.secrets.Error(err)) }() // after the log has said it
	if err != nil {
		b.options.secrets.Pin(secretsOf(b.cfg))
		b.logger.Error("reload failed; the former configuration stays in force", "err", err)
		return b.options.secrets.Error(err)
	}
	attrs := []any{"file", b.options.ConfigFile}
	if renamed {
		attrs = append(attrs, "series_renamed", true)
	}
	b.logger.Info("configuration reloaded", append(attrs, config.Compare(former, cfg)...)...)
	return nil
}

// swap applies a valid configuration. What can fail comes first, and is undone where something
// after it fails.
func (b *Bridge) swap(cfg *config.Config) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("bridge: %w", err)
		}
	}()
	feed, err := feedConfig(cfg, b.listenAddresses[0], b.options)
	if err != nil {
		return err
	}
	receivers, err := b.sender.Prepare(endpoints(cfg))
	if err != nil {
		return err
	}
	if err := b.feed.Reload(feed); err != nil {
		return err
	}
	if err := b.commit(cfg, feed, receivers); err != nil { // the labels, which were valid when the file was read
		former, undo := feedConfig(b.cfg, b.listenAddresses[0], b.options) // no earlier: its files may be gone by now
		if undo == nil {
			undo = b.feed.Reload(former)
		}
		return errors.Join(err, undo)
	}
	return nil
}

// commit is the part of swap that excludes ticks. It waits for nothing but the disk.
func (b *Bridge) commit(cfg *config.Config, feed skydive.Config, receivers *remotewrite.Endpoints) error {
	b.ticking.Lock()
	defer b.ticking.Unlock()
	if err := b.apply(cfg, receivers, b.renames(cfg)); err != nil {
		return err
	}
	if err := b.topology.Reload(topologyConfig(cfg, feed)); err != nil { // its addresses were valid when the file was read
		b.logger.Error("the settings of the topology stay as they were", "err", err)
	}
	b.warnOfRestart(cfg)
	b.cfg = cfg
	b.showConfig(cfg)
	select {
	case b.changed <- struct{}{}:
	default:
	}
	return nil
}

// renames reports whether a configuration gives series other names, even if for one receiver
// only. The caller holds ticking.
func (b *Bridge) renames(cfg *config.Config) bool {
	return b.aggregator.Renames(aggregation(cfg)) ||
		!slices.Equal(wireLabels(cfg.Global.ExternalLabels), b.log.ExternalLabels()) ||
		b.sender.Renames(endpoints(cfg))
}

// apply applies a configuration to the aggregator and the sender. The caller holds ticking.
func (b *Bridge) apply(cfg *config.Config, receivers *remotewrite.Endpoints, renamed bool) error {
	if renamed {
		// The old series end with all that was counted, the new ones begin at 0, with no
		// update in between.
		release := b.replica.Hold()
		defer release()
		b.endAll(false)
	}
	if err := b.sender.Apply(receivers); err != nil {
		return err
	}
	b.log.SetPushInterval(cfg.Global.PushInterval)
	b.log.SetExternalLabels(wireLabels(cfg.Global.ExternalLabels))
	c, err := configuration(cfg)
	if err != nil {
		return err
	}
	return b.replica.Configure(c)
}

// warnOfRestart logs changes that need a restart.
func (b *Bridge) warnOfRestart(cfg *config.Config) {
	if is := b.options.listenAddresses(cfg); !slices.Equal(is, b.listenAddresses) {
		b.logger.Warn("web.listen_address changes with a restart only", "in_force", b.listenAddresses[0], "configured", is[0])
	}
	if b.storageKeys != cfg.Storage {
		b.logger.Warn("the keys of storage change with a restart only")
	}
}

// listenAddresses returns the addresses to listen on, one at least.
func (o *Options) listenAddresses(cfg *config.Config) []string {
	if len(o.ListenAddresses) > 0 {
		return o.ListenAddresses
	}
	return []string{cfg.Web.ListenAddress}
}

// load reads the configuration file and logs its warnings.
func load(options Options) (*config.Config, error) {
	options.watch.loading()
	listen := options.ListenAddresses
	if options.SystemdSocket {
		listen = []string{":0"} // it is not known here where, and no receiver has the port 0
	}
	cfg, warnings, err := config.Load(options.ConfigFile, config.Process{Listen: listen, Environ: options.Environ, Optional: options.ConfigOptional})
	if err != nil {
		return nil, err
	}
	options.secrets.Pin(secretsOf(cfg))
	for _, w := range warnings {
		options.Logger.Warn("configuration: " + w.String())
	}
	return cfg, nil
}

// secretsOf returns the secrets of a configuration and of the environment.
func secretsOf(cfg *config.Config) []secrets.Secret {
	proxy := httpproxy.FromEnvironment()
	return slices.Concat(cfg.Secrets(), secrets.OfURL(proxy.HTTPProxy), secrets.OfURL(proxy.HTTPSProxy))
}
