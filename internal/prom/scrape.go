// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package prom

import (
	"errors"
	"fmt"

	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/discovery"
	"github.com/prometheus/prometheus/discovery/targetgroup"
	"github.com/prometheus/prometheus/scrape"
)

// Scrape scrapes until Close, as a server with this configuration would: a
// prometheus.yml, of which global and scrape_configs with static targets mean
// something here. It is called once at most.
func (s *Server) Scrape(yaml string) error {
	if s.scraping != nil {
		return errors.New("prom: Scrape is called twice")
	}
	cfg, err := config.Load(yaml, s.logger)
	if err != nil {
		return fmt.Errorf("prom: scrape configuration: %w", err)
	}
	manager, err := scrape.NewManager(&scrape.Options{DiscoveryReloadOnStartup: true}, s.logger.With("component", "scrape"), nil, s.db, nil, s.registry)
	if err != nil {
		return fmt.Errorf("prom: scrape: %w", err)
	}
	if err := manager.ApplyConfig(cfg); err != nil {
		return fmt.Errorf("prom: scrape: %w", err)
	}
	targets := map[string][]*targetgroup.Group{}
	for _, job := range cfg.ScrapeConfigs {
		for _, d := range job.ServiceDiscoveryConfigs {
			static, ok := d.(discovery.StaticConfig)
			if !ok {
				return fmt.Errorf("prom: scrape job %s: only static targets are found here, not %s", job.JobName, d.Name())
			}
			targets[job.JobName] = append(targets[job.JobName], static...)
		}
	}
	sets := make(chan map[string][]*targetgroup.Group, 1)
	sets <- targets
	s.scraping = manager
	s.running.Go(func() {
		if err := manager.Run(sets); err != nil {
			s.logger.Error("prom: scraping ended", "err", err)
		}
	})
	return nil
}
