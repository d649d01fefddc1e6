// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package analyzer

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	auth "github.com/abbot/go-http-auth"
	shttp "github.com/skydive-project/skydive/graffiti/http"
)

// TopologyPath is where an analyzer answers questions about its topology.
const TopologyPath = "/api/topology"

// topology is what an analyzer knows besides flows. Skydive's own graph and
// Gremlin would bring a database's client along, so it answers the questions that
// the bridge and the old connector ask, in the form in which a real one was
// recorded to.
type topology struct {
	mu    sync.Mutex
	nodes []json.RawMessage
	edges []json.RawMessage
	fault http.HandlerFunc
	asked []string
}

// SetTopology says which nodes and ownership edges the topology has, each in the
// form of Skydive's answers: {"ID":…, "Host":…, "Metadata":{…}}. It outlives
// restarts.
func (t *topology) SetTopology(nodes, edges []json.RawMessage) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.nodes, t.edges = slices.Clone(nodes), slices.Clone(edges)
}

// FailTopology makes the handler answer in place of the topology; nil ends that.
// Credentials are checked before.
func (t *topology) FailTopology(fault http.HandlerFunc) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.fault = fault
}

// TopologyQueries returns the questions asked so far.
func (t *topology) TopologyQueries() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.asked)
}

// register serves the topology by Skydive's own server, behind its authentication.
func (t *topology) register(host *shttp.Server, backend shttp.AuthenticationBackend) {
	host.RegisterRoutes([]shttp.Route{{
		Name: "TopologiesSearch", Method: http.MethodPost, Path: TopologyPath,
		HandlerFunc: func(w http.ResponseWriter, r *auth.AuthenticatedRequest) { t.serve(w, &r.Request) },
	}}, backend)
}

func (t *topology) serve(w http.ResponseWriter, r *http.Request) {
	var question struct{ GremlinQuery string }
	if err := json.NewDecoder(r.Body).Decode(&question); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	t.mu.Lock()
	t.asked = append(t.asked, question.GremlinQuery)
	fault := t.fault
	answer, err := t.answer(question.GremlinQuery)
	t.mu.Unlock()
	if fault != nil {
		fault(w, r)
		return
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", r.Header.Get("Accept")+"; charset=UTF-8")
	_ = json.NewEncoder(w).Encode(answer) // the client may have left
}

// answer finds what a question asks for.
func (t *topology) answer(query string) (any, error) {
	query, values, mapped := strings.Cut(strings.TrimSuffix(query, ".Limit(1)"), ".ValueMap(")
	var keep func(metadata map[string]any) bool
	switch query {
	case "G.V().HasKey('TID')":
		keep = func(m map[string]any) bool { return m["TID"] != nil }
	case "G.V().Has('EncapType', 'ether')":
		keep = func(m map[string]any) bool { return m["EncapType"] == "ether" }
	case "G.V().Has('Type', Within('container','pod'))":
		keep = func(m map[string]any) bool { return m["Type"] == "container" || m["Type"] == "pod" }
	case "G.V().Has('Type','container').In('Type','netns').Dedup().OutE('RelationType','ownership')":
		return append([]json.RawMessage{}, t.edges...), nil
	default:
		return nil, fmt.Errorf("found %q, expected `G`", query)
	}
	keys := strings.Split(strings.Trim(values, "')"), "','")
	found := []any{}
	for _, raw := range t.nodes {
		var node map[string]any
		if err := json.Unmarshal(raw, &node); err != nil {
			return nil, err
		}
		metadata, _ := node["Metadata"].(map[string]any)
		switch {
		case !keep(metadata):
		case mapped:
			found = append(found, valueMap(node, metadata, keys))
		default:
			found = append(found, raw)
		}
	}
	return found, nil
}

// valueMap is what Gremlin's step of that name makes of a node: the keys that it
// has, those with @ of the node itself.
func valueMap(node, metadata map[string]any, keys []string) map[string]any {
	out := map[string]any{}
	for _, key := range keys {
		var value any = metadata
		path := strings.Split(key, ".")
		if own, ok := strings.CutPrefix(key, "@"); ok {
			value, path = node, []string{own}
		}
		for _, step := range path {
			inner, _ := value.(map[string]any)
			value = inner[step]
		}
		if value != nil {
			out[key] = value
		}
	}
	return out
}
