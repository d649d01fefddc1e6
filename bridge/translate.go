// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/skydive-project/skybridge/aggregator"
	"github.com/skydive-project/skybridge/aggregator/label"
	"github.com/skydive-project/skybridge/bridge/config"
	"github.com/skydive-project/skybridge/bridge/skydive"
	"github.com/skydive-project/skybridge/bridge/skydive/access"
	"github.com/skydive-project/skybridge/bridge/skydive/topology"
	"github.com/skydive-project/skybridge/remotewrite"
	"github.com/skydive-project/skybridge/remotewrite/queue"
	"github.com/skydive-project/skybridge/remotewrite/wire"
	"github.com/skydive-project/skybridge/replica"
)

// configuration is what the inputs of the aggregator say of the configuration: its own, and the
// external labels, which a tick that is made once more has to have.
func configuration(cfg *config.Config) (replica.Configuration, error) {
	external, err := json.Marshal(wireLabels(cfg.Global.ExternalLabels))
	return replica.Configuration{Config: aggregation(cfg), Extra: external}, err
}

// aggregation is the aggregator's configuration.
func aggregation(cfg *config.Config) aggregator.Config {
	a := cfg.Aggregation
	out := aggregator.Config{
		Config: label.Config{
			Labels:          a.Labels,
			Ports:           label.Ports(a.Ports),
			ClusterNetworks: a.ClusterNetworks,
			MaxNames:        cfg.Topology.CacheSize,
		},
		ConnectionTimeout: a.ConnectionTimeout,
		FlowRetention:     a.FlowRetention,
		FlowExpire:        a.FlowExpire,
		MaxSeries:         a.MaxSeries,
		MaxFlows:          a.MaxFlows,
		MaxSeriesPerNode:  a.MaxSeriesPerNode,
		TopK:              a.TopK,
		TopKWindow:        a.TopKWindow,

		ExcludeNetworks:     a.ExcludeNetworks,
		ExcludeProtocols:    a.ExcludeProtocols,
		ExcludeApplications: a.ExcludeApplications,
		Observers:           aggregator.Observers(a.Observers),
		Tunnels:             aggregator.Tunnels(a.Tunnels),
		Portless:            aggregator.Portless(a.Portless),
	}
	for _, p := range a.ServicePorts {
		out.ServicePorts = append(out.ServicePorts, label.PortRange{Protocol: p.Protocol, First: p.First, Last: p.Last})
	}
	for _, name := range slices.Sorted(maps.Keys(a.Networks)) {
		for _, p := range a.Networks[name] {
			out.Networks = append(out.Networks, label.Network{Name: name, Prefix: p})
		}
	}
	for _, class := range a.ExcludeClasses {
		out.ExcludeClasses = append(out.ExcludeClasses, label.Class(class))
	}
	return out
}

// feedConfig is the feed's configuration. The listen address is part of the default host id, so
// that two bridges on one host differ.
func feedConfig(cfg *config.Config, listenAddress string, options Options) (skydive.Config, error) {
	s := cfg.Skydive
	account, err := access.NewAccount(access.Settings{HTTP: s.HTTPClient(), Headers: s.Headers, Login: s.Login}, options.secrets)
	if err != nil {
		return skydive.Config{}, fmt.Errorf("skydive.%w", err)
	}
	hostID := s.HostID
	if hostID == "" {
		host, err := os.Hostname()
		if err != nil {
			return skydive.Config{}, fmt.Errorf("no host name for skydive.host_id: %w: set it", err)
		}
		hostID = "skybridge-" + host + "-" + listenAddress
	}
	return skydive.Config{
		Analyzers:      s.Analyzers,
		CaptureIDs:     s.CaptureIDs,
		HostID:         hostID,
		Account:        account,
		SilenceTimeout: s.SilenceTimeout,
		Resolver:       options.resolver,
	}, nil
}

// topologyConfig is the topology's configuration, with the feed's credentials and TLS.
func topologyConfig(cfg *config.Config, feed skydive.Config) topology.Config {
	return topology.Config{
		Enabled:         cfg.Topology.Enabled,
		Analyzers:       cfg.TopologyAnalyzers(),
		Account:         feed.Account,
		Resolver:        feed.Resolver,
		RefreshInterval: cfg.Topology.RefreshInterval,
		CacheSize:       cfg.Topology.CacheSize,
	}
}

// logConfig is the log's configuration.
func logConfig(cfg *config.Config) queue.Config {
	return queue.Config{
		MaxBytes:       int64(cfg.Storage.MemoryMaxBytes),
		MaxAge:         cfg.Storage.MaxAge,
		PushInterval:   cfg.Global.PushInterval,
		ExternalLabels: wireLabels(cfg.Global.ExternalLabels),
	}
}

// endpoints is the configuration of the remote_write endpoints.
func endpoints(cfg *config.Config) []remotewrite.EndpointConfig {
	out := make([]remotewrite.EndpointConfig, 0, len(cfg.RemoteWrite))
	for _, rw := range cfg.RemoteWrite {
		var metadataInterval time.Duration
		if rw.Metadata.Send {
			metadataInterval = rw.Metadata.SendInterval
		}
		out = append(out, remotewrite.EndpointConfig{
			Name:              rw.Name,
			URL:               rw.URL,
			Timeout:           rw.RemoteTimeout,
			Headers:           rw.Headers,
			HTTPClient:        rw.HTTPClient,
			MinShards:         rw.Queue.MinShards,
			MaxShards:         rw.Queue.MaxShards,
			MaxSamplesPerSend: rw.Queue.MaxSamplesPerSend,
			MinBackoff:        rw.Queue.MinBackoff,
			MaxBackoff:        rw.Queue.MaxBackoff,
			RetryOn429:        rw.Queue.RetryOnHTTP429,
			RetryOnHTTP:       rw.RetryOnHTTP,

			ProtobufMessage:     remotewrite.Message(rw.ProtobufMessage),
			ExternalLabels:      wireLabels(rw.ExternalLabels),
			WriteRelabelConfigs: rw.WriteRelabelConfigs,
			UTF8Names:           rw.NameValidation == "utf8",
			SampleAgeLimit:      rw.Queue.SampleAgeLimit,
			MetadataInterval:    metadataInterval,
			BacklogWindow:       rw.BacklogWindow,
		})
	}
	return out
}

func wireLabels(in map[string]string) []wire.Label {
	out := make([]wire.Label, 0, len(in))
	for _, name := range slices.Sorted(maps.Keys(in)) {
		out = append(out, wire.Label{Name: name, Value: in[name]})
	}
	return out
}
