// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"time"

	commoncfg "github.com/prometheus/common/config"
)

// Default returns the configuration of a file that sets nothing. It is not
// complete: Skydive.Analyzers, the one required key, is empty.
func Default() Config {
	return Config{
		Global: Global{PushInterval: 15 * time.Second},
		Aggregation: Aggregation{
			Labels:            connectionLabels(),
			ConnectionTimeout: time.Minute,
			FlowRetention:     30 * time.Minute,
			MaxSeries:         1_000_000,
			MaxFlows:          4_000_000,
			Ports:             portPolicies()[0],
			Observers:         observerPolicies()[0],
			Tunnels:           tunnelPolicies()[0],
			Portless:          portlessPolicies()[0],
			TopKWindow:        5 * time.Minute,
		},
		Topology: Topology{Enabled: true, RefreshInterval: 20 * time.Second, CacheSize: 100_000},
		Storage: Storage{
			MaxBytes:       10 << 30,
			MaxAge:         24 * time.Hour,
			MemoryMaxBytes: 512 << 20,
		},
		Web: Web{ListenAddress: ":9100"},
	}
}

// DefaultRemoteWrite returns an endpoint that sets nothing but its URL. The
// values are Prometheus' but for two: RetryOnHTTP429, for a rate limit must not
// lose bytes, so what it refuses is sent again; and ProtobufMessage, which there
// is always 1.0 unless said otherwise.
func DefaultRemoteWrite(url string) RemoteWrite {
	return RemoteWrite{
		URL:             url,
		RemoteTimeout:   30 * time.Second,
		BacklogWindow:   50 * time.Minute, // 59 minutes were accepted, 61 refused (measured)
		ProtobufMessage: protobufMessages()[0],
		HTTPClient:      commoncfg.DefaultHTTPClientConfig,
		Metadata:        Metadata{Send: true, SendInterval: time.Minute},
		Queue: Queue{
			MinShards:         1,
			MaxShards:         50,
			MaxSamplesPerSend: 2000,
			MinBackoff:        30 * time.Millisecond,
			MaxBackoff:        5 * time.Second,
			RetryOnHTTP429:    true,
		},
	}
}

// protobufMessages returns the values of protobuf_message, the default first.
func protobufMessages() []string {
	return []string{"auto", "prometheus.WriteRequest", "io.prometheus.write.v2.Request"}
}

// connectionLabels returns the labels that a connection has by default. They are
// the old connector's.
func connectionLabels() []string {
	return []string{"initiator_ip", "target_ip", "initiator_port", "target_port", "direction", "node_tid", "protocol"}
}

// allLabels returns the labels that a connection can have, the default ones first.
func allLabels() []string {
	return append(connectionLabels(),
		"application", "capture_id", "initiator_network", "target_network", "flow_class",
		"node_name", "host", "node_type", "initiator_name", "target_name", "vlan", "vni")
}

// interfaceLabels returns the labels that network interfaces have.
func interfaceLabels() []string {
	return []string{"interface_name", "host", "interface_type", "ipv4", "ipv6", "node_tid"}
}

// flowClasses returns the classes that exclude_classes can name.
func flowClasses() []string {
	return []string{"ingress", "egress", "internal", "other"}
}
