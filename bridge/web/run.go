// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"

	toolkit "github.com/prometheus/exporter-toolkit/web"
	"golang.org/x/net/netutil"
)

// Run serves until ctx is done, then lets requests in flight finish for a few
// seconds, closes what remains, and returns once no handler and no goroutine of
// the server runs. The error is nil after an orderly end. A listener that fails
// ends the whole server. Run is called once, after [Server.Listen].
func (s *Server) Run(ctx context.Context) error {
	if len(s.listeners) == 0 {
		return errors.New("web: Run without Listen")
	}
	defer s.endLife()

	flags := &toolkit.FlagConfig{
		WebListenAddresses: &s.opts.ListenAddresses,
		WebSystemdSocket:   &s.opts.SystemdSocket,
		WebConfigFile:      &s.opts.ConfigFile,
	}
	var serving sync.WaitGroup
	serving.Go(func() { s.follow(s.life) })
	servers := make([]*http.Server, len(s.listeners))
	failed := make(chan error, len(s.listeners))
	for i, l := range s.listeners {
		l = netutil.LimitListener(newPeerListener(l, s.limits.perPeer, s.metrics.refused), max(1, s.limits.connections/len(s.listeners)))
		srv := s.httpServer()
		servers[i] = srv
		serving.Go(func() {
			defer l.Close() // the toolkit leaves it open where it fails early
			if err := toolkit.Serve(l, srv, flags, s.seldom); !errors.Is(err, http.ErrServerClosed) {
				failed <- fmt.Errorf("web: serve on %s: %w", l.Addr(), err)
			}
		})
	}

	var errs []error
	select {
	case <-ctx.Done():
	case err := <-failed:
		errs = append(errs, err)
	}
	errs = append(errs, s.shutdown(context.WithoutCancel(ctx), servers))
	serving.Wait()
	close(failed)
	for err := range failed {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// shutdown stops accepting, waits for the requests in flight, and cuts off those
// that take too long.
func (s *Server) shutdown(ctx context.Context, servers []*http.Server) error {
	grace, cancel := context.WithTimeout(ctx, s.limits.grace)
	defer cancel()
	var closing sync.WaitGroup
	for _, srv := range servers {
		closing.Go(func() {
			if srv.Shutdown(grace) != nil {
				_ = srv.Close() // what it reports concerns connections that are given up
			}
		})
	}
	closing.Wait()
	s.endLife()

	last, cancel := context.WithTimeout(ctx, s.limits.grace)
	defer cancel()
	if n := s.requests.close(last); n > 0 {
		return fmt.Errorf("web: %d requests still run %s after their connections were closed", n, s.limits.grace)
	}
	return nil
}
