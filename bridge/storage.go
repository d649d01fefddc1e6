// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/skydive-project/skybridge/bridge/config"
	"github.com/skydive-project/skybridge/disk"
	"github.com/skydive-project/skybridge/remotewrite"
)

// What lies under the storage path: see docs/reference/files.md.
const (
	lockFile = "lock"
	logDir   = "log"
)

// openLog makes the log: durable where there is a storage path, which nobody
// else may use. The ticks of this process come after those that are in it.
func (b *Bridge) openLog(cfg *config.Config, registry prometheus.Registerer) (err error) {
	logger, path := component(b.logger, "log"), b.options.StoragePath
	registerSuspended(registry, func() bool { return b.log.Trouble() != nil })
	if path == "" {
		b.log = remotewrite.NewLog(logConfig(cfg), registry, logger)
		return nil
	}
	system := disk.OS{}
	if err := system.MkdirAll(path); err != nil {
		return fmt.Errorf("bridge: --storage.path: %w", err)
	}
	b.storage, err = system.Lock(filepath.Join(path, lockFile))
	switch {
	case errors.Is(err, disk.ErrLocked):
		return fmt.Errorf("bridge: --storage.path %s is used by another process; give each bridge its own directory", path)
	case err != nil:
		return fmt.Errorf("bridge: --storage.path: %w", err)
	}
	b.log, err = remotewrite.OpenLog(durableLogConfig(cfg, path, time.Now()), registry, logger)
	if err != nil {
		return fmt.Errorf("bridge: --storage.path: %w", err)
	}
	_, last := b.log.LastTick()
	b.aggregator.ContinueAfter(last)
	return nil
}

// durableLogConfig translates the configuration for a durable log.
func durableLogConfig(cfg *config.Config, path string, now time.Time) remotewrite.LogConfig {
	c := logConfig(cfg)
	c.Dir = filepath.Join(path, logDir)
	c.MaxBytes = cfg.Storage.MaxBytes
	c.MemoryMaxBytes = cfg.Storage.MemoryMaxBytes
	c.Opened = now
	return c
}
