// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package chaos

import (
	"context"
	"log/slog"
	"os"
	"syscall"
	"testing"

	"github.com/skydive-project/skybridge/bridge"
	"github.com/skydive-project/skybridge/internal/disktest"
)

// machine is a bridge in this process on a disk that loses power: for a child
// process the kernel would keep what was not synced.
type machine struct {
	t      *testing.T
	config string
	disk   *disktest.Disk
	logs   *logs
	// becomeBlackhole cuts the dead bridge off from its receivers.
	becomeBlackhole func()

	lifeLog *lifeLog    // of the present life, or the last
	life    *crashingFS // nil: none runs
	cancel  context.CancelFunc
	ended   chan error
	hup     chan os.Signal
	heard   chan string // the address, when it listens
	at      string
	// listens: at is the address of this life.
	listens  bool
	stopping bool
	dead     []chan error // of former lives
}

func newMachine(t *testing.T, config string, seed uint64, logs *logs, becomeBlackhole func()) *machine {
	m := &machine{t: t, config: config, disk: disktest.New(seed), logs: logs, becomeBlackhole: becomeBlackhole}
	t.Cleanup(func() {
		m.kill()
		for _, ended := range m.dead {
			<-ended
		}
	})
	return m
}

func (m *machine) url() string { return "http://" + m.at }

func (m *machine) running() bool { return m.life != nil }

func (m *machine) left() bool { return m.lifeLog.left() }

func (m *machine) start(ctx context.Context) {
	ctx, m.cancel = context.WithCancel(ctx)
	m.lifeLog = m.logs.lifeLog()
	life, ended := newCrashingFS(m.disk), make(chan error, 1)
	heard, hup := make(chan string, 1), make(chan os.Signal, 1)
	m.life, m.ended, m.heard, m.hup, m.listens, m.stopping = life, ended, heard, hup, false, false
	options := bridge.Options{
		ConfigFile:      m.config,
		StoragePath:     "/storage",
		StorageFS:       life,
		ListenAddresses: []string{"127.0.0.1:0"},
		Logger:          slog.New(slog.NewTextHandler(m.lifeLog, nil)),
		Reload:          hup,
		Listening:       func(address string) { heard <- address },
	}
	go func() { ended <- bridge.Run(ctx, options) }()
}

func (m *machine) up() bool {
	if m.life == nil || m.stopping {
		return false
	}
	select {
	case m.at = <-m.heard:
		m.listens = true
	default:
	}
	return m.listens
}

func (m *machine) check() bool {
	m.t.Helper()
	if m.life == nil {
		return false
	}
	select {
	case err := <-m.ended:
		m.life = nil
		if err != nil || !m.stopping {
			m.t.Fatalf("the bridge ended (asked to: %v) with: %v\n%s", m.stopping, err, m.logs)
		}
		return true
	default:
		return false
	}
}

// kill is a loss of power. The process continues for a moment, but nothing that it
// does is seen by anybody.
func (m *machine) kill() {
	if m.life == nil {
		return
	}
	m.becomeBlackhole()
	m.life.crash()
	m.cancel()
	m.dead = append(m.dead, m.ended)
	m.life = nil
}

func (m *machine) terminate() {
	m.stopping = true
	m.cancel()
}

func (m *machine) reload() {
	select {
	case m.hup <- syscall.SIGHUP:
	default: // one is under way
	}
}
