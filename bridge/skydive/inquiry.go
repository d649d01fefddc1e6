// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package skydive

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"github.com/skydive-project/skybridge/bridge/skydive/access"
)

// maxInquiry bounds the size of an answer in bytes: a status has some 300 for each agent.
const maxInquiry = 16 << 20

// inquiry asks an analyzer about itself.
type inquiry struct {
	account *access.Account
	to      access.Target
	client  *access.Client
}

// inquire has connections of its own, for behind one address there can be several analyzers.
func inquire(account *access.Account, to access.Target) *inquiry {
	return &inquiry{account, to, account.Client(to, access.HandshakeTimeout)}
}

func (q *inquiry) close() { q.client.CloseIdleConnections() }

// host returns what the analyzer that answers calls itself.
func (q *inquiry) host(ctx context.Context) (string, error) {
	var info struct{ Host string }
	err := q.get(ctx, "/api", &info)
	return info.Host, err
}

// peers returns what the other analyzers of its cluster call themselves.
func (q *inquiry) peers(ctx context.Context) (names []string, err error) {
	type connections map[string]struct {
		RemoteServiceType string
		IsConnected       *bool // an analyzer that is gone stays in the list
	}
	var status struct {
		Peers struct{ Incomers, Outgoers connections }
	}
	if err := q.get(ctx, "/api/status", &status); err != nil {
		return nil, err
	}
	for _, all := range []connections{status.Peers.Incomers, status.Peers.Outgoers} {
		for name, c := range all {
			if name != "" && (c.IsConnected == nil || *c.IsConnected) && (c.RemoteServiceType == "" || c.RemoteServiceType == "analyzer") {
				names = append(names, name)
			}
		}
	}
	return names, nil
}

func (q *inquiry) get(ctx context.Context, path string, into any) error {
	request, err := q.account.Request(ctx, http.MethodGet, q.to, path, nil)
	if err != nil {
		return err
	}
	response, err := q.client.Do(request)
	if err != nil {
		return fmt.Errorf("%s: %s", path, q.account.Text(err))
	}
	defer func() { _ = response.Body.Close() }()
	switch response.StatusCode {
	case http.StatusOK:
	case http.StatusUnauthorized:
		return q.account.Unauthorized(q.account.Refusal(q.to, response))
	default:
		return fmt.Errorf("%s: the analyzer answers %s", path, q.account.Refusal(q.to, response))
	}
	if err := json.NewDecoder(io.LimitReader(response.Body, maxInquiry)).Decode(into); err != nil {
		return fmt.Errorf("%s: the answer is no JSON that makes sense", path)
	}
	return nil
}
