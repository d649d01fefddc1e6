// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package topology

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/skydive-project/skybridge/bridge/skydive/access"
)

// queryTimeout bounds one question to an analyzer, answer included.
const queryTimeout = 15 * time.Second

// topologyPath is where an analyzer answers questions about the topology.
const topologyPath = "/api/topology"

// The questions. What has a TID can be captured on; interfaces are among it.
// ValueMap keeps the answer to a tenth of its size (measured: 2.4 of 19 kB).
const (
	queryNodes  = "G.V().HasKey('TID')"
	nodesValues = ".ValueMap('@ID','@Host','@CreatedAt','@Revision','TID','Name','Type','EncapType','IPV4','IPV6','Metric','Captures'," +
		"'Libvirt.Domain','ExtID.vm-uuid','Neutron.IPV4','Neutron.IPV6')"
	queryHolders  = "G.V().Has('Type', Within('container','pod'))"
	holdersValues = ".ValueMap('@ID','@Host','@CreatedAt','@Revision','Type','Name'," +
		"'K8s.Namespace','K8s.IP','K8s.Extra.Status.HostIP','Container.Hosts.IP')"
	// What is in the network namespaces that have containers.
	queryEdges = "G.V().Has('Type','container').In('Type','netns').Dedup().OutE('RelationType','ownership')"
)

// result says how a question to the topology ended. The set is closed, for it is
// a label value.
type result string

const (
	resultOK           result = "ok"
	resultCredentials  result = "credentials" // our own could not be read
	resultUnauthorized result = "unauthorized"
	resultHTTP         result = "http_status" // any other than 200
	resultUnreachable  result = "unreachable"
	resultTimeout      result = "timeout"
	resultTLS          result = "tls"
	resultTooLarge     result = "too_large"
	resultMalformed    result = "malformed"
)

func results() []result {
	return []result{
		resultOK, resultCredentials, resultUnauthorized, resultHTTP, resultUnreachable, resultTimeout,
		resultTLS, resultTooLarge, resultMalformed,
	}
}

// queryError is an error with the result it stands for.
type queryError struct {
	result result
	status int // of HTTP, 0: none
	err    error
}

func (e *queryError) Error() string { return e.err.Error() }

// ask puts one question and has decode read the answer.
func ask(ctx context.Context, client *access.Client, account *access.Account, to access.Target, query string, decode func(io.Reader) error) *queryError {
	body, err := json.Marshal(struct{ GremlinQuery string }{query})
	if err != nil {
		return &queryError{resultMalformed, 0, err}
	}
	request, err := account.Request(ctx, http.MethodPost, to, topologyPath, bytes.NewReader(body))
	if err != nil {
		return &queryError{resultCredentials, 0, err}
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := client.Do(request)
	if err != nil {
		return unanswered(err, account)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return declined(account, to, response)
	}
	if err := decode(response.Body); err != nil {
		return unanswered(err, account)
	}
	return nil
}

// unanswered says why there was no answer that could be read.
func unanswered(err error, account *access.Account) *queryError {
	var whole *url.Error
	var syntax *json.SyntaxError
	var slow interface{ Timeout() bool }
	late := errors.Is(err, context.DeadlineExceeded) || (errors.As(err, &slow) && slow.Timeout())
	begun := !errors.As(err, &whole) // an answer had
	if !begun {
		err = whole.Err // the rest is the URL
	}
	if errors.Is(err, errAnswerTooLarge) || errors.Is(err, errNodeTooLarge) {
		return &queryError{resultTooLarge, 0, err}
	}
	if begun && (errors.As(err, &syntax) || errors.Is(err, errNoArray) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF)) {
		return &queryError{resultMalformed, 0, fmt.Errorf("the answer is no JSON that makes sense or was cut off: %s", account.Text(err))}
	}
	if tls := account.TLSError(err); tls != nil {
		return &queryError{resultTLS, 0, tls}
	}
	if late {
		return &queryError{resultTimeout, 0, errors.New("the answer did not come in time")}
	}
	return &queryError{resultUnreachable, 0, errors.New(account.Text(err))}
}

// declined says what an answer other than 200 means.
func declined(account *access.Account, to access.Target, response *http.Response) *queryError {
	status := account.Refusal(to, response)
	e := &queryError{resultHTTP, response.StatusCode, fmt.Errorf("the analyzer answers %s", status)}
	switch response.StatusCode {
	case http.StatusUnauthorized:
		e.result, e.err = resultUnauthorized, account.Unauthorized(status)
	case http.StatusNotFound:
		e.err = fmt.Errorf("no topology at this address (%s): set topology.analyzers, or topology.enabled: false", status)
	}
	return e
}
