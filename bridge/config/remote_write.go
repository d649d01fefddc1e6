// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	commoncfg "github.com/prometheus/common/config"
	"go.yaml.in/yaml/v3"
)

// remoteWrites reads the stanza remote_write, the same in both formats.
func (r *reader) remoteWrites(n *yaml.Node) []RemoteWrite {
	if n == nil {
		return nil
	}
	if n.Kind != yaml.SequenceNode {
		r.fail(n.Line, "remote_write must be a list, it is a "+kindName(n), `write "- " before the first key of each endpoint`)
		return nil
	}
	var all []RemoteWrite
	taken := map[string]int{}
	for _, item := range n.Content {
		rw := r.remoteWrite(item)
		identity, line := rw.Name, item.Line
		if identity == "" {
			identity = rw.URL
		}
		switch first, again := taken[identity]; {
		case identity == "":
		case again && rw.Name != "":
			r.fail(line, fmt.Sprintf("remote_write.name is the same as that of the endpoint in line %d", first), "give each endpoint a name of its own")
		case again:
			r.fail(line, fmt.Sprintf("remote_write.url is the same as that of the endpoint in line %d", first), "give each of them a name, or remove one")
		default:
			taken[identity] = line
		}
		all = append(all, rw)
	}
	return all
}

func (r *reader) remoteWrite(n *yaml.Node) RemoteWrite {
	rw := DefaultRemoteWrite("")
	if isNull(n) {
		r.fail(n.Line, "remote_write has an empty item", "write url: and the endpoint's URL")
		return rw
	}
	o := r.object(n, "remote_write", false)
	n = o.take("url")
	o.text("url", &rw.URL)
	switch {
	case o.broken:
	case n == nil || n.Kind == yaml.ScalarNode && rw.URL == "":
		r.fail(o.lineOf("url"), "remote_write.url is missing", "write the endpoint's URL, such as http://127.0.0.1:9090/api/v1/write")
	case rw.URL != "" && !r.httpURL(item{rw.URL, n.Line}, "remote_write.url", "basic_auth in this stanza"):
		rw.URL = ""
	case rw.URL != "":
		r.writePath(rw.URL, n.Line)
	}
	o.text("name", &rw.Name)
	if len(rw.Name) > 255 || !printable(rw.Name) {
		r.fail(o.lineOf("name"), "remote_write.name is too long or has characters that cannot be printed", "choose a short name")
	}
	o.duration("remote_timeout", &rw.RemoteTimeout, 10*time.Millisecond, 10*time.Minute)
	o.duration("backlog_window", &rw.BacklogWindow, 0, 365*24*time.Hour)
	if rw.BacklogWindow > 0 && rw.BacklogWindow < minBacklogWindow {
		r.fail(o.lineOf("backlog_window"), "remote_write.backlog_window is "+showDuration(rw.BacklogWindow),
			"write at least "+showDuration(minBacklogWindow)+", or 0s for a receiver that takes samples of any age")
	}
	rw.Headers = r.headers(r.object(o.take("headers"), "remote_write.headers", false))
	if n := o.take("protobuf_message"); n != nil {
		if s, ok := r.scalar(n, "remote_write.protobuf_message"); ok && slices.Contains(protobufMessages(), s) {
			rw.ProtobufMessage = s
		} else if ok {
			r.fail(n.Line, "remote_write.protobuf_message is unknown: "+quoted(s), "use one of "+strings.Join(protobufMessages(), ", "))
		}
	}
	rw.ExternalLabels = r.externalLabels(r.object(o.take("external_labels"), "remote_write.external_labels", false))
	rw.WriteRelabelConfigs = o.relabelConfigs("write_relabel_configs")
	r.httpClient(o, &rw)
	metadata := o.child("metadata_config")
	metadata.boolean("send", &rw.Metadata.Send)
	metadata.duration("send_interval", &rw.Metadata.SendInterval, time.Second, 24*time.Hour)
	metadata.done()
	r.queue(o.child("queue_config"), &rw.Queue)
	o.done()
	return rw
}

// minBacklogWindow leaves room for some ticks and for requests that wait.
const minBacklogWindow = time.Minute

// headers reads the headers to send with each request. Their values may be
// secret.
func (r *reader) headers(o *object) map[string]string {
	var headers map[string]string
	seen := map[string]bool{}
	for i := range o.pairs {
		p := &o.pairs[i]
		p.taken = true
		path, canonical := o.label(p.name), http.CanonicalHeaderKey(p.name)
		if !r.headerName(path, p.name, p.key.Line) {
			continue
		}
		if seen[canonical] {
			r.fail(p.key.Line, path+" stands there twice; case does not matter", "remove one of them")
			continue
		}
		seen[canonical] = true
		if isNull(p.value) {
			r.fail(p.key.Line, path+" has no value", "write one, or remove the header")
			continue
		}
		value, ok := r.scalar(p.value, path)
		if !ok {
			continue
		}
		if strings.ContainsFunc(value, func(c rune) bool { return c < ' ' && c != '\t' || c == 0x7F }) {
			r.fail(p.value.Line, path+" has a line break or a control character", "remove it")
			continue
		}
		if headers == nil {
			headers = map[string]string{}
		}
		r.noVariable(value, p.value.Line, path)
		headers[p.name] = value
	}
	return headers
}

// headerName checks the name of a header that the operator adds (RFC 9110,
// section 5.1); some are the protocol's own.
func (r *reader) headerName(path, name string, line int) bool {
	canonical := http.CanonicalHeaderKey(name)
	_, reserved := commoncfg.ReservedHeaders[canonical]
	switch {
	case canonical == "Authorization":
		r.fail(line, path+" must not be set as a header", "use basic_auth, authorization or oauth2")
	case reserved || canonical == "Retry-Attempt" || canonical == "Transfer-Encoding":
		r.fail(line, path+" is reserved to the protocol", "remove it")
	case !token(name):
		r.fail(line, path+" is no valid name of a header", "use letters, digits and -, and a space after the colon")
	default:
		return true
	}
	return false
}

// token reports whether s is a token in the sense of RFC 9110, section 5.6.2.
func token(s string) bool {
	for _, c := range s {
		if !alphanumeric(c) && !strings.ContainsRune("!#$%&'*+-.^_`|~", c) {
			return false
		}
	}
	return s != ""
}

// maxShards bounds the requests in flight to one endpoint; more only harms it.
const maxShards = 1000

func (r *reader) queue(o *object, q *Queue) {
	o.integer("min_shards", &q.MinShards, 1, maxShards)
	o.integer("max_shards", &q.MaxShards, 1, maxShards)
	if q.MinShards > q.MaxShards {
		r.fail(o.lineOf("min_shards"), fmt.Sprintf("%s.min_shards (%d) is greater than max_shards (%d)", o.path, q.MinShards, q.MaxShards),
			"lower min_shards or raise max_shards")
	}
	o.integer("max_samples_per_send", &q.MaxSamplesPerSend, 1, 100_000)
	o.duration("min_backoff", &q.MinBackoff, time.Millisecond, time.Hour)
	o.duration("max_backoff", &q.MaxBackoff, time.Millisecond, time.Hour)
	if q.MinBackoff > q.MaxBackoff {
		r.fail(o.lineOf("min_backoff"), fmt.Sprintf("%s.min_backoff (%s) is greater than max_backoff (%s)",
			o.path, showDuration(q.MinBackoff), showDuration(q.MaxBackoff)), "lower min_backoff or raise max_backoff")
	}
	o.boolean("retry_on_http_429", &q.RetryOnHTTP429)
	o.duration("sample_age_limit", &q.SampleAgeLimit, 0, 365*24*time.Hour)
	o.done()
}
