// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v3"
)

// legacy reads prom_sky_con.yml as its own program did, through viper: keys in
// any case, numbers and texts for one another, lists also as one text, empty
// values as absent. What that program could not run with is an error here too.
func (r *reader) legacy(root *yaml.Node) *Config {
	c := Default()
	top := r.object(root, "", true)
	top.text("host_id", &c.Skydive.HostID)
	r.hostID(item{c.Skydive.HostID, top.lineOf("host_id")}, "host_id")
	r.legacyAuth(top.child("analyzer"), &c.Skydive.BasicAuth)
	pipeline := top.child("pipeline")
	r.legacySubscriber(top, pipeline.child("subscriber"), &c)
	r.legacyClasses(pipeline, &c.Aggregation)
	r.legacyTypes(pipeline, &c)
	c.RemoteWrite = r.remoteWrites(top.take("remote_write"))
	pipeline.done()
	top.done()
	return &c
}

// legacyUnknown is the warning for a key that is not read.
func legacyUnknown(path, label string) string {
	top, _, _ := strings.Cut(path, ".")
	switch top {
	case "tls":
		return label + " is not read: make a skybridge.yml with skybridge convert-config and set skydive.tls_config there"
	case "logging":
		return label + " is not read: use the flags --log.level and --log.format"
	case "global", "skydive", "aggregation", "topology", "storage", "web":
		return label + " is not read: of skybridge's own keys only remote_write may stand beside pipeline; " +
			"make a skybridge.yml with skybridge convert-config"
	}
	return label + " is not read: skybridge has no use for it"
}

func (r *reader) legacyAuth(analyzer *object, c *BasicAuth) {
	auth := analyzer.child("auth")
	cluster := auth.child("cluster")
	cluster.text("username", &c.Username)
	var password string
	cluster.text("password", &password)
	c.Password = secret(password)
	r.username(item{c.Username, cluster.lineOf("username")}, cluster.join("username"))
	if c.Username == "" && c.Password != "" {
		r.warn(cluster.lineOf("password"), "analyzer.auth.cluster.password has no effect without a username")
		c.Password = ""
	}
	cluster.done()
	auth.done()
	analyzer.done()
}

const legacyCredentials = "analyzer.auth.cluster"

// legacySubscriber finds the feed: the subscriber's URL, else the analyzers. The
// topology is asked of the analyzers, else of the feed's.
func (r *reader) legacySubscriber(top, o *object, config *Config) {
	c := &config.Skydive
	var addresses []string
	seen, before := set[string]{}, len(r.errs)
	for i, it := range top.texts("analyzers") {
		it.text = legacyAddress(it.text)
		path := fmt.Sprintf("analyzers[%d]", i)
		u, ok := r.analyzer(it, path, legacyCredentials)
		switch {
		case !ok:
		case !seen.add(u):
			r.warn(it.line, path+" is the same as one before it")
		default:
			addresses = append(addresses, u)
		}
	}
	var feed string
	o.text("url", &feed)
	if feed == "" {
		c.Analyzers = addresses
		if len(addresses) == 0 && len(r.errs) == before {
			r.fail(o.lineOf("url"), "pipeline.subscriber.url is missing, and so are analyzers",
				"write the URL of an analyzer, such as ws://127.0.0.1:8082"+subscriberPath)
		}
	} else if u, ok := r.analyzer(item{feed, o.lineOf("url")}, "pipeline.subscriber.url", legacyCredentials); ok {
		c.Analyzers = []string{u}
		if !slices.Equal(addresses, c.Analyzers) {
			config.Topology.Analyzers = addresses
		}
		r.legacyCoverage(o.lineOf("url"), u, addresses)
	}
	var capture string
	o.text("capture_id", &capture)
	if capture != "" && r.captureID(item{capture, o.lineOf("capture_id")}, "pipeline.subscriber.capture_id") {
		c.CaptureIDs = []string{capture}
	}
	o.done()
}

// legacyAddress completes an address as Skydive does: a port alone means this
// machine.
func legacyAddress(s string) string {
	if validPort(s, 1) {
		return "localhost:" + s
	}
	if strings.HasPrefix(s, ":") {
		return "localhost" + s
	}
	return s
}

// legacyCoverage warns where flows are read from one analyzer of several:
// agents send each batch to any of them (skydive-feed.md).
func (r *reader) legacyCoverage(line int, feed string, addresses []string) {
	u, err := url.Parse(feed)
	if err != nil || len(addresses) < 2 {
		return
	}
	missed := 0
	for _, a := range addresses {
		if v, err := url.Parse(a); err == nil && v.Host != u.Host {
			missed++
		}
	}
	if missed > 0 {
		r.warn(line, fmt.Sprintf("pipeline.subscriber.url names one analyzer, and %d more stand in analyzers: agents spread their flows over all of them; "+
			"remove the URL to read from all", missed))
	}
}

func (r *reader) legacyClasses(pipeline *object, c *Aggregation) {
	classify := pipeline.child("classify")
	c.ClusterNetworks = r.prefixes(classify, "cluster_net_masks")
	classify.done()
	filter := pipeline.child("filter")
	for _, it := range filter.texts("excluded_tags") {
		switch {
		case !slices.Contains(flowClasses(), it.text):
			r.warn(it.line, fmt.Sprintf("pipeline.filter.excluded_tags has %s, which excludes nothing: the classes are %s",
				quoted(it.text), strings.Join(flowClasses(), ", ")))
		case !slices.Contains(c.ExcludeClasses, it.text):
			c.ExcludeClasses = append(c.ExcludeClasses, it.text)
		}
	}
	r.nothingLeft(filter.lineOf("excluded_tags"), filter.join("excluded_tags"), c)
	filter.done()
}

// legacyTypes reads the stages that must be those of the Prometheus connector,
// and the settings of the second.
func (r *reader) legacyTypes(pipeline *object, c *Config) {
	const remedy = "skybridge replaces the Prometheus connector only; run other exporters as before"
	transform := pipeline.child("transform")
	name := "none" // what the old program took where nothing is written
	transform.text("type", &name)
	if name != "none" {
		r.fail(transform.lineOf("type"), "pipeline.transform.type is "+quoted(name)+", it must be none", remedy)
	}
	transform.done()

	store := pipeline.child("store")
	name = ""
	store.text("type", &name)
	switch name {
	case "prom_sky_con":
	case "":
		r.fail(store.lineOf("type"), "pipeline.store.type is missing", "write type: prom_sky_con")
	default:
		r.fail(store.lineOf("type"), "pipeline.store.type is "+quoted(name)+", it must be prom_sky_con", remedy)
	}
	settings := store.child("prom_sky_con")
	r.legacyPort(settings, &c.Web)
	r.legacyTimeout(settings, &c.Aggregation)
	settings.done()
	store.done()
}

func (r *reader) legacyPort(o *object, c *Web) {
	var port string
	o.text("port", &port)
	if port == "" {
		return
	}
	if !validPort(port, 1) {
		r.fail(o.lineOf("port"), o.join("port")+" is "+quoted(port), "write a port from 1 to 65535; for an address use the flag --web.listen-address")
		return
	}
	n, _ := strconv.Atoi(port) // valid, see above
	c.ListenAddress = net.JoinHostPort("", strconv.Itoa(n))
}

// legacyTimeout reads seconds, 0 meaning the default. The old program took 60 s
// for a text with a unit; here it means what it says.
func (r *reader) legacyTimeout(o *object, c *Aggregation) {
	var text string
	o.text("connection_timeout", &text)
	if text == "" {
		return
	}
	line, path := o.lineOf("connection_timeout"), o.join("connection_timeout")
	var timeout time.Duration
	if seconds, err := strconv.ParseFloat(text, 64); err == nil && seconds >= 0 && seconds <= maxRetention.Seconds() {
		timeout = time.Duration(seconds) * time.Second // parts of a second were cut
	} else if d, err := model.ParseDuration(text); err == nil && d >= model.Duration(time.Second) && time.Duration(d) <= maxRetention {
		timeout = time.Duration(d)
		r.warn(line, fmt.Sprintf("%s has a unit: it is read as %s, where the old connector took 1m", path, d))
	} else {
		r.fail(line, path+" is "+quoted(text), fmt.Sprintf("write whole seconds, such as 60, up to %.0f", maxRetention.Seconds()))
	}
	if timeout == 0 {
		return
	}
	c.ConnectionTimeout = timeout
	if least := min(2*timeout, maxRetention); least > c.FlowRetention {
		c.FlowRetention = least // a flow must be remembered for as long as it is shown
	}
}
