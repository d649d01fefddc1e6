// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package skydive

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"

	"github.com/gorilla/websocket"

	"github.com/skydive-project/skybridge/bridge/skydive/access"
	"github.com/skydive-project/skybridge/secrets"
)

// refused says what an answer other than 101 means.
func refused(cfg *Config, to access.Target, resp *http.Response) *failure {
	status := cfg.Account.Refusal(to, resp)
	switch resp.StatusCode {
	case http.StatusUnauthorized:
		return &failure{reasonUnauthorized, cfg.Account.Unauthorized(status)}
	case http.StatusForbidden, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect:
		return &failure{reasonHTTP, fmt.Errorf("the analyzer, or a proxy before it, answers %s: check its address and the account's rights, "+
			"and set skydive.headers or skydive.login where a proxy wants a cookie", status)}
	case http.StatusUpgradeRequired:
		return &failure{reasonHTTP, fmt.Errorf("the request that arrived is none for a WebSocket (%s): "+
			"a proxy before the analyzer must pass on the headers Upgrade and Connection", status)}
	case http.StatusBadRequest:
		if strings.Contains(status, "HTTPS") {
			return &failure{reasonTLS, fmt.Errorf("the analyzer has TLS (%s): write wss://", status)}
		}
	case http.StatusConflict:
		return &failure{reasonConflict, fmt.Errorf("a client with host id %q is still connected (%s): "+
			"an earlier connection of this bridge, which the analyzer gives up after 7 s, "+
			"or another bridge with the same skydive.host_id", cfg.HostID, status)}
	case http.StatusNotFound:
		return &failure{reasonHTTP, fmt.Errorf("no flow feed at this address (%s): check the port and path of skydive.analyzers", status)}
	}
	return &failure{reasonHTTP, fmt.Errorf("the analyzer answers %s", status)}
}

// brokenUpgrade says what is wrong with a 101, err being the library's opinion of
// it; nil when nothing is.
func brokenUpgrade(resp *http.Response, err error) *failure {
	switch {
	case errors.Is(err, websocket.ErrBadHandshake):
		return &failure{reasonProtocol, errors.New("the WebSocket handshake is broken: HTTP 101 came with a wrong or missing " +
			"Upgrade, Connection or Sec-WebSocket-Accept header: check that skydive.analyzers is an analyzer, and any proxy before it")}
	case slices.ContainsFunc(resp.Header.Values("Sec-WebSocket-Extensions"), func(v string) bool { return v != "" }):
		// None was offered, so a client must fail here (RFC 6455 section 4.1);
		// the library takes up compression all the same.
		return &failure{reasonProtocol, errors.New("the WebSocket handshake is broken: the analyzer, or a proxy before it, " +
			"uses an extension such as compression that was not asked for")}
	}
	return nil
}

// unreached says why there was no answer that could be read.
func unreached(err error, account *access.Account) *failure {
	err = secrets.WithoutURL(err)
	if errors.Is(err, errEndlessHandshake) {
		return &failure{reasonProtocol, errEndlessHandshake}
	}
	if tls := account.TLSError(err); tls != nil {
		return &failure{reasonTLS, tls}
	}
	var slow net.Error
	if errors.As(err, &slow) && slow.Timeout() {
		return &failure{reasonDial, fmt.Errorf("connect: no answer within %s", access.HandshakeTimeout)}
	}
	return &failure{reasonDial, fmt.Errorf("connect: %s", account.Text(err))}
}
