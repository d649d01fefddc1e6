// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/skydive-project/skybridge/aggregator"
	"github.com/skydive-project/skybridge/bridge/config"
	"github.com/skydive-project/skybridge/disk"
	"github.com/skydive-project/skybridge/remotewrite"
	"github.com/skydive-project/skybridge/remotewrite/queue"
	"github.com/skydive-project/skybridge/remotewrite/wire"
	"github.com/skydive-project/skybridge/replica"
)

// Names under the storage path; see docs/reference/files.md.
const (
	lockFile = "lock"
	logDir   = "log"
	inputDir = "input"
	stateDir = "state" // of former versions
)

// openLog opens the log: durable where there is a storage path, which is locked.
func (b *Bridge) openLog(cfg *config.Config, registry prometheus.Registerer) (err error) {
	logger, path, c := component(b.logger, "log"), b.options.StoragePath, logConfig(cfg)
	if path == "" {
		b.log, err = queue.Open(c, registry, logger)
		return err
	}
	if b.disk = b.options.StorageFS; b.disk == nil {
		b.disk = disk.OS{}
	}
	b.disk = disk.TolerateNoDirSync(disk.WithTimeout(b.disk, b.timing.disk), func(err error) {
		logger.Warn("the file system of --storage.path cannot sync directories: after a loss of power, files that were just made or renamed may be missing; a crash of the process loses nothing", "err", err)
	})
	if err := disk.MakeDir(b.disk, path); err != nil {
		return fmt.Errorf("--storage.path: %w", err)
	}
	b.storage, err = b.disk.Lock(filepath.Join(path, lockFile))
	switch {
	case errors.Is(err, disk.ErrLocked):
		return fmt.Errorf("--storage.path %s is used by another process; give each bridge its own directory", path)
	case err != nil:
		return fmt.Errorf("--storage.path: %w", err)
	}
	c.FS, c.Dir, c.Opened, c.CheckNames = b.disk, filepath.Join(path, logDir), b.clock.now(), remotewrite.CheckNames
	c.MaxBytes, c.MemoryMaxBytes = int64(cfg.Storage.MaxBytes), int64(cfg.Storage.MemoryMaxBytes)
	if b.log, err = queue.Open(c, registry, logger); err != nil {
		return fmt.Errorf("--storage.path: %w", err)
	}
	return nil
}

// failure is why a crash now would lose something that was counted, or nil.
func (b *Bridge) failure() error {
	return errors.Join(b.log.Trouble(), b.replica.Failure())
}

// openState recovers the state of a former process, under the names that it used.
func (b *Bridge) openState(cfg *config.Config) error {
	c, err := configuration(cfg)
	if err != nil {
		return err
	}
	if b.storage == nil {
		err = b.replica.Start(c)
	} else if err = b.loadCounters(c, len(cfg.RemoteWrite) > 0); err != nil {
		err = fmt.Errorf("--storage.path: %w", err)
	}
	if err != nil {
		return err
	}
	receivers, err := b.sender.Prepare(endpoints(cfg))
	if err == nil {
		_, err = b.sender.Resume(receivers)
	}
	return err
}

// loadCounters recovers the counters and, where there are receivers, makes the ticks once more
// that the log lacks.
func (b *Bridge) loadCounters(c replica.Configuration, receivers bool) error {
	_, last := b.log.LastTick()
	if !receivers {
		last = -1
	}
	logger := component(b.logger, "state")
	found, err := b.replica.Open(replica.StoreConfig{
		Dir: filepath.Join(b.options.StoragePath, inputDir), Former: filepath.Join(b.options.StoragePath, stateDir), FS: b.disk, MaxBytes: b.log.Usage().DiskLimit, LastTick: last,
	}, c, b.remake)
	s := b.aggregator.Status()
	switch {
	case err != nil:
		return err
	case found.ResetReason != "":
		logger.Warn("the state cannot be used: every counter resets to 0, and what was reported since it was written does not count", "reason", found.ResetReason)
	case found.Found:
		logger.Info("counters continue where they were", "connections", s.Connections, "flows", s.Flows, "entries", found.Entries,
			"ticks_made_again", found.Ticks, "cut_bytes", found.Cut, "took", found.Took)
	}
	if found.SentUntil != 0 {
		b.log.Distrust(found.SentUntil)
	}
	return nil
}

// remake makes a tick once more, with the external labels that it had.
func (b *Bridge) remake(at int64, text []byte, sample func(aggregator.Emitter)) {
	var c replica.Configuration
	var external []wire.Label
	if err := errors.Join(json.Unmarshal(text, &c), json.Unmarshal(c.Extra, &external)); err != nil {
		b.logger.Error("the external labels of a tick are not known", "at", time.UnixMilli(at), "err", err)
	}
	b.log.SetExternalLabels(external)
	b.queueTick(at, sample)
}

// resume pushes the recovered values once before the feed is read. A configuration that changed
// since is applied as by a reload.
func (b *Bridge) resume() error {
	receivers, err := b.sender.Prepare(endpoints(b.cfg))
	if err != nil {
		return err
	}
	b.ticking.Lock()
	defer b.ticking.Unlock()
	renamed := b.renames(b.cfg)
	if err := b.apply(b.cfg, receivers, renamed); err != nil {
		return err
	}
	if !renamed && b.storage != nil && b.wait() == 0 {
		b.tickNow()
	}
	return nil
}
