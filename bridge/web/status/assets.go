// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package status

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"

	"github.com/skydive-project/skybridge/bridge/web/expose"
)

// What the status page is made of. Nothing comes from elsewhere.
//
//go:embed assets
var assetFiles embed.FS

// asset is one file of the status page, as it is and compressed.
type asset struct {
	contentType, tag string
	plain, packed    []byte
}

// LoadAssets returns the handlers of the files that the page loads, by path.
func LoadAssets() (map[string]http.Handler, error) {
	handlers := map[string]http.Handler{}
	for name, contentType := range map[string]string{
		"status.css": "text/css; charset=utf-8",
		"status.js":  "text/javascript; charset=utf-8",
		"icon.svg":   "image/svg+xml",
	} {
		content, err := assetFiles.ReadFile("assets/" + name)
		if err != nil {
			return nil, fmt.Errorf("status page: %w", err)
		}
		var packed bytes.Buffer
		gz := gzip.NewWriter(&packed)
		_, _ = gz.Write(content) // to memory
		_ = gz.Close()
		hash := sha256.Sum256(content)
		handlers["/assets/"+name] = &asset{contentType, hex.EncodeToString(hash[:8]), content, packed.Bytes()}
	}
	return handlers, nil
}

// ServeHTTP answers with the file; a browser that has it keeps it.
func (a *asset) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", a.contentType)
	h.Set("Cache-Control", "no-cache") // ask whether it changed
	h.Set("Vary", "Accept-Encoding")
	body, tag := a.plain, `"`+a.tag+`"`
	if expose.AcceptsGzip(r.Header) {
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
	_, _ = w.Write(body) // the client has left
}
