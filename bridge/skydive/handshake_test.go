// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package skydive

import (
	"bufio"
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/prometheus/common/config"

	"github.com/skydive-project/skybridge/bridge/skydive/access"
)

// serve answers requests until the test ends and returns a ws URL.
func serve(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	l := listen(t)
	server := &http.Server{Handler: h, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	return "ws://" + l.Addr().String()
}

// serveFeed upgrades every request, gives its connection to feed, and closes it
// after that. It returns a ws URL.
func serveFeed(t *testing.T, feed func(*websocket.Conn)) string {
	t.Helper()
	return serve(t, func(w http.ResponseWriter, req *http.Request) {
		up := websocket.Upgrader{}
		conn, err := up.Upgrade(w, req, nil)
		if err != nil {
			return
		}
		defer func() { _ = conn.Close() }()
		feed(conn)
	})
}

// readOn reads until the peer has gone, and answers its control messages.
func readOn(conn *websocket.Conn) {
	for {
		if _, _, err := conn.ReadMessage(); err != nil {
			return
		}
	}
}

// answer gives every request this answer by itself and cuts the connection when
// the peer does, and returns the address.
func answer(t *testing.T, with func(w io.Writer, req *http.Request)) string {
	t.Helper()
	l := listen(t)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				in := bufio.NewReader(conn)
				req, err := http.ReadRequest(in)
				if err != nil {
					return
				}
				with(conn, req)
				_, _ = io.Copy(io.Discard, in)
			}()
		}
	}()
	return l.Addr().String()
}

// accept is the header that goes with a request's key (RFC 6455 section 4.2.2).
func accept(req *http.Request) string {
	sum := sha1.Sum([]byte(req.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return "Sec-WebSocket-Accept: " + base64.StdEncoding.EncodeToString(sum[:]) + "\r\n"
}

func upgraded(w io.Writer, headers ...string) {
	fmt.Fprintf(w, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n%s\r\n", strings.Join(headers, ""))
}

// endless repeats a text until the connection ends.
func endless(w io.Writer, begin, text string) {
	fmt.Fprint(w, begin)
	for piece := []byte(strings.Repeat(text, 100)); ; {
		if _, err := w.Write(piece); err != nil {
			return
		}
	}
}

// fails runs a feed until it has logged what is wrong, which it counts, and returns its log.
func (r *rig) fails(t *testing.T, why reason, logged string) (log string) {
	t.Helper()
	r.run(t)
	r.logs.WaitFor(t, logged)
	r.stop()
	if got := r.metric(t, "skybridge_reconnects_total", "reason", string(why)); got < 1 {
		t.Errorf("counted %v; the log:\n%s", got, r.logs)
	}
	if r.sink.count("up") != 0 {
		t.Error("was subscribed")
	}
	return r.logs.String() + r.feed.Status()[0].LastError
}

// Whatever an analyzer, or what is taken for one, answers to the handshake: the
// bridge says what is wrong and tries again.
func TestBrokenHandshakes(t *testing.T) {
	const broken = "the WebSocket handshake is broken"
	for _, c := range []struct {
		name   string
		reason reason
		logged string
		with   func(w io.Writer, req *http.Request)
	}{
		{"wrong accept header", reasonProtocol, broken + ": HTTP 101 came with", func(w io.Writer, _ *http.Request) {
			upgraded(w, "Sec-WebSocket-Accept: x\r\n")
		}},
		{"no upgrade header", reasonProtocol, broken + ": HTTP 101 came with", func(w io.Writer, req *http.Request) {
			fmt.Fprintf(w, "HTTP/1.1 101 Switching Protocols\r\n%s\r\n", accept(req))
		}},
		{"compression", reasonProtocol, broken + ": the analyzer, or a proxy before it, uses an extension", func(w io.Writer, req *http.Request) {
			upgraded(w, accept(req), "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover\r\n")
		}},
		{"compression that the library refuses", reasonProtocol, "uses an extension", func(w io.Writer, req *http.Request) {
			upgraded(w, accept(req), "Sec-WebSocket-Extensions: permessage-deflate\r\n")
		}},
		{"unknown extension", reasonProtocol, "uses an extension", func(w io.Writer, req *http.Request) {
			upgraded(w, accept(req), "Sec-WebSocket-Extensions: x-new\r\n")
		}},
		{"endless status line", reasonProtocol, "the answer to the handshake does not end within 65536 bytes", func(w io.Writer, _ *http.Request) {
			endless(w, "HTTP/1.1 101 ", "Switching")
		}},
		{"endless headers", reasonProtocol, "the answer to the handshake does not end within 65536 bytes", func(w io.Writer, _ *http.Request) {
			endless(w, "HTTP/1.1 200 OK\r\n", "X-Header: value\r\n")
		}},
		{"endless header", reasonProtocol, "the answer to the handshake does not end within 65536 bytes", func(w io.Writer, _ *http.Request) {
			endless(w, "HTTP/1.1 200 OK\r\nX-Header: ", "value")
		}},
		{"endless body", reasonHTTP, "answers HTTP 403 Forbidden", func(w io.Writer, _ *http.Request) {
			endless(w, "HTTP/1.1 403 Forbidden\r\n\r\n", "no")
		}},
		{"not HTTP, at length", reasonDial, "malformed HTTP", func(w io.Writer, _ *http.Request) {
			fmt.Fprintf(w, "%s\r\n\r\n", strings.Repeat("SSH", 10000))
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, Config{Analyzers: []string{"ws://" + answer(t, c.with)}})
			if n := len(r.fails(t, c.reason, c.logged)); n > 5000 {
				t.Errorf("logged %d bytes", n)
			}
		})
	}
}

// curt does not wait for the close frame of a peer that sends none.
func curt(f *Feed) { f.timing.closing = 10 * time.Millisecond }

// What comes with the 101 in the same packet is not lost, and a large first
// message is no endless handshake.
func TestMessageRightBehindTheHandshake(t *testing.T) {
	flows := flowMessage(`[` + soundFlow + `]` + strings.Repeat(" ", 200<<10))
	addr := answer(t, func(w io.Writer, req *http.Request) {
		var b bytes.Buffer
		upgraded(&b, accept(req))
		n := len(flows)
		b.Write([]byte{0x81, 127, 0, 0, 0, 0, 0, byte(n >> 16), byte(n >> 8), byte(n)})
		b.WriteString(flows)
		_, _ = w.Write(b.Bytes())
	})
	newRig(t, Config{Analyzers: []string{"ws://" + addr}}, curt).run(t).waitFlow(t, "u")
}

// The feed goes through a proxy, and lives on whatever the proxy answers.
func TestProxies(t *testing.T) {
	through := func(addr string) Config {
		proxy := config.ProxyConfig{ProxyURL: config.URL{URL: &url.URL{Scheme: "http", User: url.UserPassword("user", "pr0xy"), Host: addr}}}
		return Config{Analyzers: []string{"ws://analyzer.invalid"}, Account: account(t, access.Settings{HTTP: config.HTTPClientConfig{ProxyConfig: proxy}})}
	}
	for _, c := range []struct {
		name, logged string
		reason       reason
		with         func(w io.Writer, req *http.Request)
	}{
		{"a refusal", "Service Unavailable", reasonDial, func(w io.Writer, _ *http.Request) {
			fmt.Fprint(w, "HTTP/1.1 503 Service Unavailable\r\n\r\n")
		}},
		{"a refusal without a reason phrase", "a proxy before it, cannot be understood", reasonDial, func(w io.Writer, _ *http.Request) {
			fmt.Fprint(w, "HTTP/1.1 503\r\n\r\n")
		}},
		{"a refusal that echoes", "503 is <hidden>", reasonDial, func(w io.Writer, req *http.Request) {
			fmt.Fprintf(w, "HTTP/1.1 503 503 is %s\r\n\r\n", strings.TrimPrefix(req.Header.Get("Proxy-Authorization"), "Basic "))
		}},
		{"endless headers", "does not end within 65536 bytes", reasonProtocol, func(w io.Writer, _ *http.Request) {
			endless(w, "HTTP/1.1 200 OK\r\n", "X-Header: value\r\n")
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, through(answer(t, c.with)))
			if log := r.fails(t, c.reason, c.logged); strings.Contains(log, "pr0xy") {
				t.Errorf("the log: %s", log)
			}
		})
	}
	t.Run("an invalid URL", func(t *testing.T) {
		bad := func(*http.Request) (*url.URL, error) { return nil, errors.New("bad http://user:pr0xy@x") }
		r := newRig(t, Config{Analyzers: []string{"ws://analyzer.invalid"}, Account: account(t, access.Settings{Proxy: bad})})
		if log := r.fails(t, reasonDial, "HTTP_PROXY"); strings.Contains(log, "pr0xy") {
			t.Errorf("the log: %s", log)
		}
	})
	t.Run("a way through", func(t *testing.T) {
		addr := answer(t, func(w io.Writer, req *http.Request) {
			fmt.Fprint(w, "HTTP/1.1 200 OK\r\n\r\n")
			inner, err := http.ReadRequest(bufio.NewReader(w.(net.Conn)))
			if err != nil {
				return
			}
			upgraded(w, accept(inner))
		})
		newRig(t, through(addr), curt).run(t).waitUps(t, 1)
	})
}

// A peer that pings and pings and never reads: our pongs find no room.
func TestPingFloodOfAPeerThatDoesNotRead(t *testing.T) {
	url := serveFeed(t, func(conn *websocket.Conn) {
		ping := append([]byte{0x89, 125}, make([]byte, 125)...)
		for pings := bytes.Repeat(ping, 100); ; {
			if _, err := conn.NetConn().Write(pings); err != nil {
				return
			}
		}
	})
	r := newRig(t, Config{Analyzers: []string{url}}, func(f *Feed) { f.timing.pong = 50 * time.Millisecond }).run(t)
	r.logs.WaitFor(t, "reason=write_timeout")
	r.logs.WaitFor(t, "write timeout: the analyzer sends pings and does not read our answers")
	if strings.Contains(r.logs.String(), "not even pings") {
		t.Errorf("the log: %s", r.logs)
	}
}

// What is logged of a subscription and of its end.
func TestLogLines(t *testing.T) {
	for _, c := range []struct {
		captures []string
		want     string
	}{{nil, "captures=all"}, {[]string{"c1", "c2"}, "captures=c1,c2"}} {
		url := serveFeed(t, func(*websocket.Conn) {})
		r := newRig(t, Config{Analyzers: []string{url}, CaptureIDs: c.captures}).run(t)
		r.logs.WaitFor(t, " retry_in=")
		r.stop()
		for line := range strings.Lines(r.logs.String()) {
			if strings.Contains(line, "subscribed to the analyzer\"") && !strings.Contains(line, c.want) ||
				strings.Contains(line, "namespaces=") || strings.Contains(line, "not_logged=0") || strings.Contains(line, " in=") {
				t.Errorf("logged %s", line)
			}
		}
		if !strings.Contains(r.logs.String(), c.want) {
			t.Errorf("no %s in\n%s", c.want, r.logs)
		}
	}
}
