// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestPlacesAreShared proves that a peer gets half of what the others leave free,
// whatever its ports and addresses within a network, and that peers are forgotten.
func TestPlacesAreShared(t *testing.T) {
	p := newPlaces(fairly(8))
	var leaves []func()
	for _, c := range []struct {
		remotes []string
		want    int
	}{
		{[]string{"192.0.2.1:1", "192.0.2.1:2", "[::ffff:192.0.2.1]:3"}, 4},
		{[]string{"[2001:db8::1]:1", "[2001:db8::2]:1"}, 2},
		{[]string{"@"}, 1}, // a Unix socket's client
		{[]string{"192.0.2.2:1"}, 1},
		{[]string{"192.0.2.3:1"}, 0},
	} {
		got := 0
		for i := range 20 {
			if leave, ok := p.enter(client(&http.Request{RemoteAddr: c.remotes[i%len(c.remotes)]})); ok {
				leaves = append(leaves, leave)
				got++
			}
		}
		if got != c.want {
			t.Errorf("%v has %d places, want %d", c.remotes, got, c.want)
		}
	}
	for _, leave := range leaves {
		leave()
	}
	if p.taken != 0 || len(p.held) != 0 {
		t.Errorf("left: %d, %v", p.taken, p.held)
	}
}

func TestPeer(t *testing.T) {
	for in, want := range map[string]string{
		"192.0.2.1":              "192.0.2.1",
		"::ffff:192.0.2.1":       "192.0.2.1",
		"2001:db8:1:2:3:4:5:6":   "2001:db8:1:2::",
		"2001:db8:1:2:ffff::":    "2001:db8:1:2::",
		"fe80::1%eth0":           "fe80::",
		"2001:db8:1:3:3:4:5:6":   "2001:db8:1:3::",
		"::1":                    "::",
		"2001:db8:1:2:3:4:5:6%x": "2001:db8:1:2::",
	} {
		if got := peer(netip.MustParseAddr(in)); got != netip.MustParseAddr(want) {
			t.Errorf("%s is of %s, want %s", in, got, want)
		}
	}
}

// from dials as a client with that loopback address.
func from(t *testing.T, local, address string) net.Conn {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(local)}}
	c, err := d.DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// closed tells whether the server closes the connection before it closes one that says
// nothing.
func closed(c net.Conn) bool {
	_ = c.SetReadDeadline(time.Now().Add(defaultLimits().header / 2))
	_, err := c.Read(make([]byte, 1))
	return err != nil && !errors.Is(err, os.ErrDeadlineExceeded)
}

// A client that holds connections open without a word, as slowloris does, holds as many as
// one address may; the next are closed at once and counted, others are served, and
// what is given back can be used again.
func TestOneAddressCannotTakeAllConnections(t *testing.T) {
	r, _ := listening(t, "", nil)
	address := r.Addr()
	most := defaultLimits().perPeer
	held := make([]net.Conn, most)
	for i := range held {
		held[i] = from(t, "127.0.0.2", address)
		defer held[i].Close()
		if _, err := io.WriteString(held[i], "GET /-/healthy HTTP/1.1\r\nHost: x\r\n"); err != nil {
			t.Fatal(err)
		}
	}
	for range 5 {
		c := from(t, "127.0.0.2", address)
		if !closed(c) {
			t.Error("one connection more than one address may have is open")
		}
		c.Close()
	}
	if got := r.metric(t, "skybridge_http_connections_refused_total", ""); got != 5 {
		t.Errorf("%v are counted", got)
	}
	healthy := func(c net.Conn) error {
		defer c.Close()
		if _, err := io.WriteString(c, "GET /-/healthy HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"); err != nil {
			return err
		}
		answer, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			return err
		}
		if answer.StatusCode != http.StatusOK {
			return errors.New(answer.Status)
		}
		return nil
	}
	if err := healthy(from(t, "127.0.0.3", address)); err != nil {
		t.Errorf("somebody else: %v", err)
	}
	// The end of the request is its answer, and the end of the connection.
	if _, err := io.WriteString(held[0], "Connection: close\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, held[0]); err != nil {
		t.Fatal(err)
	}
	if err := healthy(from(t, "127.0.0.2", address)); err != nil {
		t.Errorf("in the place that is free: %v", err)
	}
}

// While one address guesses passwords on as many connections as it gets, a scraper of
// another one is served with the right one.
func TestGuessingPasswordsLocksNobodyOut(t *testing.T) {
	// bcrypt at its lowest cost, 4: the order of things is the same.
	r, _ := listening(t, "basic_auth_users: {scraper: '$2a$04$EdPwebLr1WYchZXN7o8g1O5wrZ7Qz1ODpTGdt6.I.hjffXd/BTsDO'}", nil) // fakepassword
	address := r.Addr()

	ask := func(client *http.Client, password string) (int, error) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+"/metrics?collect[]=self", nil)
		if err != nil {
			return 0, err
		}
		req.SetBasicAuth("scraper", password)
		answer, err := client.Do(req)
		if err != nil {
			return 0, err
		}
		_, _ = io.Copy(io.Discard, answer.Body)
		return answer.StatusCode, answer.Body.Close()
	}
	guesses, enough := t.Context(), make(chan struct{})
	guesser := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		return (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP("127.0.0.2")}}).DialContext(guesses, "tcp", address)
	}}
	defer guesser.CloseIdleConnections()
	var guessing, begun sync.WaitGroup
	for n := range defaultLimits().perPeer {
		begun.Add(1)
		guessing.Go(func() {
			for i := 0; ; i++ {
				// An answer may be cut off, by the bound on connections.
				if status, err := ask(&http.Client{Transport: guesser}, fmt.Sprint("guess", n, i)); err == nil && status != http.StatusUnauthorized {
					t.Errorf("a guess was answered with %d", status)
				}
				if i == 0 {
					begun.Done()
				}
				select {
				case <-enough:
					return
				default:
				}
			}
		})
	}
	begun.Wait() // each has been answered once, and continues
	own := &http.Transport{DisableKeepAlives: true}
	for range 2 {
		if status, err := ask(&http.Client{Transport: own}, "fakepassword"); err != nil || status != http.StatusOK {
			t.Errorf("the scraper was answered with %d, %v", status, err)
		}
	}
	close(enough)
	guessing.Wait()
}

// Over HTTP/2 a connection has as many requests under way as it may: a client learns it.
func TestStreamsAreBounded(t *testing.T) {
	certificates, pool := certificate(t)
	r, _ := listening(t, certificates, nil)
	conn, err := tls.Dial("tcp", r.Addr(), &tls.Config{RootCAs: pool, NextProtos: []string{"h2"}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	// What the server says first are its settings (RFC 9113, section 6.5): 6 bytes each.
	if _, err := io.WriteString(conn, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"); err != nil {
		t.Fatal(err)
	}
	header := make([]byte, 9)
	if _, err := io.ReadFull(conn, header); err != nil || header[3] != 4 {
		t.Fatalf("frame %v, %v", header, err)
	}
	settings := make([]byte, int(header[1])<<8|int(header[2]))
	if _, err := io.ReadFull(conn, settings); err != nil {
		t.Fatal(err)
	}
	streams := -1
	for ; len(settings) >= 6; settings = settings[6:] {
		if settings[1] == 3 { // SETTINGS_MAX_CONCURRENT_STREAMS
			streams = int(settings[4])<<8 | int(settings[5])
		}
	}
	if want := defaultLimits().streams; streams != want {
		t.Errorf("%d streams, want %d", streams, want)
	}
}

// A header or a body that is larger than anybody needs is refused, not read.
func TestRequestsAreBounded(t *testing.T) {
	r, _ := listening(t, "", nil)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Minute}
	do := func(req *http.Request) int {
		t.Helper()
		answer, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		return answer.StatusCode
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+r.Addr()+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Long", strings.Repeat("x", 64<<10))
	if status := do(req); status != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("a long header: status %d", status)
	}
	var read int64
	guarded := r.guard(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		var readErr error
		if read, readErr = io.Copy(io.Discard, req.Body); readErr == nil {
			t.Error("a body without end was read to its end")
		}
	}))
	body := io.LimitReader(neverEnding{}, 1<<30)
	guarded.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/-/reload", body))
	if read != maxBodyBytes {
		t.Errorf("%d bytes of a body were read, want %d", read, maxBodyBytes)
	}
}

type neverEnding struct{}

func (neverEnding) Read(b []byte) (int, error) { return len(b), nil }
