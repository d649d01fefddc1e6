// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
)

// What the status page is made of. Nothing comes from elsewhere.
//
//go:embed assets
var assetFiles embed.FS

// asset is one file of the status page, as it is and compressed.
type asset struct {
	name, contentType, tag string
	plain, packed          []byte
}

// loadAssets reads the files that browsers ask for by themselves.
func (s *Server) loadAssets() error {
	for name, contentType := range map[string]string{
		"status.css": "text/css; charset=utf-8",
		"status.js":  "text/javascript; charset=utf-8",
		"icon.svg":   "image/svg+xml",
	} {
		content, err := assetFiles.ReadFile("assets/" + name)
		if err != nil {
			return fmt.Errorf("web: %w", err)
		}
		hash := sha256.Sum256(content)
		s.assets = append(s.assets, &asset{name, contentType, hex.EncodeToString(hash[:8]), content, s.pack(content)})
	}
	return nil
}

// serve answers with the file; a browser that has it keeps it.
func (a *asset) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", a.contentType)
	h.Set("Cache-Control", "no-cache") // ask whether it changed
	h.Set("Vary", "Accept-Encoding")
	body, tag := a.plain, `"`+a.tag+`"`
	if acceptsGzip(r.Header) {
		body, tag = a.packed, `"`+a.tag+`-gzip"`
	}
	h.Set("ETag", tag)
	if strings.Contains(strings.Join(r.Header.Values("If-None-Match"), ","), tag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	if bytes.Equal(body, a.packed) {
		h.Set("Content-Encoding", "gzip")
	}
	_, _ = w.Write(body) // nobody is left to tell
}
