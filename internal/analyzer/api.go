// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package analyzer

import (
	"encoding/json"
	"net/http"
	"sync"

	auth "github.com/abbot/go-http-auth"
	shttp "github.com/skydive-project/skydive/graffiti/http"
)

// api is what of an analyzer's API is not about its topology. Skydive's own server of it
// would bring a database's client along, so it answers in the form of a real one.
type api struct {
	mu    sync.Mutex
	peers []string
}

// SetPeers says what the other analyzers of the cluster call themselves.
func (a *api) SetPeers(hostIDs ...string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.peers = hostIDs
}

// register serves the API by Skydive's own server, behind its authentication.
func (a *api) register(host *shttp.Server, backend shttp.AuthenticationBackend) {
	get := func(path string, answer func() any) shttp.Route {
		return shttp.Route{Name: path, Method: http.MethodGet, Path: path, HandlerFunc: func(w http.ResponseWriter, _ *auth.AuthenticatedRequest) {
			respond(w, answer())
		}}
	}
	host.RegisterRoutes([]shttp.Route{
		get("/api", func() any { return map[string]string{"Host": host.Host, "Service": "analyzer", "Version": "0.28.0"} }),
		get("/api/status", a.status),
	}, backend)
	host.Router.HandleFunc("/login", func(w http.ResponseWriter, r *http.Request) {
		token, _, err := shttp.Authenticate(backend, w, r.PostFormValue("username"), r.PostFormValue("password"))
		if err != nil {
			shttp.Unauthorized(w, r, err)
			return
		}
		respond(w, struct{ Token string }{token})
	}).Methods(http.MethodPost)
}

func (a *api) status() any {
	type connection struct {
		RemoteServiceType string
		IsConnected       bool
	}
	outgoers := map[string]connection{"one that is gone": {"analyzer", false}} // they stay there
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, peer := range a.peers {
		outgoers[peer] = connection{"analyzer", true}
	}
	return map[string]any{"Peers": map[string]any{"Incomers": map[string]connection{}, "Outgoers": outgoers}}
}

func respond(w http.ResponseWriter, answer any) {
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	_ = json.NewEncoder(w).Encode(answer) // the client may have left
}
