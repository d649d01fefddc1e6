// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"net/netip"
	"time"

	commoncfg "github.com/prometheus/common/config"
	"github.com/prometheus/prometheus/model/relabel"
)

// Config is a validated configuration with every default filled in. It holds
// secrets in the clear where the file does; fmt, slog and encoding/json show
// them masked.
type Config struct {
	Global      Global
	Skydive     Skydive
	Aggregation Aggregation
	Topology    Topology
	Storage     Storage
	RemoteWrite []RemoteWrite
	Web         Web
}

// Global holds what concerns every sample.
type Global struct {
	// PushInterval is the distance of ticks, at least 1 s.
	PushInterval time.Duration
	// ExternalLabels are added to every pushed series, sorted by name.
	ExternalLabels []Label
}

// Label is one external label.
type Label struct{ Name, Value string }

// Skydive says where flows come from.
type Skydive struct {
	// Analyzers are WebSocket URLs, path filled in, without credentials, no two
	// the same.
	Analyzers []string
	// CaptureIDs restricts the feed to these captures; empty means all.
	CaptureIDs []string
	// HostID is the X-Host-ID to send; empty means host name and listen address.
	HostID    string
	BasicAuth BasicAuth
	TLS       commoncfg.TLSConfig
	// SilenceTimeout is how long a feed may be quiet before it is reconnected;
	// 0 means that it is learned from the updates seen.
	SilenceTimeout time.Duration
}

// BasicAuth are the credentials for the analyzers; no Username means none. At
// most one of Password and PasswordFile is set.
type BasicAuth struct {
	Username     string
	Password     commoncfg.Secret
	PasswordFile string
}

// Aggregation says what is counted and in how many series.
type Aggregation struct {
	// Labels are the labels of a connection, in the order of the file.
	Labels []string
	// ConnectionTimeout is how long a connection without traffic keeps its
	// series; FlowRetention, never shorter, how long a flow's baseline is kept.
	ConnectionTimeout, FlowRetention time.Duration
	// FlowExpire is Skydive's flow.expire; 0: as seen.
	FlowExpire time.Duration
	// MaxSeries bounds series (a connection has up to 5), MaxFlows baselines.
	MaxSeries, MaxFlows int
	// MaxSeriesPerNode bounds the series of each capture point, 0: none.
	MaxSeriesPerNode int
	// Ports is "keep", "drop" or "service"; ServicePorts are the operator's beside
	// the well-known ones.
	Ports        string
	ServicePorts []ServicePorts
	// Networks are the networks that have names, no prefix in two of them.
	Networks []Network
	// ClusterNetworks say which addresses are inside, for the label flow_class and
	// ExcludeClasses: "ingress", "egress", "internal" or "other".
	ClusterNetworks []netip.Prefix
	// What is not exported; ExcludeProtocols are among TCP, UDP and SCTP.
	ExcludeClasses      []string
	ExcludeNetworks     []netip.Prefix
	ExcludeProtocols    []string
	ExcludeApplications []string
	// Observers is "all" or "one": whether a connection counts for each node that
	// sees it. Tunnels is "both", "inner" or "outer".
	Observers, Tunnels string
	// Portless is "skip" or "count": what becomes of flows without ports.
	Portless string
	// TopK is how many connections have series of their own, 0: all; the busiest in
	// windows of TopKWindow.
	TopK       int
	TopKWindow time.Duration
}

// Network is a name for some prefixes.
type Network struct {
	Name     string
	Prefixes []netip.Prefix
}

// Topology says whom to ask for names and network interfaces.
type Topology struct {
	Enabled bool
	// Analyzers are URLs as those of Skydive, whose credentials and TLS they share;
	// empty means the same ones.
	Analyzers []string
	// RefreshInterval is the time between two questions.
	RefreshInterval time.Duration
	// CacheSize bounds the names of nodes, those of addresses, and the interfaces.
	CacheSize int
}

// Storage bounds what is kept until every endpoint has it.
type Storage struct {
	// MaxBytes and MaxAge bound the ticks on disk, where there is a storage path.
	MaxBytes int64
	MaxAge   time.Duration
	// MemoryMaxBytes bounds the ticks held in memory: all of them without a storage
	// path, else those that wait for a disk in trouble.
	MemoryMaxBytes int64
}

// Web says where the HTTP surface listens.
type Web struct {
	// ListenAddress is host:port; an empty host means every address.
	ListenAddress string
}

// RemoteWrite is one endpoint. Its identity is Name, else URL; no two
// endpoints share one.
type RemoteWrite struct {
	Name          string
	URL           string
	RemoteTimeout time.Duration
	// BacklogWindow is how old a sample may be that is pushed as it is, 0: any;
	// older ones are condensed.
	BacklogWindow time.Duration
	// ProtobufMessage is "auto" or the name of the message in Prometheus' stanza.
	ProtobufMessage string
	// ExternalLabels are set on each series, in place of one of Global's with the
	// same name; sorted by name. WriteRelabelConfigs are applied after that; each
	// is valid.
	ExternalLabels      []Label
	WriteRelabelConfigs []*relabel.Config
	// Headers are sent with each request; none is reserved to the protocol.
	Headers map[string]string
	// HTTPClient has passed its own Validate.
	HTTPClient commoncfg.HTTPClientConfig
	Queue      Queue
	Metadata   Metadata
}

// Metadata says whether and how often a receiver of remote-write 1.0 is told the
// type, help and unit of the metrics.
type Metadata struct {
	Send         bool
	SendInterval time.Duration
}

// Queue tunes the requests to one endpoint.
type Queue struct {
	// MinShards and MaxShards bound the requests in flight at a time.
	MinShards, MaxShards int
	MaxSamplesPerSend    int
	// MinBackoff and MaxBackoff bound the wait before a request is repeated.
	MinBackoff, MaxBackoff time.Duration
	// RetryOnHTTP429 repeats what a receiver's rate limit refused.
	RetryOnHTTP429 bool
	// SampleAgeLimit drops what is older, 0: nothing.
	SampleAgeLimit time.Duration
}

// setDirectory makes the names of files relative to dir.
func (c *Config) setDirectory(dir string) {
	c.Skydive.BasicAuth.PasswordFile = commoncfg.JoinDir(dir, c.Skydive.BasicAuth.PasswordFile)
	c.Skydive.TLS.SetDirectory(dir)
	for i := range c.RemoteWrite {
		client := &c.RemoteWrite[i].HTTPClient
		client.SetDirectory(dir)
		if client.OAuth2 != nil { // which SetDirectory leaves out
			client.OAuth2.ClientCertificateKeyFile = commoncfg.JoinDir(dir, client.OAuth2.ClientCertificateKeyFile)
		}
	}
}
