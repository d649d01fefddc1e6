// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/skydive-project/skybridge/unixsocket"
)

// writePaths returns how the URLs of known receivers end, the measured ones first; a
// reverse proxy or a tenant can put a prefix before it.
func writePaths() []string {
	return []string{
		"/api/v1/write",             // Prometheus, VictoriaMetrics, vmagent, OpenTelemetry's collector
		"/api/v1/receive",           // Thanos
		"/api/v1/push",              // Cortex, Mimir
		"/api/prom/push",            // Grafana Cloud
		"/api/v1/remote_write",      // Amazon Managed Service for Prometheus
		"/api/v1/prom/write",        // InfluxDB 1
		"/api/v1/prom/remote/write", // M3
		"/v1/prometheus/write",      // GreptimeDB
		"/prometheus/v1/write",      // New Relic
		"/prometheus/remote/write",  // Sysdig
	}
}

// writePath warns of a path that no known receiver has. Any path is possible: what
// answers there decides.
func (r *reader) writePath(raw, path string) {
	u, err := url.Parse(raw)
	if err != nil || slices.ContainsFunc(writePaths(), func(end string) bool { return strings.HasSuffix(u.Path, end) }) {
		return
	}
	what := "has a path that is no known receiver's"
	if strings.Trim(u.Path, "/") == "" {
		what = "has no path"
	}
	r.warn(path, what+": it is /api/v1/write of Prometheus and VictoriaMetrics (/insert/0/prometheus/api/v1/write of a VictoriaMetrics cluster), "+
		"/api/v1/receive of Thanos, /api/v1/push of Cortex and Mimir, /api/prom/push of Grafana Cloud; keep yours if the receiver's documentation has it")
}

// ownListener notes the endpoints that are the bridge itself. listen is where it
// listens, host:port or a Unix socket.
func (c *Config) ownListener(r *reader, listen string) {
	for i := range c.RemoteWrite {
		rw := &c.RemoteWrite[i]
		u, err := url.Parse(rw.URL)
		if err != nil || rw.HTTPClient.ProxyURL.URL != nil || !reaches(u, listen) {
			continue
		}
		r.fail(fmt.Sprintf("remote_write[%d].url", i), "is the address that skybridge itself listens on, "+quoted(listen)+", which takes no samples",
			"write the receiver's URL, such as http://127.0.0.1:9090/api/v1/write, or let skybridge listen on another port")
	}
}

// reaches reports whether a URL surely leads to a listener of this machine. It asks no
// name server: of names it knows localhost and the machine's own.
func reaches(u *url.URL, listen string) bool {
	if socket, _ := unixsocket.Receiver(u.String()); socket != "" {
		at, _ := unixsocket.Address(listen)
		return socket == at
	}
	listenHost, listenPort, err := net.SplitHostPort(listen)
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	if err != nil || listenPort != port {
		return false
	}
	local := func(host string) bool { return strings.EqualFold(host, "localhost") }
	at, _ := netip.ParseAddr(listenHost)
	everywhere := listenHost == "" || at.IsUnspecified()
	to, err := netip.ParseAddr(u.Hostname())
	if to = to.Unmap().WithZone(""); err != nil {
		name, err := os.Hostname()
		return local(u.Hostname()) && (everywhere || local(listenHost) || at.IsLoopback()) ||
			everywhere && err == nil && strings.EqualFold(u.Hostname(), name)
	}
	if to.IsUnspecified() { // connects to this machine
		return everywhere || local(listenHost) || at.IsLoopback()
	}
	return to == at.Unmap() || local(listenHost) && to.IsLoopback() || everywhere && ofThisMachine(to)
}

// ofThisMachine reports whether an address is one of this machine's.
func ofThisMachine(addr netip.Addr) bool {
	if addr.IsLoopback() {
		return true
	}
	own, _ := net.InterfaceAddrs() // without them only less is noticed
	return slices.ContainsFunc(own, func(a net.Addr) bool {
		prefix, err := netip.ParsePrefix(a.String())
		return err == nil && prefix.Addr().WithZone("") == addr
	})
}
