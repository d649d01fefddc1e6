// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"slices"
	"strings"
)

// This file is the list of keys of skybridge's own file.

// liveKeys returns the keys that have a meaning, those of Prometheus' HTTP
// client aside.
func liveKeys() []string {
	return []string{
		"global.push_interval", "global.external_labels",
		"skydive.analyzers", "skydive.capture_ids", "skydive.host_id", "skydive.basic_auth.username",
		"skydive.basic_auth.password", "skydive.basic_auth.password_file", "skydive.tls_config",
		"skydive.silence_timeout",
		"aggregation.labels", "aggregation.connection_timeout", "aggregation.flow_retention",
		"aggregation.max_series", "aggregation.max_flows", "aggregation.max_series_per_node",
		"aggregation.ports", "aggregation.service_ports", "aggregation.networks", "aggregation.cluster_networks",
		"aggregation.exclude_classes", "aggregation.exclude_networks", "aggregation.exclude_protocols",
		"aggregation.exclude_applications", "aggregation.observers", "aggregation.tunnels", "aggregation.portless", "aggregation.flow_expire",
		"aggregation.top_k", "aggregation.top_k_window",
		"topology.enabled", "topology.analyzers", "topology.refresh_interval", "topology.cache_size",
		"storage.max_bytes", "storage.max_age", "storage.memory_max_bytes",
		"remote_write.url", "remote_write.name", "remote_write.remote_timeout", "remote_write.headers",
		"remote_write.backlog_window", "remote_write.protobuf_message", "remote_write.external_labels", "remote_write.write_relabel_configs",
		"remote_write.metadata_config.send", "remote_write.metadata_config.send_interval",
		"remote_write.queue_config.min_shards", "remote_write.queue_config.max_shards",
		"remote_write.queue_config.max_samples_per_send", "remote_write.queue_config.min_backoff",
		"remote_write.queue_config.max_backoff", "remote_write.queue_config.retry_on_http_429",
		"remote_write.queue_config.sample_age_limit",
		"web.listen_address",
	}
}

// ignoredKey says why a key of Prometheus' stanza means nothing here, or
// returns "".
func ignoredKey(path string) string {
	switch path {
	case "remote_write.queue_config.capacity", "remote_write.queue_config.batch_send_deadline":
		return "samples leave at each tick, they are not collected in shards"
	case "remote_write.send_exemplars", "remote_write.send_native_histograms":
		return "skybridge has counters and gauges only"
	case "remote_write.round_robin_dns":
		return "connections are kept, and a new one goes where the resolver says"
	case "remote_write.metadata_config.max_samples_per_send":
		return "there are few metrics, their metadata fits one request"
	case "remote_write.failed_request_logging":
		return "the receiver's own words are always logged"
	}
	return ""
}

// unsupportedKey says what to use in place of a key that Prometheus has and
// skybridge has not, or returns "".
func unsupportedKey(path string) string {
	switch path {
	case "remote_write.sigv4", "remote_write.azuread", "remote_write.google_iam":
		return "use basic_auth, authorization, oauth2 or tls_config, or a proxy that signs requests"
	}
	if strings.HasSuffix(path, "_ref") {
		return "there is no secret manager here; use the key that ends in _file"
	}
	return ""
}

// done notes every key that was not taken. What one was meant to be is looked for
// no longer than errors are shown: that takes long.
func (o *object) done() {
	unknown := 0
	for _, p := range o.pairs {
		if p.taken {
			continue
		}
		path, line := o.join(p.name), p.key.Line
		switch {
		case o.lenient:
			o.r.warn(line, legacyUnknown(path, o.label(p.name)))
		case ignoredKey(path) != "":
			o.r.warn(line, path+" has no effect: "+ignoredKey(path))
		case unsupportedKey(path) != "":
			o.r.fail(line, path+" is not supported", unsupportedKey(path))
		case !wordy(p.name):
			o.r.fail(line, o.label(p.name)+" is not known", "check its spelling, and that a space follows the colon")
		case unknown >= maxErrorsShown:
			o.r.fail(line, fmt.Sprintf("unknown key %s", path), "remove it")
		default:
			unknown++
			o.r.fail(line, fmt.Sprintf("unknown key %s", path), o.suggest(p.name))
		}
	}
}

// suggest says what an unknown key was probably meant to be.
func (o *object) suggest(name string) string {
	best, least := "", 3
	for _, key := range o.asked {
		if d := distance(strings.ToLower(name), key); d < least && d <= len(key)/3 {
			best, least = key, d
		}
	}
	if best != "" {
		return "did you mean " + best + "?"
	}
	for _, path := range liveKeys() {
		if key := path[strings.LastIndex(path, ".")+1:]; distance(name, key) <= min(2, len(key)/3) {
			return "did you mean " + path + "?"
		}
	}
	if len(o.asked) == 0 {
		return "remove it"
	}
	asked := slices.Compact(slices.Sorted(slices.Values(o.asked)))
	return "known here: " + strings.Join(asked, ", ")
}

// distance is the number of letters to insert, remove, replace or swap with
// their neighbour to make b of a.
func distance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
