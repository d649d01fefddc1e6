// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	commoncfg "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v3"
)

// A legacyFile is prom_sky_con.yml as its own program read it, through viper: keys in
// any case, numbers and texts for one another, lists also as one text, empty values as
// absent.
type legacyFile struct {
	HostID    string   `key:"host_id" is:"name"`
	Analyzers []string `key:"analyzers" is:"old analyzer" most:"64"`
	Analyzer  struct {
		Auth struct {
			Cluster struct {
				Username string           `key:"username" is:"username"`
				Password commoncfg.Secret `key:"password"`
			} `key:"cluster"`
		} `key:"auth"`
	} `key:"analyzer"`
	Pipeline struct {
		Subscriber struct {
			URL       string `key:"url" is:"old analyzer"`
			CaptureID string `key:"capture_id" is:"capture"`
		} `key:"subscriber"`
		Classify struct {
			Networks []netip.Prefix `key:"cluster_net_masks"`
		} `key:"classify"`
		Filter struct {
			Tags []string `key:"excluded_tags" values:"ingress egress internal other"`
		} `key:"filter"`
		Transform struct {
			Type string `key:"type" default:"none" is:"none"`
		} `key:"transform"`
		Store struct {
			Type     string `key:"type" is:"prom_sky_con" required:"write type: prom_sky_con"`
			Settings struct {
				Port    string `key:"port" default:"9100" is:"old port"`
				Timeout string `key:"connection_timeout"`
			} `key:"prom_sky_con"`
		} `key:"store"`
	} `key:"pipeline"`
	RemoteWrite yaml.Node `key:"remote_write"` // as it stands in the file

	_ ignored `key:"tls" help:"make a skybridge.yml with skybridge convert-config and set skydive.tls_config there"`
	_ ignored `key:"logging" help:"use the flags --log.level and --log.format"`
}

// legacy reads prom_sky_con.yml into c. What its own program could not run with is an
// error here too.
func (r *reader) legacy(root *yaml.Node, c *Config) *legacyFile {
	old := withDefaults[legacyFile]()
	r.lenient = true
	r.overlay(root)
	r.object(root, reflect.ValueOf(&old).Elem(), "")
	p := &old.Pipeline
	c.Skydive.HostID, c.Skydive.BasicAuth.Username = old.HostID, old.Analyzer.Auth.Cluster.Username
	if c.Skydive.BasicAuth.Password = old.Analyzer.Auth.Cluster.Password; c.Skydive.BasicAuth.Username == "" && c.Skydive.BasicAuth.Password != "" {
		r.warn("analyzer.auth.cluster.password", "has no effect without a username")
		c.Skydive.BasicAuth.Password = ""
	}
	c.Aggregation.ClusterNetworks, c.Aggregation.ExcludeClasses = p.Classify.Networks, p.Filter.Tags
	c.Aggregation.checkClasses(r, "pipeline.filter.excluded_tags")
	c.Web.ListenAddress = p.Store.Settings.Port
	r.legacyFeed(&old, c)
	r.legacyTimeout(p.Store.Settings.Timeout, &c.Aggregation)
	r.validate(reflect.ValueOf(&old).Elem(), "")

	r.lenient = false // the stanza is Prometheus', not the old program's
	if n := &old.RemoteWrite; n.Kind != 0 {
		r.value(n, reflect.ValueOf(&c.RemoteWrite).Elem(), "remote_write", key{own: true})
	}
	for i := range c.RemoteWrite {
		r.validate(reflect.ValueOf(&c.RemoteWrite[i]).Elem(), fmt.Sprintf("remote_write[%d]", i))
	}
	c.check(r, "")
	return &old
}

// legacyFeed finds the feed: the subscriber's URL, else the analyzers. The topology is
// asked of the analyzers, else of the feed's. Agents send each batch to any analyzer
// (skydive-feed.md), so one of several misses flows.
func (r *reader) legacyFeed(old *legacyFile, c *Config) {
	const path = "pipeline.subscriber.url"
	feed := old.Pipeline.Subscriber.URL
	if capture := old.Pipeline.Subscriber.CaptureID; capture != "" {
		c.Skydive.CaptureIDs = []string{capture}
	}
	if feed == "" {
		if c.Skydive.Analyzers = old.Analyzers; len(old.Analyzers) == 0 && r.sound("analyzers") && r.sound(path) {
			r.fail(path, "is missing, and so are analyzers", "write the URL of an analyzer, such as ws://127.0.0.1:8082"+subscriberPath)
		}
		return
	}
	c.Skydive.Analyzers = []string{feed}
	if !slices.Equal(old.Analyzers, c.Skydive.Analyzers) {
		c.Topology.Analyzers = old.Analyzers
	}
	host := func(analyzer string) string { return strings.Split(analyzer, "/")[2] } // checkText has made it a URL with a path
	missed := slices.DeleteFunc(slices.Clone(old.Analyzers), func(a string) bool { return host(a) == host(feed) })
	if len(missed) > 0 && len(old.Analyzers) > 1 {
		r.warn(path, fmt.Sprintf("names one analyzer, and %d more stand in analyzers: agents spread their flows over all of them; remove the URL to read from all", len(missed)))
	}
}

// legacyTimeout reads seconds, 0 meaning the default. The old program took 60 s
// for a text with a unit; here it means what it says.
func (r *reader) legacyTimeout(text string, c *Aggregation) {
	const path, most = "pipeline.store.prom_sky_con.connection_timeout", 365 * 24 * time.Hour
	if text == "" {
		return
	}
	var timeout time.Duration
	if seconds, err := strconv.ParseFloat(text, 64); err == nil && seconds >= 0 && seconds <= most.Seconds() {
		timeout = time.Duration(seconds) * time.Second // parts of a second were cut
	} else if d, err := model.ParseDuration(text); err == nil && d >= model.Duration(time.Second) && time.Duration(d) <= most {
		timeout = time.Duration(d)
		r.warn(path, fmt.Sprintf("has a unit: it is read as %s, where the old connector took 1m", d))
	} else {
		r.fail(path, "is "+quoted(text), fmt.Sprintf("write whole seconds, such as 60, up to %.0f", most.Seconds()))
	}
	if timeout == 0 {
		return
	}
	c.ConnectionTimeout = timeout
	c.FlowRetention = max(c.FlowRetention, min(2*timeout, most)) // a flow must be remembered for as long as it is shown
}
