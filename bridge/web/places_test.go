// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
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

// TestOneAddressCannotTakeAllScrapes proves that another address is served while one
// has as many scrapes under way as it can, over HTTP/1.1 and as streams of HTTP/2.
func TestOneAddressCannotTakeAllScrapes(t *testing.T) {
	certificates, pool := certificate(t)
	for _, proto := range []string{"HTTP/1.1", "HTTP/2.0"} {
		t.Run(proto, func(t *testing.T) {
			s := &closedSource{entered: make(chan struct{}), open: make(chan struct{})}
			r, _ := listening(t, certificates, func(o *Options) { o.Source = s })
			address := r.Addr()
			client := func(local string) *http.Client {
				transport := &http.Transport{
					DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
						return (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(local)}}).DialContext(ctx, network, address)
					},
					TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: proto == "HTTP/2.0",
				}
				t.Cleanup(transport.CloseIdleConnections)
				return &http.Client{Transport: transport}
			}
			scrape := func(c *http.Client) int {
				answer, err := c.Get("https://" + address + "/metrics?collect[]=connections")
				if err != nil {
					t.Error(err)
					return 0
				}
				defer answer.Body.Close()
				if answer.Proto != proto {
					t.Errorf("over %s", answer.Proto)
				}
				_, _ = io.Copy(io.Discard, answer.Body)
				return answer.StatusCode
			}
			var scrapes sync.WaitGroup
			defer scrapes.Wait()
			hog, codes := client("127.0.0.2"), make(chan int)
			most := defaultLimits().scrapes
			for range 2 * most {
				scrapes.Go(func() { codes <- scrape(hog) })
			}
			for range most / 2 {
				<-s.entered
			}
			for range 2*most - most/2 {
				if code := <-codes; code != http.StatusServiceUnavailable {
					t.Errorf("one more of the same address: status %d", code)
				}
			}
			scrapes.Go(func() { codes <- scrape(client("127.0.0.3")) })
			select {
			case <-s.entered:
				scrapes.Go(func() { // the walks of further families
					for range s.entered {
					}
				})
				close(s.open)
				if code := <-codes; code != http.StatusOK {
					t.Errorf("another address: status %d", code)
				}
			case code := <-codes:
				t.Fatalf("another address: status %d", code)
			}
			for range most / 2 {
				if code := <-codes; code != http.StatusOK {
					t.Errorf("status %d", code)
				}
			}
			close(s.entered)
		})
	}
}
