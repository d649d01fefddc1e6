// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package label

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestWellKnownServices checks the tables of services: numbers in order, none in
// the range that Linux gives to clients, and what everybody expects.
func TestWellKnownServices(t *testing.T) {
	for protocol, text := range map[string]string{"TCP": tcpServices, "UDP": udpServices, "SCTP": sctpServices} {
		last := uint16(0)
		var written []string
		for _, r := range wellKnownServices(protocol) {
			if r.First <= last || r.Last < r.First || r.Last >= 32768 || r.Protocol != protocol {
				t.Errorf("%s: %v after %d", protocol, r, last)
			}
			last = r.Last
			if written = append(written, fmt.Sprint(r.First)); r.Last != r.First {
				written[len(written)-1] += fmt.Sprint("-", r.Last)
			}
		}
		if !slices.Equal(written, strings.Fields(text)) {
			t.Errorf("%s: the table has something else than numbers", protocol)
		}
	}
	s := newServices(nil, newListeners())
	for _, want := range []string{"TCP 22", "TCP 80", "TCP 443", "TCP 3306", "TCP 5432", "TCP 5201", "TCP 6443", "UDP 53", "UDP 123", "UDP 443", "UDP 4789", "SCTP 3868"} {
		protocol, number, _ := strings.Cut(want, " ")
		if !s.listed[protocol].has(int64(parsePort(number))) {
			t.Errorf("%s is not listed", want)
		}
	}
}
