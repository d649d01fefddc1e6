// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/skydive-project/skybridge/aggregator"
	"github.com/skydive-project/skybridge/bridge/config"
	"github.com/skydive-project/skybridge/disk"
	"github.com/skydive-project/skybridge/remotewrite"
	"github.com/skydive-project/skybridge/remotewrite/queue"
)

// Names under the storage path; see docs/reference/files.md.
const (
	lockFile = "lock"
	logDir   = "log"
	stateDir = "state"
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
	return errors.Join(b.log.Trouble(), b.aggregator.Failure())
}

// openState recovers the state of a former process, under the names that it used.
func (b *Bridge) openState(cfg *config.Config) error {
	if b.storage != nil {
		if err := b.loadCounters(len(cfg.RemoteWrite) > 0); err != nil {
			return fmt.Errorf("--storage.path: %w", err)
		}
	}
	receivers, err := b.sender.Prepare(endpoints(cfg))
	if err == nil {
		_, err = b.sender.Resume(receivers)
	}
	return err
}

// loadCounters recovers the counters and, where there are receivers, compares the log with
// them.
func (b *Bridge) loadCounters(receivers bool) error {
	_, last := b.log.LastTick()
	b.aggregator.ContinueAfter(last)
	if !receivers {
		last = -1
	}
	logger := component(b.logger, "state")
	found, err := b.aggregator.OpenState(aggregator.StateConfig{
		Dir: filepath.Join(b.options.StoragePath, stateDir), FS: b.disk, LastTick: last,
	}, logger)
	switch {
	case err != nil:
		return err
	case found.ResetReason != "":
		logger.Warn("the state cannot be used: every counter resets to 0, and what was reported since it was written does not count", "reason", found.ResetReason)
	case found.Connections+found.Flows > 0:
		logger.Info("counters continue where they were", "connections", found.Connections, "flows", found.Flows,
			"cut_bytes", found.Cut, "took", found.Took)
	}
	if found.SentUntil != 0 {
		b.log.Distrust(found.SentUntil)
	}
	return nil
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
