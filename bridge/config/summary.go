// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/skydive-project/skybridge/secrets"
)

// Summary returns what c does in a few lines for a person to check; none of
// them holds a secret.
func Summary(c *Config) string {
	var b strings.Builder
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-12s %s\n", name, fmt.Sprintf(format, args...))
	}
	for i, u := range c.Skydive.Analyzers {
		name := "flows from"
		if i > 0 {
			name = ""
		}
		line(name, "%s", secrets.URL(u))
	}
	line("", "%s, %s, %s", c.Skydive.captures(), c.Skydive.auth(), c.Skydive.silence())
	a := &c.Aggregation
	line("topology", "%s", c.names())
	line("labels", "%s", strings.Join(a.Labels, ", "))
	if len(c.Global.ExternalLabels) > 0 {
		line("", "and in pushed series %s", labelList(c.Global.ExternalLabels))
	}
	if text := a.portLabels(); text != "" {
		line("", "%s", text)
	}
	line("connections", "end when idle for %s; flows are remembered for %s", showDuration(a.ConnectionTimeout), showDuration(a.FlowRetention))
	if a.FlowExpire > 0 {
		line("", "Skydive's flow.expire is %s", showDuration(a.FlowExpire))
	}
	line("", "%s", a.classes())
	if text := a.excluded(); text != "" {
		line("", "%s", text)
	}
	if d := Default().Aggregation; a.Observers != d.Observers || a.Tunnels != d.Tunnels {
		line("", "observers: %s; tunnels: %s", a.Observers, a.Tunnels)
	}
	if a.Portless != Default().Aggregation.Portless {
		line("", "flows without ports: %s", a.Portless)
	}
	line("bounds", "%d series, %d flows, %s of samples in memory", a.MaxSeries, a.MaxFlows, showSize(c.Storage.MemoryMaxBytes))
	if text := a.bounds(); text != "" {
		line("", "%s", text)
	}
	line("", "with --storage.path %s or %s of samples on disk", showSize(c.Storage.MaxBytes), showDuration(c.Storage.MaxAge))
	line("scrape", "/metrics on %s", c.Web.ListenAddress)
	if len(c.RemoteWrite) == 0 {
		line("push", "none (no remote_write)")
		return b.String()
	}
	line("push", "every %s to", showDuration(c.Global.PushInterval))
	for i := range c.RemoteWrite {
		rw := &c.RemoteWrite[i]
		name := ""
		if rw.Name != "" {
			name = rw.Name + ": "
		}
		line("", "%s%s", name, secrets.URL(rw.URL))
		line("", "  %s", rw.how())
	}
	return b.String()
}

func labelList(labels []Label) string {
	list := make([]string, len(labels))
	for i, l := range labels {
		list[i] = fmt.Sprintf("%s=%q", l.Name, l.Value)
	}
	return strings.Join(list, ", ")
}

func (s *Skydive) captures() string {
	if len(s.CaptureIDs) == 0 {
		return "all captures"
	}
	return "captures " + strings.Join(s.CaptureIDs, ", ")
}

func (s *Skydive) auth() string {
	if s.BasicAuth.Username == "" {
		return "no credentials"
	}
	return "as user " + s.BasicAuth.Username
}

func (s *Skydive) silence() string {
	if s.SilenceTimeout == 0 {
		return "silence timeout learned"
	}
	return "silence timeout " + showDuration(s.SilenceTimeout)
}

// bounds says which further bounds on series there are, or returns "".
func (a *Aggregation) bounds() string {
	var parts []string
	if a.MaxSeriesPerNode > 0 {
		parts = append(parts, fmt.Sprintf("at most %d series of each node", a.MaxSeriesPerNode))
	}
	if a.TopK > 0 {
		parts = append(parts, fmt.Sprintf("series for the %d busiest connections of %s", a.TopK, showDuration(a.TopKWindow)))
	}
	return strings.Join(parts, ", ")
}

func (a *Aggregation) classes() string {
	if len(a.ExcludeClasses) == 0 {
		return "no class is excluded"
	}
	return fmt.Sprintf("excluded classes: %s; cluster networks: %s", strings.Join(a.ExcludeClasses, ", "), networkList(a.ClusterNetworks))
}

// networkList shows the first few of some networks.
func networkList(list []netip.Prefix) string {
	const most = 3
	networks := make([]string, 0, most+1)
	for i, p := range list {
		if i == most {
			networks = append(networks, fmt.Sprintf("and %d more", len(list)-i))
			break
		}
		networks = append(networks, p.String())
	}
	if len(networks) == 0 {
		return "none"
	}
	return strings.Join(networks, ", ")
}

// portLabels says what the labels of ports tell, where it is not all.
func (a *Aggregation) portLabels() string {
	switch {
	case a.Ports == "drop":
		return "without ports"
	case a.Ports == "service" && len(a.ServicePorts) == 0:
		return "ports of services only: the well-known ones, and those seen to answer"
	case a.Ports == "service":
		return fmt.Sprintf("ports of services only: the well-known ones, %d entries of service_ports, and those seen to answer", len(a.ServicePorts))
	}
	return ""
}

// excluded says what else than classes is excluded.
func (a *Aggregation) excluded() string {
	var parts []string
	if len(a.ExcludeNetworks) > 0 {
		parts = append(parts, networkList(a.ExcludeNetworks))
	}
	parts = append(append(parts, a.ExcludeProtocols...), a.ExcludeApplications...)
	if len(parts) == 0 {
		return ""
	}
	return "also excluded: " + strings.Join(parts, ", ")
}

// how says in one line how an endpoint is written to.
func (rw *RemoteWrite) how() string {
	parts := []string{"no credentials"}
	switch h := &rw.HTTPClient; {
	case h.BasicAuth != nil:
		parts[0] = "basic_auth"
	case h.Authorization != nil:
		parts[0] = "authorization"
	case h.OAuth2 != nil:
		parts[0] = "oauth2"
	}
	if rw.HTTPClient.TLSConfig.InsecureSkipVerify {
		parts = append(parts, "certificate NOT verified")
	}
	if len(rw.Headers) > 0 {
		parts = append(parts, "headers "+strings.Join(slices.Sorted(maps.Keys(rw.Headers)), ", "))
	}
	q := &rw.Queue
	parts = append(parts, "timeout "+showDuration(rw.RemoteTimeout),
		fmt.Sprintf("%d to %d requests of up to %d samples at a time", q.MinShards, q.MaxShards, q.MaxSamplesPerSend))
	if rw.ProtobufMessage != DefaultRemoteWrite("").ProtobufMessage {
		parts = append(parts, "always as "+rw.ProtobufMessage)
	}
	if len(rw.ExternalLabels) > 0 {
		parts = append(parts, "with "+labelList(rw.ExternalLabels))
	}
	if n := len(rw.WriteRelabelConfigs); n > 0 {
		parts = append(parts, fmt.Sprintf("relabelled by %d rules", n))
	}
	switch {
	case rw.BacklogWindow == 0:
		parts = append(parts, "samples of any age")
	case rw.BacklogWindow != DefaultRemoteWrite("").BacklogWindow:
		parts = append(parts, "what is older than "+showDuration(rw.BacklogWindow)+" is condensed")
	}
	if q.SampleAgeLimit > 0 {
		parts = append(parts, "what is older than "+showDuration(q.SampleAgeLimit)+" is dropped")
	}
	if !q.RetryOnHTTP429 {
		parts = append(parts, "what a rate limit refuses is lost")
	}
	return strings.Join(parts, ", ")
}
