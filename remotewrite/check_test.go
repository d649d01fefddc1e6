// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/skydive-project/skybridge/secrets"
)

// TestCheckVersion proves that a receiver of one version is accepted by those settings only
// with which samples would be sent in it.
func TestCheckVersion(t *testing.T) {
	for _, c := range []struct {
		speaks2 bool
		works   map[Message]string
	}{
		{false, map[Message]string{Message1: "1.0", MessageAuto: "1.0"}},
		{true, map[Message]string{Message2: "2.0", MessageAuto: "2.0"}},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if is2(r) != c.speaks2 {
				w.WriteHeader(http.StatusUnsupportedMediaType)
				return
			}
			if c.speaks2 {
				w.Header().Set("X-Prometheus-Remote-Write-Samples-Written", "0")
			}
			w.WriteHeader(http.StatusNoContent)
		}))
		defer server.Close()
		for _, message := range []Message{Message1, Message2, MessageAuto} {
			got, err := Check(t.Context(), []EndpointConfig{{URL: server.URL, ProtobufMessage: message}}, Options{Secrets: secrets.New()})
			if err != nil {
				t.Fatal(err)
			}
			version := c.works[message]
			if ok := got[0].OK; ok != (version != "") || ok && got[0].Words != "it accepts requests of remote-write "+version {
				t.Errorf("2.0 %v, %s: %+v", c.speaks2, message, got)
			}
		}
	}
}
