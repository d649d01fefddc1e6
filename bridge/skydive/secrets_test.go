// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package skydive

import (
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/gorilla/websocket"
	"pgregory.net/rapid"
)

func TestHide(t *testing.T) {
	to := target{url: "ws://a/ws?token=qu3ry&x="}
	s := to.secrets().with(basic("bridge", `p"ä<ss`)...)
	for _, c := range []struct{ name, text, want string }{
		{"nothing", "come back later", "come back later"},
		{"password", `p"ä<ss is wrong`, "<hidden> is wrong"},
		{"quoted", `"p\"ä<ss"`, `"<hidden>"`},
		{"JSON", `{"got":"p\"ä\u003css"}`, `{"got":"<hidden>"}`},
		{"HTML", `<b>p&#34;ä&lt;ss</b>`, "<b><hidden></b>"},
		{"URL", "/?p=p%22%C3%A4%3Css", "/?p=<hidden>"},
		{"our header", "Authorization: Basic YnJpZGdlOnAiw6Q8c3M=", "Authorization: Basic <hidden>"},
		{"our header's value", "YnJpZGdlOnAiw6Q8c3M= is wrong", "<hidden> is wrong"},
		{"another's header", "map[Authorization:[basic\tYTpi] X:[1]]", "map[Authorization:[basic\t<hidden>] X:[1]]"},
		{"bearer", `{"h":"Bearer abc.def-g_h~i"}`, `{"h":"Bearer <hidden>"}`},
		{"bearer in a URL", "h=Bearer%20abc&x", "h=Bearer%20<hidden>&x"},
		{"cut header", "Basic YnJpZ", "Basic <hidden>"},
		{"query", "no page /ws?token=qu3ry&x=", "no page /ws?<hidden>"},
		{"query's value", "token qu3ry is unknown", "token <hidden> is unknown"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := s.hide(c.text); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

// Wherever in whatever answer the password stands, and whichever way it is
// written, no part of it that is worth the name is quoted.
func TestPasswordsAreNeverQuoted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		password := rapid.StringMatching(`[A-Z0-9"\\<&% ]{3}[!-~]{5,40}[A-Z]`).Draw(t, "password")
		form := rapid.SampledFrom([]func(string) string{
			func(s string) string { return s },
			func(s string) string { return fmt.Sprintf("%q", s) },
			func(s string) string { b, _ := json.Marshal(s); return string(b) },
			html.EscapeString, url.QueryEscape, url.PathEscape,
		}).Draw(t, "form")(password)
		piece := rapid.StringMatching(`[ -,.:;]{0,3}`)
		var body strings.Builder
		for body.Len() < 1024 {
			body.WriteString(piece.Draw(t, "between") + "\n" + form)
		}
		got := quotable(strings.NewReader(body.String()), secrets(nil).with(password))
		if strings.Contains(got, password) || strings.Contains(got, form[:6]) && !strings.Contains("<hidden>", form[:6]) {
			t.Errorf("%q is in %q", password, got)
		}
	})
}

func TestQuotableIsShort(t *testing.T) {
	if got := quotable(strings.NewReader(strings.Repeat("é", 2000)), nil); len(got) > maxQuoted+len("…") || !strings.HasSuffix(got, "é…") {
		t.Errorf("%q", got)
	}
	// The secret that the library cut off leaves no beginning behind.
	s := secrets(nil).with("s3cret")
	body := strings.Repeat("s3cret", 166) + strings.Repeat(".", 1024-166*6-3) + "s3c"
	if got := quotable(strings.NewReader(body), s); strings.Contains(got, "s3c") {
		t.Errorf("%q", got)
	}
	cut := strings.Repeat(" ", 1021) + "s3cret"
	if got := quotable(strings.NewReader(cut), s); got != "" {
		t.Errorf("%q", got)
	}
}

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
		{"in a goodbye", func(w http.ResponseWriter, r *http.Request) {
			up := websocket.Upgrader{}
			conn, err := up.Upgrade(w, r, nil)
			if err != nil {
				return
			}
			_, password, _ := r.BasicAuth()
			bye := websocket.FormatCloseMessage(websocket.ClosePolicyViolation, "no "+password)
			_ = conn.WriteMessage(websocket.CloseMessage, bye)
			conn.Close()
		}, `no <hidden>`},
	} {
		t.Run(c.name, func(t *testing.T) {
			url := serve(t, c.answer) + "/ws?token=t0ken"
			r := newRig(t, Config{Analyzers: []string{url}, Username: "bridge",
				Password: func() (string, error) { return "s3cret", nil }}).run(t)
			r.logs.waitFor(t, c.logged)
			text := r.logs.String() + r.feed.Status()[0].LastError
			for _, secret := range []string{"s3cret", "YnJpZGdlOnMzY3JldA", "t0ken"} {
				if strings.Contains(text, secret) {
					t.Errorf("%s is in %s", secret, text)
				}
			}
		})
	}
}
