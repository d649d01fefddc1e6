// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"math"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	commoncfg "github.com/prometheus/common/config"

	"github.com/skydive-project/skybridge/aggregator/label"
)

// String returns the form that the file has: 8000, 8000-8010, 8000/tcp.
func (p ServicePorts) String() string {
	s := strconv.Itoa(int(p.First))
	if p.Last != p.First {
		s += "-" + strconv.Itoa(int(p.Last))
	}
	if p.Protocol != "" {
		s += "/" + strings.ToLower(p.Protocol)
	}
	return s
}

// parse reads what String returns.
func (p *ServicePorts) parse(s string) (what, remedy string) {
	numbers, protocol, hasProtocol := strings.Cut(s, "/")
	first, last, isRange := strings.Cut(numbers, "-")
	if !isRange {
		last = first
	}
	from, err1 := strconv.ParseUint(first, 10, 16)
	to, err2 := strconv.ParseUint(last, 10, 16)
	*p = ServicePorts{uint16(from), uint16(to), strings.ToUpper(protocol)}
	known := !hasProtocol || slices.Contains(label.Protocols(), p.Protocol)
	if err1 != nil || err2 != nil || from == 0 || from > to || !known {
		return "is " + quoted(s), "write a port from 1 to 65535, or a range, for one protocol or for all: 8000, 8000-8010, 8000/tcp"
	}
	return "", ""
}

const sizeUnits = "BKMGT"

// String returns s as it is read.
func (s Size) String() string {
	i := 0
	for ; i+1 < len(sizeUnits) && s != 0 && s%1024 == 0; i++ {
		s /= 1024
	}
	return strconv.FormatInt(int64(s), 10) + strings.TrimSuffix(sizeUnits[i:i+1], "B") + "B"
}

var sizeSyntax = regexp.MustCompile(`^(?i)(\d+) *(?:([KMGT])i?B|B?)$`)

// parseSize reads digits and a unit; without a unit, bytes.
func parseSize(s string) (Size, bool) {
	m := sizeSyntax.FindStringSubmatch(s)
	if m == nil {
		return 0, false
	}
	v, err := strconv.ParseInt(m[1], 10, 64)
	shift := 10 * max(strings.Index(sizeUnits, strings.ToUpper(m[2])), 0)
	return Size(v << shift), err == nil && v <= math.MaxInt64>>shift
}

// network reads a network, in its shortest form.
func (r *reader) network(s string, dst *netip.Prefix, path string) (what, remedy string) {
	p, err := netip.ParsePrefix(s)
	if err != nil {
		remedy := "write address/bits, such as 10.0.0.0/8 or fd00::/8"
		if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
			remedy = "for this one address write " + netip.PrefixFrom(a, a.BitLen()).String()
		}
		return "is " + quoted(s) + ", which is no network", remedy
	}
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	if *dst = p.Masked(); *dst != p {
		r.warn(path, "is "+p.String()+", which is read as "+dst.String())
	}
	return "", ""
}

// proxyURL reads a URL that may hold a password: for a proxy there is no other
// place for it.
func proxyURL(s string, dst *commoncfg.URL) (what, remedy string) {
	remedy = "write http://host:port, https:// or socks5://"
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Hostname() == "" || strings.Contains(u.Host, "$"):
		return "is not a valid URL", remedy
	case !slices.Contains([]string{"http", "https", "socks5", "socks5h"}, u.Scheme):
		return "has an unknown scheme", remedy
	}
	dst.URL = u
	return "", ""
}
