// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"time"

	"github.com/prometheus/common/config"
	"github.com/prometheus/prometheus/model/relabel"

	"github.com/skydive-project/skybridge/remotewrite/wire"
	"github.com/skydive-project/skybridge/unixsocket"
)

// EndpointConfig is one receiver. Zero fields take the defaults of Prometheus'
// remote_write stanza, except for the booleans, which mean what they say.
type EndpointConfig struct {
	// Name identifies the endpoint; where it is empty, URL does.
	Name, URL string
	// Timeout bounds one attempt, from dialling to the end of the answer.
	// Default 30 s.
	Timeout time.Duration
	// Headers are added to each request; those that the protocol or HTTP itself
	// sets are never overridden.
	Headers map[string]string
	// HTTPClient is authentication, TLS, proxy, redirects and HTTP/2.
	HTTPClient config.HTTPClientConfig
	// ProtobufMessage is what requests are made of. Default MessageAuto.
	ProtobufMessage Message
	// SampleAgeLimit drops what is older than that by the clock, 0: nothing. The
	// log has a bound of its own, queue.Config.MaxAge.
	SampleAgeLimit time.Duration
	// BacklogWindow is how old a tick may be to be sent as it is, measured against
	// the newest one, as receivers do; older ones are condensed (condense.go). 0 is no
	// bound. Prometheus and receivers built on it refuse what is about an hour behind.
	BacklogWindow time.Duration
	// MetadataInterval is how often a receiver that is sent 1.0 gets the metadata
	// of the metrics, 0: never. In 2.0 it always comes with the series.
	MetadataInterval time.Duration
	// ExternalLabels are set on each series, in place of one of the same name.
	ExternalLabels []wire.Label
	// WriteRelabelConfigs are applied to each series after that. They are valid
	// (relabel.Config.Validate). A series that they drop is not sent, nor is one
	// that they give the name of another series; labels whose names begin with __
	// are removed in the end.
	WriteRelabelConfigs []*relabel.Config
	// UTF8Names: the receiver accepts names of labels of any characters.
	UTF8Names bool
	// MinShards and MaxShards bound the requests in flight at once; see
	// senderCount. Defaults 1 and 50.
	MinShards, MaxShards int
	// MaxSamplesPerSend splits blocks for receivers that want small requests.
	// More than MaxBlockSamples means MaxBlockSamples, the default.
	MaxSamplesPerSend int
	// MinBackoff and MaxBackoff bound the pause before a retry. Defaults 30 ms
	// and 5 s.
	MinBackoff, MaxBackoff time.Duration
	// RetryOn429 retries what a rate limit turned away instead of losing it.
	RetryOn429 bool
	// RetryOnHTTP are codes, 4xx, of refusals that are retried for maxEpisode, because
	// somebody may mend their cause, such as a rotated password. Default none.
	RetryOnHTTP []int
}

// identity identifies an endpoint, whatever else of it changes.
func (c *EndpointConfig) identity() string {
	if c.Name != "" {
		return c.Name
	}
	return c.URL
}

// label is the endpoint's remote_name in metrics, its name or, as in Prometheus,
// six digits of a hash.
func (c *EndpointConfig) label() string {
	if c.Name != "" {
		return c.Name
	}
	sum := sha256.Sum256([]byte(c.URL))
	return hex.EncodeToString(sum[:3])
}

// complete fills in defaults and complains about what cannot work.
func (c *EndpointConfig) complete() error {
	c.Timeout = cmp.Or(c.Timeout, 30*time.Second)
	c.ProtobufMessage = cmp.Or(c.ProtobufMessage, MessageAuto)
	c.MinShards = cmp.Or(c.MinShards, 1)
	c.MaxShards = cmp.Or(c.MaxShards, max(50, c.MinShards))
	c.MaxSamplesPerSend = min(cmp.Or(c.MaxSamplesPerSend, wire.MaxBlockSamples), wire.MaxBlockSamples)
	c.MinBackoff = cmp.Or(c.MinBackoff, 30*time.Millisecond)
	c.MaxBackoff = cmp.Or(c.MaxBackoff, max(5*time.Second, c.MinBackoff))

	var errs []error
	complain := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	_, over := unixsocket.Receiver(c.URL)
	switch u, err := url.Parse(over); {
	case err != nil: // its text would repeat the URL, which may hold a password
		complain("url cannot be parsed")
	case u.Scheme != "http" && u.Scheme != "https":
		complain("url must begin with http://, https:// or unix:///")
	case u.Host == "":
		complain("url has no host")
	}
	switch c.ProtobufMessage {
	case MessageAuto, Message1, Message2:
	default:
		complain("protobuf_message %q is none of %s, %s, %s", c.ProtobufMessage, MessageAuto, Message1, Message2)
	}
	c.ExternalLabels = wire.SortedLabels(c.ExternalLabels)
	names := c.naming()
	scheme := names.valid()
	if err := checkExternal(c.ExternalLabels, scheme); err != nil {
		complain("%w", err)
	}
	for i, rule := range c.WriteRelabelConfigs {
		if err := rule.Validate(scheme); err != nil {
			complain("write_relabel_configs[%d]: %w", i, err)
		}
	}
	if c.Timeout < 0 || c.MinBackoff < 0 || c.MaxBackoff < 0 || c.SampleAgeLimit < 0 || c.BacklogWindow < 0 || c.MetadataInterval < 0 {
		complain("a duration is negative")
	}
	if c.MinShards < 0 || c.MaxShards < c.MinShards {
		complain("min_shards %d and max_shards %d are not in order", c.MinShards, c.MaxShards)
	}
	if c.MaxBackoff < c.MinBackoff {
		complain("min_backoff %v is more than max_backoff %v", c.MinBackoff, c.MaxBackoff)
	}
	if c.MaxSamplesPerSend < 0 {
		complain("max_samples_per_send is negative")
	}
	if err := c.HTTPClient.Validate(); err != nil {
		complain("%w", err)
	}
	if c.HTTPClient.HTTPHeaders != nil {
		if err := c.HTTPClient.HTTPHeaders.Validate(); err != nil {
			complain("%w", err)
		}
	}
	return errors.Join(errs...)
}

// sameAs says whether o means the same. Both are complete.
func (c *EndpointConfig) sameAs(o *EndpointConfig) bool {
	a, b := *c, *o
	// Compiled expressions do not compare.
	a.WriteRelabelConfigs, b.WriteRelabelConfigs = nil, nil
	return reflect.DeepEqual(a, b) && c.naming().text() == o.naming().text()
}

// naming is what decides about the names of an endpoint's series.
func (c *EndpointConfig) naming() naming {
	return naming{c.ExternalLabels, c.WriteRelabelConfigs, c.UTF8Names}
}
