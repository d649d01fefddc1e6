// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"strings"
	"time"
)

func (r *reader) skydive(o *object, c *Skydive) {
	seen, before := set[string]{}, len(r.errs)
	for i, it := range o.texts("analyzers") {
		path := fmt.Sprintf("skydive.analyzers[%d]", i)
		url, ok := r.analyzer(it, path, "skydive.basic_auth")
		switch {
		case !ok:
		case !seen.add(url):
			r.fail(it.line, path+" is the same as one before it", "remove one of them")
		default:
			c.Analyzers = append(c.Analyzers, url)
		}
	}
	if len(c.Analyzers) == 0 && len(r.errs) == before && !o.broken {
		r.fail(o.lineOf("analyzers"), "skydive.analyzers is missing", "list at least one analyzer, such as [ws://127.0.0.1:8082]")
	}
	seen = set[string]{}
	for i, it := range o.texts("capture_ids") {
		path := fmt.Sprintf("skydive.capture_ids[%d]", i)
		switch {
		case !r.captureID(it, path):
		case !seen.add(it.text):
			r.fail(it.line, path+" is the same as one before it", "remove one of them")
		default:
			c.CaptureIDs = append(c.CaptureIDs, it.text)
		}
	}
	o.text("host_id", &c.HostID)
	r.hostID(item{c.HostID, o.lineOf("host_id")}, "skydive.host_id")
	r.basicAuth(o.child("basic_auth"), &c.BasicAuth)
	r.tls(o, &c.TLS)
	if n := o.take("silence_timeout"); n != nil && n.Value != "auto" {
		// Every live capture sends statistics every 10 s (skydive-feed.md).
		o.duration("silence_timeout", &c.SilenceTimeout, 10*time.Second, 24*time.Hour)
	}
	o.done()
}

// captureID checks an id, which becomes a part of a namespace in a header.
func (r *reader) captureID(it item, path string) bool {
	if it.text == "" || len(it.text) > 255 || !printable(it.text) || strings.ContainsAny(it.text, " ,/*") {
		r.fail(it.line, path+" is no id of a capture", "copy the UUID that `skydive client capture list` shows")
		return false
	}
	return true
}

// hostID checks what becomes the header X-Host-ID.
func (r *reader) hostID(it item, path string) {
	if len(it.text) > 255 || !printable(it.text) {
		r.fail(it.line, path+" is too long or has characters that cannot be printed", "write a short name that no other subscriber uses")
	}
}

func (r *reader) basicAuth(o *object, c *BasicAuth) {
	o.text("username", &c.Username)
	var password string
	o.text("password", &password)
	c.Password = secret(password)
	r.file(o, "password_file", &c.PasswordFile)
	switch {
	case c.Password != "" && c.PasswordFile != "":
		r.fail(o.lineOf("password_file"), o.path+" has both password and password_file", "keep one of them")
	case c.Username == "" && (c.Password != "" || c.PasswordFile != ""):
		r.fail(o.line, o.path+" has a password without a username", "add username")
	}
	r.username(item{c.Username, o.lineOf("username")}, o.join("username"))
	r.noVariable(c.Username, o.lineOf("username"), o.join("username"))
	r.noVariable(password, o.lineOf("password"), o.join("password"))
	o.done()
}

// username checks what basic authentication can carry (RFC 7617, section 2).
func (r *reader) username(it item, path string) {
	if strings.Contains(it.text, ":") || !printable(it.text) {
		r.fail(it.line, fmt.Sprintf("%s has a colon or a control character", path), "basic authentication cannot carry it; use another account")
	}
}
