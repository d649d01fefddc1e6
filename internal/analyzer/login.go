// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package analyzer

import (
	"encoding/json"
	"net/http"

	shttp "github.com/skydive-project/skydive/graffiti/http"
)

// registerLogin serves the login by Skydive's own authentication. Its API's server, whose
// handler this is, would bring a database's client along.
func registerLogin(host *shttp.Server, backend shttp.AuthenticationBackend) {
	host.Router.HandleFunc("/login", func(w http.ResponseWriter, r *http.Request) {
		token, _, err := shttp.Authenticate(backend, w, r.PostFormValue("username"), r.PostFormValue("password"))
		if err != nil {
			shttp.Unauthorized(w, r, err)
			return
		}
		w.Header().Set("Content-Type", "application/json; charset=UTF-8")
		_ = json.NewEncoder(w).Encode(struct{ Token string }{token}) // the client may have left
	}).Methods(http.MethodPost)
}
