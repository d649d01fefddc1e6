// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package secrets

import (
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io/fs"
	"net/url"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// knowing returns a set that knows secrets.
func knowing(list ...Secret) *Set {
	s := New()
	s.Add(list...)
	return s
}

// TestHide proves that secrets are found in the forms in which peers repeat them.
func TestHide(t *testing.T) {
	s := knowing(Basic("bridge", `p"ä<ss`)...)
	s.Add(OfURL("ws://a/ws?token=qu3rystring&x=")...)
	for _, c := range []struct{ name, text, want string }{
		{"nothing", "come back later", "come back later"},
		{"password", `p"ä<ss is wrong`, "<hidden> is wrong"},
		{"quoted", `"p\"ä<ss"`, `"<hidden>"`},
		{"JSON", `{"got":"p\"ä\u003css"}`, `{"got":"<hidden>"}`},
		{"HTML", `<b>p&#34;ä&lt;ss</b>`, "<b><hidden></b>"},
		{"HTML by name", `<b>p&quot;ä&lt;ss</b>`, "<b><hidden></b>"},
		{"URL", "/?p=p%22%C3%A4%3Css", "/?p=<hidden>"},
		{"URL in small letters", "/?p=p%22%c3%a4%3css", "/?p=<hidden>"},
		{"our header", "Authorization: Basic YnJpZGdlOnAiw6Q8c3M=", "Authorization: Basic <hidden>"},
		{"our header's value", "YnJpZGdlOnAiw6Q8c3M= is wrong", "<hidden> is wrong"},
		{"another's header", "map[Authorization:[basic\tYTpi] X:[1]]", "map[Authorization:[basic\t<hidden>] X:[1]]"},
		{"bearer", `{"h":"Bearer abc.def-g_h~i"}`, `{"h":"Bearer <hidden>"}`},
		{"bearer in a URL", "h=Bearer%20abc&x", "h=Bearer%20<hidden>&x"},
		{"cut header", "Basic YnJpZ", "Basic <hidden>"},
		{"sentences", "no basic authentication; Bearer token, Basic realm=\"x\"", "no basic authentication; Bearer token, Basic realm=\"x\""},
		{"query", "no page /ws?token=qu3rystring&x=", "no page /ws?<hidden>"},
		{"query's value", "token qu3rystring is unknown", "token <hidden> is unknown"},
		{"assertion", "assertion=eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln&grant_type=x", "assertion=<hidden>&grant_type=x"},
		{"twice", "<hidden> is wrong", "<hidden> is wrong"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := s.Hide(c.text); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

// TestHideShort proves that a short secret, or one that is an ordinary word, goes
// where it stands as a value and nowhere else.
func TestHideShort(t *testing.T) {
	s := knowing(Secret{Text: "a"}, Secret{Text: "4b<9"}, Named("X-Scope-OrgID", "network"))
	s.Add(Basic("admin", "a")...)
	for _, c := range []struct{ text, want string }{
		{"a receiver that answers with a page", "a receiver that answers with a page"},
		{"Service Unavailable: a backend is down", "Service Unavailable: a backend is down"},
		{"network is unreachable: network unreachable", "network is unreachable: network unreachable"},
		{"ws://a:1/ws", "ws://a:1/ws"},
		{"X-Key: a\r\nX-Other: aa\r\n", "X-Key: <hidden>\r\nX-Other: aa\r\n"},
		{"X-Key: a X-Scope-Orgid: network Host: x", "X-Key: <hidden> X-Scope-Orgid: <hidden> Host: x"},
		{"map[X-Key:[a] X-Scope-Orgid:[network]]", "map[X-Key:[<hidden>] X-Scope-Orgid:[<hidden>]]"},
		{`{"x": "a", "y": ["4b<9"], "z": "4b\u003c9"}`, `{"x": "<hidden>", "y": ["<hidden>"], "z": "<hidden>"}`},
		{"/w?a, /w?k=a&a;v=4b%3C9 HTTP/1.1", "/w?<hidden>, /w?k=<hidden>&<hidden>;v=<hidden> HTTP/1.1"},
		{"client_secret=4b%3C9&scope=a", "client_secret=<hidden>&scope=<hidden>"},
		{"http://admin:a@host/", "http://admin:<hidden>@host/"},
		{"wrong password: a", "wrong password: <hidden>"},
		{"wrong password: a.", "wrong password: <hidden>."},
		{"Authorization: Basic YWRtaW46YQ==", "Authorization: Basic <hidden>"},
		{"a", Mask},
	} {
		if got := s.Hide(c.text); got != c.want {
			t.Errorf("%q became %q, want %q", c.text, got, c.want)
		}
	}
}

// TestHideCut proves that a text that was cut off in a secret does not end with
// its beginning, short or not.
func TestHideCut(t *testing.T) {
	s := knowing(Secret{Text: "s3cr\"et"}, Secret{Text: "xyz"})
	for text, want := range map[string]string{
		"token=s3cr": "token=", "token=s3cr\\": "token=", "token=s3cr\"et, s": "token=<hidden>, ", "key: xy": "key: ", "all of it.": "all of it.",
	} {
		if got := s.HideCut(text); got != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
}

// TestNoFormIsShown proves that wherever in a text a secret stands, and whichever
// way it is written, no part of it that is worth the name is left.
func TestNoFormIsShown(t *testing.T) {
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
		for body.Len() < 500 {
			body.WriteString(piece.Draw(t, "between") + "\n" + form)
		}
		cut := body.String()[:rapid.IntRange(400, 500).Draw(t, "cut")]
		got := knowing(Secret{Text: password}).HideCut(cut)
		if strings.Contains(got, password) || strings.Contains(got, form[:6]) && !strings.Contains(Mask, form[:6]) {
			t.Errorf("%q is in %q", password, got)
		}
	})
}

// TestRotation proves that a secret is hidden for as long as it is configured, and
// for a while after it was replaced; and that memory is bounded.
func TestRotation(t *testing.T) {
	s := New()
	s.Pin([]Secret{{Text: "configured-1"}, {Text: "kept-as-it-is"}})
	s.Pin([]Secret{{Text: "configured-2"}, {Text: "kept-as-it-is"}})
	for i := range 2 * maxRemembered {
		s.Add(Secret{Text: fmt.Sprintf("token-%06d", i)}, Secret{Text: "read-at-each-request"})
	}
	for text, hidden := range map[string]bool{
		"configured-1": false, "configured-2": true, "kept-as-it-is": true, "read-at-each-request": true,
		"token-000000": false, fmt.Sprintf("token-%06d", 2*maxRemembered-1): true, fmt.Sprintf("token-%06d", maxRemembered+10): true,
	} {
		if got := s.Hide("x " + text); (got == "x "+Mask) != hidden {
			t.Errorf("%s is hidden: %v, want %v", text, !hidden, hidden)
		}
	}
	if len(s.known) > maxRemembered+2 {
		t.Errorf("%d secrets are known", len(s.known))
	}
}

// TestError proves that an error keeps its meaning without its secrets.
func TestError(t *testing.T) {
	s := knowing(Secret{Text: "pa55word"})
	err := s.Error(fmt.Errorf("open pa55word: %w", fs.ErrNotExist))
	if err.Error() != "open <hidden>: file does not exist" || !errors.Is(err, fs.ErrNotExist) || s.Error(nil) != nil {
		t.Errorf("%v", err)
	}
}
