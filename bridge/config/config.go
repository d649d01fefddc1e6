// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

// Package config turns a configuration file into a validated [Config].
//
// Two formats are read and told apart by the top-level key pipeline, which
// only the second has: skybridge's own, and prom_sky_con.yml, the file of the
// Skydive-Prometheus connector that skybridge replaces, exactly as its users
// have it. [Convert] makes the first of the second.
//
// The keys of the first are the fields of [Config]: what concerns a key stands in the
// tags of its field. All errors of a file are reported at once as an [*Errors], each
// with its line, what is wrong, and what to do. What is accepted though it may not be
// what was meant is a [Warning].
//
// A secret never appears in an error, a warning, a summary, or in what fmt, slog or
// encoding/json make of the types here. To that end messages quote a value only where
// its key cannot hold a secret, never a URL that has a user part, and never the words
// of the YAML decoder where those can quote the file.
//
// Names of files (password_file, ca_file, …) are relative to the folder of the
// configuration file. A systemd credential is named by its path, which is
// /run/credentials/<unit>/<name>, not by ${CREDENTIALS_DIRECTORY}: environment variables are
// expanded in global.external_labels only. Those of the old connector, SKYDIVE_…, win over
// the keys of its file. [Load] checks that each file exists and can be read; [Convert] does
// not touch them.
//
// An empty value (key without anything after the colon) leaves the default in force.
// YAML anchors, aliases and merge keys work; other tags than !!str do not. A file is at
// most 1 MiB and one document.
package config

import (
	"cmp"
	"net/netip"
	"time"

	commoncfg "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/relabel"
)

// This file is the tree of keys. All that concerns one key stands in the tags of its
// field, and everything else is derived from them:
//
//	key      its name; ",inline" for a struct whose keys stand one level higher
//	default  as it would be written in the file; absent: the zero value
//	min, max bounds of a number, duration or size
//	upto     the key of the same struct that it must not be greater than
//	zero     0 is allowed beside them, and means this
//	auto     "auto" is allowed, reads as 0, and means this
//	values   the words that are allowed; anycase: whatever their case
//	is       what a text must look like, see checkText
//	variables where $NAME and ${NAME} are replaced by environment variables: "replaced"
//	names    what the names of a mapping must look like, see checkText
//	most     how many items a list may have, or the lists of a mapping together
//	required what to do where it is missing
//	brief    "keep": convert-config writes it even where it has its default
//	help     one line for the documentation
//
// Keys of Prometheus that mean nothing here are fields of the types ignored and
// unsupported, whose help says why and what to use instead.

type (
	ignored     struct{}
	unsupported struct{}
)

// Config is a validated configuration with every default filled in. It holds
// secrets in the clear where the file does; fmt, slog and encoding/json show
// them masked.
type Config struct {
	Global      Global        `key:"global"`
	Skydive     Skydive       `key:"skydive"`
	Aggregation Aggregation   `key:"aggregation"`
	Topology    Topology      `key:"topology"`
	Storage     Storage       `key:"storage"`
	RemoteWrite []RemoteWrite `key:"remote_write" help:"the endpoints; may be absent"`
	Web         Web           `key:"web"`
}

// Global holds what concerns every sample.
type Global struct {
	// Prometheus' lookback is 5 m: series that are pushed less often have gaps in every graph.
	PushInterval   time.Duration     `key:"push_interval" default:"15s" min:"1s" max:"4m" help:"how often all series are sampled and pushed; /metrics serves the latest sample"`
	ExternalLabels map[string]string `key:"external_labels" names:"external label" is:"label value" variables:"replaced" help:"added to every pushed series, not to /metrics; they distinguish this bridge's series in the receiver"`
}

// Skydive says where flows come from. Analyzers are WebSocket URLs, path filled in,
// without credentials, no two the same.
type Skydive struct {
	Analyzers  []string            `key:"analyzers" is:"analyzer" most:"64" required:"list at least one analyzer, such as [ws://127.0.0.1:8082]" help:"WebSocket URLs, ws:// or wss://, or host:port; dns+ws:// for each address of a name, dnssrv+ws:// for its SRV records; without a path, /ws/subscriber/flow; flows are merged"`
	CaptureIDs []string            `key:"capture_ids" is:"capture" help:"subscribe only to these captures; empty: all"`
	HostID     string              `key:"host_id" is:"name" help:"the bridge's name at the analyzers; empty: skybridge-HOSTNAME-LISTENADDRESS"`
	BasicAuth  BasicAuth           `key:"basic_auth"`
	Login      bool                `key:"login" help:"use basic_auth at POST /login alone, and the token and cookies of its answer for the rest, as Keystone needs it"`
	Headers    map[string]string   `key:"headers" names:"header" is:"header value" help:"added to each request, for example a cookie for a proxy"`
	TLS        commoncfg.TLSConfig `key:"tls_config" help:"for wss://, as in Prometheus"`
	Others     OtherAccess         `key:",inline"`
	// Every live capture sends statistics every 10 s (skydive-feed.md).
	SilenceTimeout time.Duration `key:"silence_timeout" auto:"learned from the updates and statistics received" min:"10s" max:"1d" help:"reconnect after this long without data, even if the connection is alive"`
}

// OtherAccess is more of Prometheus' HTTP client settings.
type OtherAccess struct {
	Authorization         *commoncfg.Authorization `yaml:"authorization"`
	OAuth2                *commoncfg.OAuth2        `yaml:"oauth2"`
	HTTPHeaders           *commoncfg.Headers       `yaml:"http_headers"`
	commoncfg.ProxyConfig `yaml:",inline"`
}

// BasicAuth are the credentials for the analyzers; no Username and no UsernameFile mean
// none. At most one of each and its file is set.
type BasicAuth struct {
	Username     string           `key:"username" is:"username" help:"user of Skydive's API (analyzer.auth.api)"`
	UsernameFile string           `key:"username_file" help:"a file that holds the user's name"`
	Password     commoncfg.Secret `key:"password" help:"the password; better in a file"`
	PasswordFile string           `key:"password_file" help:"a file that holds the password"`
}

// Aggregation says what is counted and in how many series. The upper bounds only
// catch slips.
type Aggregation struct {
	Labels              []string                  `key:"labels" is:"label" required:"list at least one label, or remove the key for the default" help:"the labels of a connection; counters sum over the others, exactly"`
	ConnectionTimeout   time.Duration             `key:"connection_timeout" default:"1m" min:"1s" max:"1y" upto:"flow_retention" brief:"keep" help:"a connection ends when no traffic was reported for this long after its next update was due"`
	FlowRetention       time.Duration             `key:"flow_retention" default:"30m" min:"1s" max:"1y" help:"how long a flow without reports is kept: at least for as long as its connection is shown; more than twice Skydive's flow.expire"`
	MaxSeries           int                       `key:"max_series" default:"1000000" min:"5" max:"1000000000" help:"series, not connections: a connection has up to 5; beyond it, new connections are counted in one overflow connection per protocol"`
	MaxFlows            int                       `key:"max_flows" default:"4000000" min:"1" max:"1000000000" help:"beyond it, the least recently reported flow is evicted"`
	MaxSeriesPerNode    int                       `key:"max_series_per_node" min:"5" max:"1000000000" zero:"no bound" help:"beyond it, new connections that a node reports are counted in the overflow"`
	Ports               string                    `key:"ports" default:"keep" values:"keep drop service" help:"the values of initiator_port and target_port: every port, none, or the service's"`
	ServicePorts        []ServicePorts            `key:"service_ports" help:"server ports beside the well-known ones: 9042, 8000-8010/tcp"`
	Networks            map[string][]netip.Prefix `key:"networks" names:"network" most:"100000" help:"names for CIDRs, for initiator_network and target_network; the longest matching prefix wins"`
	ClusterNetworks     []netip.Prefix            `key:"cluster_networks" help:"CIDRs of your own networks, for flow_class"`
	ExcludeClasses      []string                  `key:"exclude_classes" values:"ingress egress internal other" help:"classes that are not exported"`
	ExcludeNetworks     []netip.Prefix            `key:"exclude_networks" most:"1000" help:"CIDRs; traffic with either end in one of them is not exported"`
	ExcludeProtocols    []string                  `key:"exclude_protocols" values:"TCP UDP SCTP" anycase:"true" help:"protocols that are not exported"`
	ExcludeApplications []string                  `key:"exclude_applications" is:"application" most:"1000" help:"applications that are not exported, such as DNS or VXLAN, spelled as Skydive does"`
	Observers           string                    `key:"observers" default:"all" values:"all one" help:"whether a connection counts for each node that sees it, or once"`
	Tunnels             string                    `key:"tunnels" default:"both" values:"both inner outer" help:"what counts of a tunnel: payload and carrying flow, or one of them"`
	Portless            string                    `key:"portless" default:"skip" values:"skip count" help:"flows with addresses but no ports: ICMP, ESP, GRE"`
	FlowExpire          time.Duration             `key:"flow_expire" auto:"as observed" min:"1s" max:"1y" help:"Skydive's flow.expire"`
	TopK                int                       `key:"top_k" min:"1" max:"1000000000" zero:"no limit" help:"this many connections have their own series: the busiest, by bytes"`
	// Live flows are reported every flow.update, which may be a second; a shorter window ranks by chance.
	TopKWindow time.Duration `key:"top_k_window" default:"5m" min:"10s" max:"1d" help:"the time over which they are ranked; a multiple of Skydive's flow.update"`
}

// Topology says whom to ask for names and network interfaces. Analyzers are URLs as
// those of Skydive, whose credentials and TLS they share.
type Topology struct {
	Enabled         bool          `key:"enabled" default:"true" help:"false: no queries; name labels stay empty, and there are no interface metrics"`
	Analyzers       []string      `key:"analyzers" is:"analyzer" most:"64" help:"the addresses to query, if different from skydive.analyzers"`
	RefreshInterval time.Duration `key:"refresh_interval" default:"20s" min:"1s" max:"1h" help:"how often to query"`
	CacheSize       int           `key:"cache_size" default:"100000" min:"100" max:"10000000" help:"the number of node names, of address names, and of interfaces to keep: each"`
}

// Storage bounds what is kept until every endpoint has it. The least MaxBytes is
// room for some ticks of many series, so that there are always several segments.
type Storage struct {
	MaxBytes       Size          `key:"max_bytes" default:"10GB" min:"16MB" max:"1024TB" help:"disk space for samples that receivers have not acknowledged, with --storage.path"`
	MaxAge         time.Duration `key:"max_age" default:"1d" min:"1m" max:"1y" help:"maximum age of samples, on disk or in memory"`
	MemoryMaxBytes Size          `key:"memory_max_bytes" default:"512MB" min:"1MB" max:"1TB" help:"memory for samples that receivers have not acknowledged; with --storage.path, for those that a failing disk cannot store"`
}

// Web says where the HTTP surface listens; an empty host means every address.
type Web struct {
	ListenAddress string `key:"listen_address" default:":9100" is:"listener" brief:"keep" help:"--web.listen-address wins"`
}

// RemoteWrite is one endpoint. Its identity is Name, else URL; no two
// endpoints share one.
type RemoteWrite struct {
	URL           string        `key:"url" is:"receiver" required:"write the endpoint's URL, such as http://127.0.0.1:9090/api/v1/write" help:"the receiver's URL, with its path"`
	Name          string        `key:"name" is:"name" help:"identifies the endpoint in metrics, and in a reload that changes its URL"`
	RemoteTimeout time.Duration `key:"remote_timeout" default:"30s" min:"10ms" max:"10m" help:"timeout of one request"`
	// Receivers accepted what was 59 minutes old and refused 61 (measured).
	BacklogWindow       time.Duration              `key:"backlog_window" default:"50m" min:"1m" max:"1y" zero:"a receiver that accepts samples of any age" help:"samples up to this age are pushed as they are; older ones are condensed"`
	Headers             map[string]string          `key:"headers" names:"header" is:"header value" help:"added to each request, for example a tenant"`
	ProtobufMessage     string                     `key:"protobuf_message" default:"auto" values:"auto prometheus.WriteRequest io.prometheus.write.v2.Request" help:"remote-write 1.0 or 2.0; auto detects which one the receiver supports"`
	RetryOnHTTP         []int                      `key:"retry_on_http" min:"400" max:"499" because:"5xx is always retried, and other codes refuse nothing" help:"codes with which refused samples are retried for 15 minutes before they are lost; 408, 425, 429 and 5xx are retried without that limit"`
	ExternalLabels      map[string]string          `key:"external_labels" names:"external label" is:"label value" help:"labels of this endpoint's series; they override global ones with the same names"`
	NameValidation      string                     `key:"metric_name_validation_scheme" default:"legacy" values:"legacy utf8" help:"utf8: the receiver accepts label names of any characters; legacy: of letters, digits and _ only"`
	WriteRelabelConfigs []*relabel.Config          `key:"write_relabel_configs" help:"rules as in Prometheus, applied to each series after external labels"`
	HTTPClient          commoncfg.HTTPClientConfig `key:",inline"`
	Queue               Queue                      `key:"queue_config"`
	Metadata            Metadata                   `key:"metadata_config"`

	_ ignored     `key:"send_exemplars" help:"skybridge has counters and gauges only"`
	_ ignored     `key:"send_native_histograms" help:"skybridge has counters and gauges only"`
	_ ignored     `key:"round_robin_dns" help:"new connections are made every 5 minutes and go where the resolver says"`
	_ ignored     `key:"failed_request_logging" help:"the receiver's own words are always logged"`
	_ unsupported `key:"sigv4" help:"use basic_auth, authorization, oauth2 or tls_config, or a proxy that signs requests"`
	_ unsupported `key:"azuread" help:"use basic_auth, authorization, oauth2 or tls_config, or a proxy that signs requests"`
	_ unsupported `key:"google_iam" help:"use basic_auth, authorization, oauth2 or tls_config, or a proxy that signs requests"`
}

// Queue tunes the requests to one endpoint. The values are Prometheus' but for
// RetryOnHTTP429: a rate limit must not lose bytes.
type Queue struct {
	MinShards         int           `key:"min_shards" default:"1" min:"1" max:"1000" upto:"max_shards" help:"the least number of concurrent requests"`
	MaxShards         int           `key:"max_shards" default:"50" min:"1" max:"1000" help:"the greatest number of concurrent requests"`
	MaxSamplesPerSend int           `key:"max_samples_per_send" default:"2000" min:"1" max:"100000" help:"samples of one request; at most 2000 are sent"`
	MinBackoff        time.Duration `key:"min_backoff" default:"30ms" min:"1ms" max:"1h" upto:"max_backoff" help:"the least wait before a retry"`
	MaxBackoff        time.Duration `key:"max_backoff" default:"5s" min:"1ms" max:"1h" help:"the longest wait before a retry; Retry-After wins, up to 5 minutes"`
	RetryOnHTTP429    bool          `key:"retry_on_http_429" default:"true" help:"true, unlike in Prometheus: a rate limit must not lose bytes"`
	SampleAgeLimit    time.Duration `key:"sample_age_limit" min:"0s" max:"1y" zero:"no limit" help:"samples older than this by the clock are dropped and counted"`

	_ ignored `key:"capacity" help:"samples leave at each tick, they are not collected in shards"`
	_ ignored `key:"batch_send_deadline" help:"samples leave at each tick, they are not collected in shards"`
}

// Metadata says whether and how often a receiver of remote-write 1.0 is sent the
// type, help and unit of the metrics.
type Metadata struct {
	Send         bool          `key:"send" default:"true" help:"whether to send type, help and unit of the metrics to a receiver of remote-write 1.0"`
	SendInterval time.Duration `key:"send_interval" default:"1m" min:"1s" max:"1d" help:"how often to send them"`

	_ ignored `key:"max_samples_per_send" help:"there are few metrics, their metadata fits one request"`
}

// HTTPClient returns how analyzers are reached, as Prometheus' HTTP client has it.
func (s *Skydive) HTTPClient() commoncfg.HTTPClientConfig {
	c := commoncfg.HTTPClientConfig{
		Authorization: s.Others.Authorization, OAuth2: s.Others.OAuth2, HTTPHeaders: s.Others.HTTPHeaders,
		ProxyConfig: s.Others.ProxyConfig, TLSConfig: s.TLS,
	}
	if c.ProxyURL.URL != nil || c.NoProxy != "" { // they win over the default
		c.ProxyFromEnvironment = false
	}
	if b := s.BasicAuth; b != (BasicAuth{}) {
		c.BasicAuth = &commoncfg.BasicAuth{Username: b.Username, UsernameFile: b.UsernameFile, Password: b.Password, PasswordFile: b.PasswordFile}
	}
	return c
}

// TopologyAnalyzers returns the URLs of the analyzers to ask for the topology.
func (c *Config) TopologyAnalyzers() []string {
	if len(c.Topology.Analyzers) > 0 {
		return c.Topology.Analyzers
	}
	return c.Skydive.Analyzers
}

// names is which label names the receiver accepts.
func (rw *RemoteWrite) names() model.ValidationScheme {
	if rw.NameValidation == "utf8" {
		return model.UTF8Validation
	}
	return model.LegacyValidation
}

// identity is what makes an endpoint the same one after a reload.
func (rw *RemoteWrite) identity() string { return cmp.Or(rw.Name, rw.URL) }

// ServicePorts names ports on which servers listen, of one protocol (TCP, UDP or
// SCTP) or of all ("").
type ServicePorts struct {
	First, Last uint16
	Protocol    string
}

// Size is a number of bytes. In the file it has one of the units B, KB, MB, GB or TB; as
// in Prometheus all are powers of 1024, with and without the i.
type Size int64
