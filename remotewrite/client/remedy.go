// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"log/slog"
	"net/http"
)

const usualPaths = "which is /api/v1/write of Prometheus and VictoriaMetrics, /api/v1/receive of Thanos, /api/v1/push of Cortex and Mimir"

// Remedy says what usually helps against an answer with an error, "" where only the
// receiver's own words do.
func (a *Answer) Remedy() string {
	switch a.Status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return "write the address that it redirects to in url"
	case http.StatusUnauthorized:
		return "check the credentials: basic_auth, authorization or oauth2"
	case http.StatusForbidden:
		return "check what the credentials are allowed to, and the tenant's header"
	case http.StatusNotFound:
		return "check the path of url, " + usualPaths + "; Prometheus must run with --web.enable-remote-write-receiver"
	case http.StatusMethodNotAllowed:
		return "nothing takes samples at this url: check its host, its port, and its path, " + usualPaths
	case http.StatusProxyAuthRequired:
		return "check the credentials in proxy_url"
	case http.StatusRequestEntityTooLarge:
		return "a single sample is too large: raise the limit of the receiver, or of a proxy before it"
	case http.StatusUnsupportedMediaType:
		return "set protobuf_message to auto, or to the version that the receiver speaks"
	}
	if a.webPage {
		return "a web page answered, not a receiver: check url, and what stands before the receiver"
	}
	return ""
}

// RemedyAttr is the remedy for a log line, which has none where none is known.
func (a *Answer) RemedyAttr() slog.Attr {
	if r := a.Remedy(); r != "" {
		return slog.String("remedy", r)
	}
	return slog.Attr{}
}

// NothingStored says whether a final answer is surely not about the samples: what gave
// it has not looked at them. 400, 409 and 422 are what receivers answer that may
// have stored some.
func (a *Answer) NothingStored() bool {
	switch a.Status {
	case http.StatusBadRequest, http.StatusConflict, http.StatusUnprocessableEntity:
		return false
	}
	return a.Status/100 == 4 && !a.SpeaksV2
}
