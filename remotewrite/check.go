// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"context"
	"net/http"

	"github.com/golang/snappy"

	"github.com/skydive-project/skybridge/remotewrite/client"
	"github.com/skydive-project/skybridge/remotewrite/wire"
	"github.com/skydive-project/skybridge/secrets"
)

// Checked is what came of an empty request to an endpoint.
type Checked struct {
	Name, URL string // the URL without secrets
	OK        bool
	Words     string // the version it accepts, or what went wrong
	Remedy    string // "": none is known
}

// Check sends each endpoint a request without a sample, which stores nothing.
func Check(ctx context.Context, list []EndpointConfig, options Options) ([]Checked, error) {
	out := make([]Checked, 0, len(list))
	for _, cfg := range list {
		if err := cfg.complete(); err != nil {
			return nil, err
		}
		c, err := newClient(cfg, agentOf(options.Version), options.Secrets, options.HTTP)
		if err != nil {
			return nil, err
		}
		out = append(out, check(ctx, cfg, c))
		c.Close()
	}
	return out, nil
}

func check(ctx context.Context, cfg EndpointConfig, c *client.Client) Checked {
	out := Checked{Name: cfg.Name, URL: secrets.URL(cfg.URL)}
	versions := []wire.Version{wire.V1, wire.V2}
	switch cfg.ProtobufMessage {
	case Message1:
		versions = versions[:1]
	case Message2:
		versions = versions[1:]
	}
	for _, version := range versions {
		answer := c.Post(ctx, &client.Body{Version: version, Data: snappy.Encode(nil, nil)}, 0)
		out.OK = answer.Verdict == client.Delivered || answer.Verdict == client.NotV2 && answer.SpeaksV2
		if out.Words, out.Remedy = answer.Words, answer.Remedy(); out.OK {
			out.Words = "it accepts requests of remote-write " + version.String()
		}
		if answer.Status != http.StatusUnsupportedMediaType {
			break
		}
	}
	return out
}
