// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"net/netip"
	"time"
)

// browser opens short connections, each after asking DNS, over IPv4 or IPv6.
func (w *world) browser(n int) {
	var visit func()
	visit = func() {
		from, to, resolver := host4(0, n), endpoint{host4(1, 80+w.rng.IntN(4)), 443}, host4(0, 53)
		if w.rng.IntN(3) == 0 {
			from, to, resolver = host6(0, n), endpoint{host6(1, 0x80+w.rng.IntN(4)), 443}, host6(0, 0x53)
		}
		w.resolve(from, resolver)
		w.after(w.between(2*time.Millisecond, 30*time.Millisecond), func() { w.download(w.ephemeral(from), to) })
		w.after(w.about(5*time.Second), visit)
	}
	w.after(w.about(5*time.Second), visit)
}

func (w *world) resolve(from, resolver netip.Addr) {
	w.pass(burst{
		from: w.ephemeral(from), to: endpoint{resolver, 53}, kind: dns(from),
		there: volume{1, 70 + w.rng.Int64N(30)}, back: volume{1, 90 + w.rng.Int64N(200)},
	})
}

// download is one short connection: mostly small, rarely large, as sizes are.
func (w *world) download(from, to endpoint) {
	w.open(from, to)
	size := int64(2000 + 30_000*w.rng.ExpFloat64())
	if w.rng.IntN(20) == 0 {
		size *= 100
	}
	var more func()
	more = func() {
		part := min(size, 200_000+w.rng.Int64N(400_000))
		size -= part
		back := data(part)
		there := acks(back).plus(data(300 + w.rng.Int64N(900)))
		if size == 0 { // both close
			there, back = there.plus(volume{2, 132}), back.plus(volume{1, 66})
		}
		w.pass(burst{from: from, to: to, kind: tcp(from.addr), there: there, back: back, rtt: w.rtt(8 * time.Millisecond)})
		if size > 0 {
			w.after(w.between(80*time.Millisecond, 300*time.Millisecond), more)
		}
	}
	w.after(w.between(5*time.Millisecond, 40*time.Millisecond), more)
}

// healthCheck opens and resets a connection again and again from one and the
// same port: Skydive keeps that in one flow.
func (w *world) healthCheck(from, to endpoint) {
	w.every(5*time.Second, func() {
		w.open(from, to)
		w.pass(burst{
			from: from, to: to, kind: tcp(from.addr), rtt: w.rtt(300 * time.Microsecond),
			there: volume{3, 66 + 66 + 54 + 96}, back: volume{2, 66 + 66 + 128},
		})
	})
}

// clockClient asks for the time once a minute: an update now and then.
func (w *world) clockClient(from, to endpoint) {
	w.every(64*time.Second, func() {
		w.pass(burst{from: from, to: to, kind: udp(from.addr), there: volume{1, 90}, back: volume{1, 90}})
	})
}

// scanner knocks on a host's ports and is refused, which is many flows of two
// packets; some answers come to it from connections that nobody remembers,
// whose first packet is a RST.
func (w *world) scanner(from, victim netip.Addr) {
	w.every(50*time.Second, func() {
		for n := range 24 {
			w.after(time.Duration(n)*37*time.Millisecond, func() {
				port := uint16(1 + w.rng.IntN(1024))
				w.pass(burst{
					from: w.ephemeral(from), to: endpoint{victim, port}, kind: tcp(from),
					there: volume{1, 58}, back: volume{1, 54},
				})
			})
		}
		w.pass(burst{from: endpoint{victim, 443}, to: w.ephemeral(from), kind: tcp(from), there: volume{1, 54}, finish: finishRST})
		// A closed UDP port answers by ICMP: one flow with Transport, one without.
		w.pass(burst{from: endpoint{from, 40003}, to: endpoint{victim, 7777}, kind: udp(from), there: volume{1, 242}})
		w.pass(burst{from: endpoint{addr: victim}, to: endpoint{addr: from}, kind: noPort4, there: volume{1, 270}})
	})
}

// pinger is ICMP echo: flows without Transport, which are no connections.
func (w *world) pinger() {
	w.every(time.Second, func() {
		w.pass(burst{
			from: endpoint{addr: host4(0, 15)}, to: endpoint{addr: host4(1, 1)}, kind: echo4, icmpID: 8008,
			there: volume{1, 98}, back: volume{1, 98}, rtt: w.rtt(300 * time.Microsecond),
		})
	})
	w.every(3*time.Second, func() {
		w.pass(burst{
			from: endpoint{addr: host6(0, 0x15)}, to: endpoint{addr: host6(1, 1)}, kind: echo6, icmpID: 30920,
			there: volume{1, 118}, back: volume{1, 118}, rtt: w.rtt(300 * time.Microsecond),
		})
	})
}

// neighbours look for each other: ARP has no Network either.
func (w *world) neighbours() {
	everyone := netip.MustParseAddr("ff02::1:ff00:1")
	for site := range sites {
		w.every(30*time.Second, func() {
			w.pass(burst{
				from: endpoint{addr: host4(site, 15)}, to: endpoint{addr: host4(site, 1)}, kind: arp,
				there: volume{1, 42}, back: volume{1, 42},
			})
			w.pass(burst{
				from: endpoint{addr: host6(site, 0x15)}, to: endpoint{addr: everyone}, kind: neighbor,
				there: volume{1, 86},
			})
		})
	}
}
