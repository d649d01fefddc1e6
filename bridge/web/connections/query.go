// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package connections

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/skydive-project/skybridge/aggregator/label"
)

// Bounds on what a reader of connections may ask for.
const (
	defaultLimit = 50
	maxLimit     = 500 // rows of about 600 B
	maxFilter    = 256 // bytes
	maxTerms     = 8
	// maxTerm bounds a part to look for, in bytes: an address, a UUID, most names. All
	// of a value (label=value) can be as long as the filter.
	maxTerm = 64
)

// What connections can be sorted by, beside labels.
const (
	SortRate    = "rate"
	SortBytes   = "bytes"
	SortPackets = "packets"
	SortRTT     = "rtt"
)

// Query says which connections a reader wants to see, in which order.
type Query struct {
	Sort          string // one of sortKeys
	Ascending     bool
	Filter        string // as it was given
	Offset, Limit int
}

// sortKeys lists what connections can be sorted by: numbers first, then every label
// that a connection can have. One that is not chosen sorts nothing.
func sortKeys() []string {
	keys := []string{SortRate, SortBytes, SortPackets, SortRTT}
	for _, name := range label.All() {
		if name != "direction" {
			keys = append(keys, name)
		}
	}
	return keys
}

// Numeric says whether a sort key is a number, of which the largest come first.
func Numeric(key string) bool {
	switch key {
	case SortRate, SortBytes, SortPackets, SortRTT:
		return true
	}
	return false
}

// ParseQuery reads sort, order, filter, offset and limit. The error is for the
// client. strict refuses other parameters: a program that misspells one should know.
func ParseQuery(rawQuery string, strict bool) (Query, error) {
	q := Query{Sort: SortRate, Limit: defaultLimit}
	given, err := url.ParseQuery(rawQuery)
	if err != nil {
		return q, fmt.Errorf("bad query: %w", err)
	}
	order := ""
	for name, values := range given {
		value := values[0]
		if !slices.Contains([]string{"sort", "order", "filter", "offset", "limit"}, name) {
			if strict {
				return q, fmt.Errorf("unknown parameter %s: valid are sort, order, filter, offset, limit", short(name))
			}
			continue
		}
		if len(values) > 1 {
			return q, fmt.Errorf("%s is given %d times: give it once", name, len(values))
		}
		switch name {
		case "sort":
			if !slices.Contains(sortKeys(), value) {
				return q, fmt.Errorf("unknown sort %s: valid are %s", short(value), strings.Join(sortKeys(), ", "))
			}
			q.Sort = value
		case "order":
			if value != "asc" && value != "desc" {
				return q, fmt.Errorf("unknown order %s: valid are asc, desc", short(value))
			}
			order = value
		case "filter":
			q.Filter = value
			switch {
			case !utf8.ValidString(value):
				return q, fmt.Errorf("filter is no valid UTF-8")
			case len(value) > maxFilter:
				return q, fmt.Errorf("filter has %d bytes: at most %d", len(value), maxFilter)
			case len(strings.Fields(value)) > maxTerms:
				return q, fmt.Errorf("filter has %d words: at most %d", len(strings.Fields(value)), maxTerms)
			}
			for word := range strings.FieldsSeq(value) {
				if t := newTerm(word); t.label == "" && len(t.text) > maxTerm {
					return q, fmt.Errorf("filter has a word of %d bytes: at most %d, or label=value for all of a value", len(t.text), maxTerm)
				}
			}
		case "offset":
			if q.Offset, err = strconv.Atoi(value); err != nil || q.Offset < 0 {
				return q, fmt.Errorf("bad offset %s: a number from 0", short(value))
			}
		case "limit":
			if q.Limit, err = strconv.Atoi(value); err != nil || q.Limit < 1 || q.Limit > maxLimit {
				return q, fmt.Errorf("bad limit %s: a number from 1 to %d", short(value), maxLimit)
			}
		}
	}
	q.Ascending = order == "asc" || order == "" && !Numeric(q.Sort)
	return q, nil
}

// short quotes what a client sent for an answer to it.
func short(s string) string {
	if len(s) > 64 {
		s = s[:64] + "…"
	}
	return strconv.Quote(s)
}

// Link returns the query as a link on the page.
func (q Query) Link() string {
	v := url.Values{}
	v.Set("sort", q.Sort)
	v.Set("order", q.Order())
	if q.Filter != "" {
		v.Set("filter", q.Filter)
	}
	if q.Offset > 0 {
		v.Set("offset", strconv.Itoa(q.Offset))
	}
	if q.Limit != defaultLimit {
		v.Set("limit", strconv.Itoa(q.Limit))
	}
	return "?" + v.Encode()
}

// Order is how the query sorts: asc or desc.
func (q Query) Order() string {
	if q.Ascending {
		return "asc"
	}
	return "desc"
}
