// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"context"
	"net/http"
	"slices"
	"sync"

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

// Check sends each endpoint, all at once, a request without a sample, which stores nothing.
func Check(ctx context.Context, list []EndpointConfig, options Options) ([]Checked, error) {
	list, clients := slices.Clone(list), make([]*client.Client, len(list))
	for i := range list {
		err := list[i].complete()
		if err == nil {
			clients[i], err = newClient(list[i], agentOf(options.Version), options.Secrets, options.HTTP)
		}
		if err != nil {
			return nil, err
		}
		defer clients[i].Close()
	}
	out := make([]Checked, len(list))
	var asking sync.WaitGroup
	for i, cfg := range list {
		asking.Go(func() { out[i] = check(ctx, cfg, clients[i]) })
	}
	asking.Wait()
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
		if out.Words, out.Remedy = answer.Words, answer.CheckRemedy(); out.OK {
			out.Words = "it accepts requests of remote-write " + version.String()
		}
		if answer.Status != http.StatusUnsupportedMediaType {
			break
		}
	}
	return out
}
