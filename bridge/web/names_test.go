// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package web

import "github.com/skydive-project/skybridge/aggregator"

// book is Names out of maps.
type book struct {
	addresses map[string]string
	nodes     map[string]aggregator.NodeNames
}

func (b book) KnownAddress(addr string) string           { return b.addresses[addr] }
func (b book) KnownNode(tid string) aggregator.NodeNames { return b.nodes[tid] }
