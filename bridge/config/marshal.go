// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"bytes"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	commoncfg "github.com/prometheus/common/config"
	"go.yaml.in/yaml/v3"

	"github.com/skydive-project/skybridge/secrets"
)

// masked stands for a secret, in Prometheus' spelling.
const masked = "<secret>"

// Redacted returns the configuration in force as a file in skybridge's own
// format, every key with its value, and every secret replaced by <secret>: what
// a status page shows. Values of headers count as secrets, and so do the user
// part and the query of a URL.
func (c *Config) Redacted() []byte {
	return encode(c.document(writer{mask: true}))
}

// always is the default of a key that also a brief file shows: one of the two
// that the old connector's documentation tells its users to set.
const always = 0

// Format shows c as [Config.Redacted] does, whatever the verb.
func (c Config) Format(f fmt.State, _ rune) { _, _ = f.Write(c.Redacted()) }

// MarshalText is [Config.Redacted], for slog and encoding/json. The error is
// always nil.
func (c Config) MarshalText() ([]byte, error) { return c.Redacted(), nil }

// Format shows s without its password.
func (s Skydive) Format(f fmt.State, _ rune) { _, _ = f.Write(s.redacted()) }

// MarshalText shows s without its password. The error is always nil.
func (s Skydive) MarshalText() ([]byte, error) { return s.redacted(), nil }

func (s Skydive) redacted() []byte { return encode(s.node(writer{mask: true})) }

// Format shows b without its password.
func (b BasicAuth) Format(f fmt.State, _ rune) { _, _ = f.Write(b.redacted()) }

// MarshalText shows b without its password. The error is always nil.
func (b BasicAuth) MarshalText() ([]byte, error) { return b.redacted(), nil }

func (b BasicAuth) redacted() []byte { return encode(b.node(writer{mask: true})) }

// Format shows rw without secrets.
func (rw RemoteWrite) Format(f fmt.State, _ rune) { _, _ = f.Write(rw.redacted()) }

// MarshalText shows rw without secrets. The error is always nil.
func (rw RemoteWrite) MarshalText() ([]byte, error) { return rw.redacted(), nil }

func (rw RemoteWrite) redacted() []byte { return encode(rw.node(writer{mask: true})) }

// encode writes a tree as YAML.
func encode(n *yaml.Node) []byte {
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(n); err != nil {
		// The trees of this file are made of valid nodes.
		return fmt.Appendf(nil, "# not shown: %v\n", err)
	}
	return b.Bytes()
}

// A writer builds the tree of a configuration.
type writer struct {
	// mask replaces what is secret.
	mask bool
	// brief leaves out what is as in a file that sets nothing.
	brief bool
}

func (w writer) secret(s string) string {
	if w.mask && s != "" {
		return masked
	}
	return s
}

func (w writer) url(s string) string {
	if w.mask {
		return secrets.URL(s)
	}
	return s
}

// put adds a key to m unless w is brief and value is what it is by default.
func (w writer) put(m *yaml.Node, key string, value, byDefault any) {
	if !w.brief || !reflect.DeepEqual(value, byDefault) {
		add(m, key, scalarNode(value))
	}
}

// putMap adds a mapping to m unless it is empty.
func (w writer) putMap(m *yaml.Node, key string, value *yaml.Node) {
	if len(value.Content) > 0 {
		add(m, key, value)
	}
}

func add(m *yaml.Node, key string, value *yaml.Node) {
	m.Content = append(m.Content, textNode(key), value)
}

func mapping() *yaml.Node { return &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"} }

func textNode(s string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s}
	if strings.HasPrefix(s, ":") {
		n.Style = yaml.DoubleQuotedStyle // ":9100" needs no quotes, but looks as if it did
	}
	return n
}

func plainNode(tag string, v any) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: tag, Value: fmt.Sprint(v)}
}

// scalarNode returns the node of a text, number, boolean, duration or list.
func scalarNode(value any) *yaml.Node {
	switch v := value.(type) {
	case string:
		return textNode(v)
	case time.Duration:
		return textNode(showDuration(v))
	case bool:
		return plainNode("!!bool", v)
	case int:
		return plainNode("!!int", v)
	}
	list := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
	v := reflect.ValueOf(value)
	for i := range v.Len() {
		list.Content = append(list.Content, textNode(fmt.Sprint(v.Index(i))))
	}
	if v.Len() == 0 || v.Index(0).Kind() == reflect.String && !strings.Contains(v.Index(0).String(), "://") {
		list.Style = yaml.FlowStyle // words fit a line, addresses do not
	}
	return list
}

// document returns c in skybridge's own format.
func (c *Config) document(w writer) *yaml.Node {
	d, doc := Default(), mapping()
	global := mapping()
	w.put(global, "push_interval", c.Global.PushInterval, d.Global.PushInterval)
	w.putMap(global, "external_labels", labelsNode(c.Global.ExternalLabels))
	w.putMap(doc, "global", global)
	w.putMap(doc, "skydive", c.Skydive.node(w))
	w.putMap(doc, "aggregation", c.Aggregation.node(w))
	topology, t := mapping(), &c.Topology
	w.put(topology, "enabled", t.Enabled, d.Topology.Enabled)
	if urls := c.Topology.Analyzers; len(urls) > 0 {
		shown := make([]string, len(urls))
		for i, u := range urls {
			shown[i] = w.url(u)
		}
		add(topology, "analyzers", scalarNode(shown))
	} else {
		w.put(topology, "analyzers", urls, []string(nil))
	}
	w.put(topology, "refresh_interval", t.RefreshInterval, d.Topology.RefreshInterval)
	w.put(topology, "cache_size", t.CacheSize, d.Topology.CacheSize)
	w.putMap(doc, "topology", topology)
	storage := mapping()
	w.put(storage, "max_bytes", showSize(c.Storage.MaxBytes), showSize(d.Storage.MaxBytes))
	w.put(storage, "max_age", c.Storage.MaxAge, d.Storage.MaxAge)
	w.put(storage, "memory_max_bytes", showSize(c.Storage.MemoryMaxBytes), showSize(d.Storage.MemoryMaxBytes))
	w.putMap(doc, "storage", storage)
	if len(c.RemoteWrite) > 0 {
		list := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
		for i := range c.RemoteWrite {
			list.Content = append(list.Content, c.RemoteWrite[i].node(w))
		}
		add(doc, "remote_write", list)
	}
	web := mapping()
	w.put(web, "listen_address", c.Web.ListenAddress, always)
	w.putMap(doc, "web", web)
	return doc
}

func labelsNode(labels []Label) *yaml.Node {
	m := mapping()
	for _, l := range labels {
		add(m, l.Name, textNode(l.Value))
	}
	return m
}

func (s *Skydive) node(w writer) *yaml.Node {
	m := mapping()
	urls := make([]string, len(s.Analyzers))
	for i, u := range s.Analyzers {
		urls[i] = w.url(u)
	}
	add(m, "analyzers", scalarNode(urls))
	w.put(m, "capture_ids", s.CaptureIDs, []string(nil))
	w.put(m, "host_id", s.HostID, "")
	w.putMap(m, "basic_auth", s.BasicAuth.node(w))
	w.putMap(m, "tls_config", w.fields(mapping(), reflect.ValueOf(s.TLS), reflect.ValueOf(commoncfg.TLSConfig{})))
	w.putAuto(m, "silence_timeout", s.SilenceTimeout)
	return m
}

// putAuto puts a duration of which 0 is "auto", the default.
func (w writer) putAuto(m *yaml.Node, key string, d time.Duration) {
	if d == 0 {
		w.put(m, key, "auto", "auto")
	} else {
		add(m, key, scalarNode(d))
	}
}

func (b *BasicAuth) node(w writer) *yaml.Node {
	m := mapping()
	w.brief = true // each is either given or of no meaning
	w.put(m, "username", b.Username, "")
	w.put(m, "password", w.secret(string(b.Password)), "")
	w.put(m, "password_file", b.PasswordFile, "")
	return m
}

func (a *Aggregation) node(w writer) *yaml.Node {
	m, d := mapping(), Default().Aggregation
	w.put(m, "labels", a.Labels, d.Labels)
	w.put(m, "connection_timeout", a.ConnectionTimeout, always)
	w.put(m, "flow_retention", a.FlowRetention, d.FlowRetention)
	w.put(m, "max_series", a.MaxSeries, d.MaxSeries)
	w.put(m, "max_flows", a.MaxFlows, d.MaxFlows)
	w.put(m, "max_series_per_node", a.MaxSeriesPerNode, d.MaxSeriesPerNode)
	w.put(m, "ports", a.Ports, d.Ports)
	w.put(m, "service_ports", a.ServicePorts, d.ServicePorts)
	networks := mapping()
	for _, n := range a.Networks {
		add(networks, n.Name, scalarNode(n.Prefixes))
	}
	w.putMap(m, "networks", networks)
	w.put(m, "cluster_networks", a.ClusterNetworks, d.ClusterNetworks)
	w.put(m, "exclude_classes", a.ExcludeClasses, d.ExcludeClasses)
	w.put(m, "exclude_networks", a.ExcludeNetworks, d.ExcludeNetworks)
	w.put(m, "exclude_protocols", a.ExcludeProtocols, d.ExcludeProtocols)
	w.put(m, "exclude_applications", a.ExcludeApplications, d.ExcludeApplications)
	w.put(m, "observers", a.Observers, d.Observers)
	w.put(m, "tunnels", a.Tunnels, d.Tunnels)
	w.put(m, "portless", a.Portless, d.Portless)
	w.putAuto(m, "flow_expire", a.FlowExpire)
	w.put(m, "top_k", a.TopK, d.TopK)
	w.put(m, "top_k_window", a.TopKWindow, d.TopKWindow)
	return m
}

func (rw *RemoteWrite) node(w writer) *yaml.Node {
	m, d := mapping(), DefaultRemoteWrite("")
	add(m, "url", textNode(w.url(rw.URL)))
	if rw.Name != "" {
		add(m, "name", textNode(rw.Name))
	}
	w.put(m, "remote_timeout", rw.RemoteTimeout, d.RemoteTimeout)
	w.put(m, "backlog_window", rw.BacklogWindow, d.BacklogWindow)
	headers := mapping()
	for _, name := range slices.Sorted(maps.Keys(rw.Headers)) {
		add(headers, name, textNode(w.secret(rw.Headers[name])))
	}
	w.putMap(m, "headers", headers)
	w.put(m, "protobuf_message", rw.ProtobufMessage, d.ProtobufMessage)
	w.putMap(m, "external_labels", labelsNode(rw.ExternalLabels))
	if len(rw.WriteRelabelConfigs) > 0 {
		rules := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
		for _, rule := range rw.WriteRelabelConfigs {
			rules.Content = append(rules.Content, relabelNode(rule))
		}
		add(m, "write_relabel_configs", rules)
	}
	w.fields(m, reflect.ValueOf(rw.HTTPClient), reflect.ValueOf(d.HTTPClient))
	queue, q := mapping(), rw.Queue
	w.put(queue, "min_shards", q.MinShards, d.Queue.MinShards)
	w.put(queue, "max_shards", q.MaxShards, d.Queue.MaxShards)
	w.put(queue, "max_samples_per_send", q.MaxSamplesPerSend, d.Queue.MaxSamplesPerSend)
	w.put(queue, "min_backoff", q.MinBackoff, d.Queue.MinBackoff)
	w.put(queue, "max_backoff", q.MaxBackoff, d.Queue.MaxBackoff)
	w.put(queue, "retry_on_http_429", q.RetryOnHTTP429, d.Queue.RetryOnHTTP429)
	w.put(queue, "sample_age_limit", q.SampleAgeLimit, d.Queue.SampleAgeLimit)
	w.putMap(m, "queue_config", queue)
	metadata := mapping()
	w.put(metadata, "send", rw.Metadata.Send, d.Metadata.Send)
	w.put(metadata, "send_interval", rw.Metadata.SendInterval, d.Metadata.SendInterval)
	w.putMap(m, "metadata_config", metadata)
	return m
}
