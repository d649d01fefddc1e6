// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package skydive

// reason is why the bridge has to connect again. The set is closed, for it
// is a label value.
type reason string

const (
	reasonDial         reason = "dial"              // no connection, or no HTTP answer
	reasonTLS          reason = "tls"               // certificate or handshake
	reasonCredentials  reason = "credentials"       // our own could not be read
	reasonUnauthorized reason = "unauthorized"      // HTTP 401
	reasonConflict     reason = "conflict"          // HTTP 409: the host id is connected
	reasonHTTP         reason = "http_status"       // any other HTTP status
	reasonClosed       reason = "closed"            // the analyzer sent a close frame
	reasonLost         reason = "connection_lost"   // it ended without one
	reasonTimeout      reason = "timeout"           // not even pings came
	reasonWriteTimeout reason = "write_timeout"     // pings came, but no pong could be written
	reasonSilent       reason = "silent"            // pings, but no data: fault 1 of the feed
	reasonTooLarge     reason = "message_too_large" // beyond maxMessage
	reasonProtocol     reason = "protocol"          // not the WebSocket protocol
)

func reasons() []reason {
	return []reason{
		reasonDial, reasonTLS, reasonCredentials, reasonUnauthorized, reasonConflict, reasonHTTP,
		reasonClosed, reasonLost, reasonTimeout, reasonWriteTimeout, reasonSilent, reasonTooLarge, reasonProtocol,
	}
}

// failure is an error with the reason it stands for.
type failure struct {
	reason reason
	err    error
}

func (f *failure) Error() string { return f.err.Error() }
