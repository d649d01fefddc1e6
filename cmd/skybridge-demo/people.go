// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"math"
	"net/netip"
	"time"
)

// sites is the number of places, each with one node that captures.
const sites = 2

// The third group of an IPv4 address and the fourth of an IPv6 one name the site.
func site(addr netip.Addr) int {
	if addr.Is4() {
		return int(addr.As4()[2]) % sites
	}
	return int(addr.As16()[7]) % sites
}

// host4 and host6 are host n of a site, 0 or 1.
func host4(site, n int) netip.Addr { return netip.MustParseAddr(fmt.Sprintf("10.42.%d.%d", site, n)) }
func host6(site, n int) netip.Addr {
	return netip.MustParseAddr(fmt.Sprintf("fd42:0:0:%d::%x", site, n))
}

// What Skydive calls the layers of the packets here.
var (
	arp      = kind{layers: "ARP", application: "ARP"}
	echo4    = kind{layers: "IPv4/ICMPv4", application: "ICMPv4", icmp: "ECHO"}
	echo6    = kind{layers: "IPv6/ICMPv6/ICMPv6Echo", application: "ICMPv6Echo", icmp: "ECHO"}
	noPort4  = kind{layers: "IPv4/ICMPv4", application: "ICMPv4", icmp: "DESTINATION_UNREACHABLE", icmpCode: 3}
	neighbor = kind{layers: "IPv6/ICMPv6/ICMPv6NeighborSolicitation", application: "ICMPv6NeighborSolicitation", icmp: "NEIGHBOR"}
)

func over(addr netip.Addr, transport, application string) kind {
	layers := "IPv4/" + transport
	if addr.Is6() {
		layers = "IPv6/" + transport
	}
	if application != transport {
		layers += "/" + application
	}
	return kind{layers: layers, application: application, transport: transport}
}

func tcp(addr netip.Addr) kind { return over(addr, "TCP", "TCP") }
func udp(addr netip.Addr) kind { return over(addr, "UDP", "UDP") }
func dns(addr netip.Addr) kind { return over(addr, "UDP", "DNS") }

// ephemeral is the host's next source port.
func (w *world) ephemeral(addr netip.Addr) endpoint {
	name := addr.String()
	port, known := w.ports[name]
	if port++; !known || port >= 60999 {
		port = uint16(32768 + w.rng.IntN(20000))
	}
	w.ports[name] = port
	return endpoint{addr, port}
}

// between is a duration from low to high; about one whose mean is given.
func (w *world) between(low, high time.Duration) time.Duration {
	return low + time.Duration(w.rng.Int64N(int64(high-low)))
}

func (w *world) about(mean time.Duration) time.Duration {
	return min(time.Duration(w.rng.ExpFloat64()*float64(mean)), 10*mean)
}

func (w *world) rtt(base time.Duration) int64 {
	return int64(w.between(base, base+base/2).Round(time.Microsecond))
}

// data is n bytes of payload in full frames, acks what acknowledges them.
func data(payload int64) volume {
	const full = 1448
	packets := (payload + full - 1) / full
	return volume{packets, payload + 66*packets}
}

func acks(of volume) volume {
	n := (of.packets + 1) / 2
	return volume{n, 66 * n}
}

func (v volume) plus(o volume) volume { return volume{v.packets + o.packets, v.bytes + o.bytes} }

// populate brings everybody to life.
func (w *world) populate() {
	for n := range 6 {
		w.browser(20 + n)
	}
	// One long upload and one long replication, in waves that a graph shows.
	w.stream(w.ephemeral(host4(0, 11)), endpoint{host4(1, 20), 873}, 40e6, 120*time.Second)
	w.stream(w.ephemeral(host6(1, 31)), endpoint{host6(0, 32), 6379}, 6e6, 45*time.Second)
	for range 5 {
		w.databaseClient(w.ephemeral(host4(0, 15)), endpoint{host4(1, 30), 5432})
	}
	w.camera(endpoint{host4(1, 40), 5004}, endpoint{host4(1, 41), 5004})
	for n := range 2 {
		w.shell(host4(0, 50+n), endpoint{host4(1, 21), 22})
	}
	w.shell(host6(0, 0x50), endpoint{host6(1, 0x21), 22})
	w.healthCheck(endpoint{host4(0, 2), 61000}, endpoint{host4(1, 21), 8080})
	w.clockClient(endpoint{host4(0, 15), 123}, endpoint{host4(1, 1), 123})
	w.scanner(host4(1, 66), host4(0, 15))
	w.pinger()
	w.neighbours()
}

// stream is one connection that never ends and whose rate swings around bits
// per second.
func (w *world) stream(from, to endpoint, bits float64, swing time.Duration) {
	const step = 250 * time.Millisecond
	w.open(from, to)
	w.every(step, func() {
		phase := 2 * math.Pi * float64(w.now-w.start) / float64(swing.Milliseconds())
		rate := bits * (0.6 + 0.35*math.Sin(phase) + 0.05*w.rng.Float64())
		there := data(int64(rate / 8 * step.Seconds()))
		w.pass(burst{from: from, to: to, kind: tcp(from.addr), there: there, back: acks(there), rtt: w.rtt(400 * time.Microsecond)})
	})
}

// open is a TCP handshake.
func (w *world) open(from, to endpoint) {
	w.pass(burst{
		from: from, to: to, kind: tcp(from.addr), rtt: w.rtt(300 * time.Microsecond),
		there: volume{2, 74 + 66}, back: volume{1, 74},
	})
}

// databaseClient asks small questions over a connection that stays.
func (w *world) databaseClient(from, to endpoint) {
	w.open(from, to)
	var ask func()
	ask = func() {
		answer := data(200 + int64(w.rng.ExpFloat64()*6000))
		w.pass(burst{
			from: from, to: to, kind: tcp(from.addr), rtt: w.rtt(250 * time.Microsecond),
			there: data(80 + w.rng.Int64N(300)).plus(acks(answer)), back: answer,
		})
		w.after(w.about(400*time.Millisecond), ask)
	}
	w.after(w.about(time.Second), ask)
}

// camera is UDP one way, in steps of quality.
func (w *world) camera(from, to endpoint) {
	packets := int64(140)
	w.every(20*time.Second, func() { packets = 60 + w.rng.Int64N(160) })
	w.every(200*time.Millisecond, func() {
		w.pass(burst{from: from, to: to, kind: udp(from.addr), there: volume{packets, packets * 1358}})
	})
}

// shell is somebody who types, thinks for longer than flow.expire, and types
// again over the same connection: back under a new UUID. Sometimes the server
// speaks first then, which swaps A and B; in the end it may close the idle
// connection, and a flow begins with a FIN.
func (w *world) shell(from netip.Addr, to endpoint) {
	client := w.ephemeral(from)
	w.open(client, to)
	var typing func(left int)
	typing = func(left int) {
		w.pass(burst{
			from: client, to: to, kind: tcp(from), rtt: w.rtt(500 * time.Microsecond),
			there: volume{2, 2*66 + 36}, back: volume{1, 66 + 36 + w.rng.Int64N(1200)},
		})
		if left > 0 {
			w.after(w.about(700*time.Millisecond), func() { typing(left - 1) })
			return
		}
		w.after(2*w.options.Expire+w.between(20*time.Second, 60*time.Second), func() {
			switch {
			case w.rng.IntN(3) == 0:
				w.pass(burst{from: to, to: client, kind: tcp(from), there: volume{1, 66}, back: volume{2, 132}, finish: finishFIN})
				w.after(w.between(5*time.Second, 20*time.Second), func() { w.shell(from, to) })
			case w.rng.IntN(2) == 0:
				w.pass(burst{from: to, to: client, kind: tcp(from), there: volume{1, 66 + 52}, back: volume{1, 66}})
				fallthrough
			default:
				w.after(time.Second, func() { typing(20 + w.rng.IntN(40)) })
			}
		})
	}
	w.after(w.about(2*time.Second), func() { typing(20 + w.rng.IntN(40)) })
}
