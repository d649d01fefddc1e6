// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"
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
		line(name, "%s", showURL(u))
	}
	line("", "%s, %s, %s", c.Skydive.captures(), c.Skydive.auth(), c.Skydive.silence())
	a := &c.Aggregation
	line("topology", "%s", c.names())
	line("labels", "%s", strings.Join(a.Labels, ", "))
	if len(c.Global.ExternalLabels) > 0 {
		line("", "and in pushed series %s", labelList(c.Global.ExternalLabels))
	}
	line("connections", "end when idle for %s; flows are remembered for %s", showDuration(a.ConnectionTimeout), showDuration(a.FlowRetention))
	line("", "%s", a.classes())
	line("bounds", "%d series, %d flows, %s of samples in memory", a.MaxSeries, a.MaxFlows, showSize(c.Storage.MemoryMaxBytes))
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
		line("", "%s%s", name, showURL(rw.URL))
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

func (a *Aggregation) classes() string {
	if len(a.ExcludeClasses) == 0 {
		return "no class is excluded"
	}
	networks := make([]string, 0, 3)
	for i, p := range a.ClusterNetworks {
		if i == cap(networks) {
			networks = append(networks, fmt.Sprintf("and %d more", len(a.ClusterNetworks)-i))
			break
		}
		networks = append(networks, p.String())
	}
	if len(networks) == 0 {
		networks = append(networks, "none")
	}
	return fmt.Sprintf("excluded classes: %s; cluster networks: %s", strings.Join(a.ExcludeClasses, ", "), strings.Join(networks, ", "))
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
		parts = append(parts, "what is older than "+showDuration(rw.BacklogWindow)+" is folded")
	}
	if q.SampleAgeLimit > 0 {
		parts = append(parts, "what is older than "+showDuration(q.SampleAgeLimit)+" is dropped")
	}
	if !q.RetryOnHTTP429 {
		parts = append(parts, "what a rate limit refuses is lost")
	}
	return strings.Join(parts, ", ")
}
