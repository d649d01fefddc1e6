// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package skydive

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/gorilla/websocket"
	"github.com/prometheus/common/config"

	"github.com/skydive-project/skybridge/bridge/skydive/access"
)

// What the peer repeats of our credentials gets neither into the log nor into
// the status, by whichever way it comes back.
func TestEchoedCredentialsAreHidden(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer http.HandlerFunc
		logged string
	}{
		{"in a refusal's body", func(w http.ResponseWriter, r *http.Request) {
			_, password, _ := r.BasicAuth()
			http.Error(w, r.Header.Get("Authorization")+" means "+password+" at "+r.RequestURI, http.StatusForbidden)
		}, `Basic <hidden> means <hidden> at /ws?<hidden>`},
		{"in a broken answer", func(w http.ResponseWriter, r *http.Request) {
			_, password, _ := r.BasicAuth()
			conn, _, _ := w.(http.Hijacker).Hijack()
			fmt.Fprintf(conn, "%s=%s\r\n\r\n", password, r.Header["Authorization"][0][len("Basic "):])
			conn.Close()
		}, `<hidden>=<hidden>`},
		{"in a close frame", func(w http.ResponseWriter, r *http.Request) {
			up := websocket.Upgrader{}
			conn, err := up.Upgrade(w, r, nil)
			if err != nil {
				return
			}
			_, password, _ := r.BasicAuth()
			text := websocket.FormatCloseMessage(websocket.ClosePolicyViolation, "no "+password)
			_ = conn.WriteMessage(websocket.CloseMessage, text)
			conn.Close()
		}, `no <hidden>`},
	} {
		t.Run(c.name, func(t *testing.T) {
			to := serve(t, c.answer) + "/ws?token=t0ken"
			r := newRig(t, Config{Analyzers: []string{to}, Account: user(t, "bridge", "s3cret")}).run(t)
			r.logs.WaitFor(t, c.logged)
			text := r.logs.String() + r.feed.Status()[0].LastError
			for _, secret := range []string{"s3cret", "YnJpZGdlOnMzY3JldA", "t0ken"} {
				if strings.Contains(text, secret) {
					t.Errorf("%s is in %s", secret, text)
				}
			}
		})
	}
}

// A password file that is a pipe is an error that a connect does not wait for.
func TestPasswordFileThatIsAPipe(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	r := newRig(t, Config{Analyzers: []string{"ws://127.0.0.1:1"}, Account: account(t, access.Settings{HTTP: config.HTTPClientConfig{
		BasicAuth: &config.BasicAuth{Username: "bridge", PasswordFile: pipe}}})}).run(t)
	r.logs.WaitFor(t, "skydive.basic_auth.password_file: file "+pipe+": is not a regular file")
}
