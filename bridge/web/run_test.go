// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/skydive-project/skybridge/internal/rows"
)

// pipes is a listener whose connections are in memory, for tests on fake time.
type pipes struct {
	conns   chan net.Conn
	once    sync.Once
	end     chan struct{}
	clients []net.Conn
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), end: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.end:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.end) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }

// dial returns the client's end of a new connection.
func (p *pipes) dial() net.Conn {
	client, server := net.Pipe()
	p.clients = append(p.clients, client)
	p.conns <- server
	return client
}

// bubble is a server on pipes, on fake time.
type bubble struct {
	rig
	*testing.T

	pipes *pipes
	stop  func() error // ends it and returns Run's error
}

// inBubble runs a test with a server; at its end the clients have left and the server
// ends without an error.
func inBubble(t *testing.T, change func(*Options), test func(*bubble)) {
	synctest.Test(t, func(t *testing.T) {
		b := &bubble{rig: newRig(t, change), T: t, pipes: newPipes()}
		b.listeners = []net.Listener{b.pipes}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- b.rig.Run(ctx) }()
		b.stop = sync.OnceValue(func() error { cancel(); return <-done })
		test(b)
		for _, c := range b.pipes.clients {
			c.Close()
		}
		if err := b.stop(); err != nil {
			t.Error(err)
		}
	})
}

// send opens a connection and begins a request on it.
func (b *bubble) send(text string) net.Conn {
	b.Helper()
	c := b.pipes.dial()
	if _, err := io.WriteString(c, text); err != nil {
		b.Fatal(err)
	}
	return c
}

// answer reads an answer with status 200 and returns its type and its body.
func (b *bubble) answer(r io.Reader) (contentType, body string) {
	b.Helper()
	answer, err := http.ReadResponse(bufio.NewReader(r), nil)
	if err != nil {
		b.Fatal(err)
	}
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		b.Errorf("status %d, %v", answer.StatusCode, err)
	}
	return answer.Header.Get("Content-Type"), string(text)
}

// get is the beginning of a request for a path.
func get(path string) string { return "GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n" }

func endless() *rows.Source {
	s := rows.Many(1000)
	s.Endless = true
	return s
}

// A client that does not read its page is cut off after limits.chunk, one that
// reads a little now and then after limits.page.
func TestSlowReadersAreCutOff(t *testing.T) {
	for _, tc := range []struct {
		name string
		read func(net.Conn) // after the request; returns when the connection ends
		end  time.Duration
	}{
		{"reads nothing", func(net.Conn) {}, defaultLimits().chunk},
		{"trickles", func(c net.Conn) {
			b := make([]byte, 20<<10)
			for {
				if _, err := io.ReadFull(c, b); err != nil {
					return
				}
				time.Sleep(20 * time.Second) // the bubble's clock
			}
		}, defaultLimits().page},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inBubble(t, func(o *Options) { o.Source = endless() }, func(b *bubble) {
				start := time.Now()
				tc.read(b.send(get("/metrics")))
				for b.metric(b.T, "skybridge_http_scrapes_total", resultAborted) == 0 {
					time.Sleep(time.Second)
					if time.Since(start) > time.Hour {
						b.Fatal("not cut off")
					}
				}
				if took := time.Since(start); took < tc.end || took > tc.end+21*time.Second {
					b.Errorf("cut off after %s", took)
				}
			})
		})
	}
}

// A reader that is slow but steady gets its page.
func TestSteadyReaderIsServed(t *testing.T) {
	inBubble(t, func(o *Options) { o.Source = rows.Many(1000) }, func(b *bubble) {
		contentType, page := b.answer(slowly{b.send(get("/metrics?collect[]=connections"))})
		got, err := parse([]byte(page), contentType)
		if err != nil || len(got.samples) != 5000 {
			b.Errorf("%d series, %v", len(got.samples), err)
		}
		_ = b.stop()
		if got := b.metric(b.T, "skybridge_http_scrapes_total", resultOK); got != 1 {
			b.Errorf("counted %v", got)
		}
	})
}

// slowly takes a second (of the bubble's clock) for each read.
type slowly struct{ io.Reader }

func (s slowly) Read(b []byte) (int, error) {
	time.Sleep(time.Second)
	return s.Reader.Read(b)
}

// Clients that begin a request and do not continue hold nothing for long.
func TestStalledRequestsAreCutOff(t *testing.T) {
	for _, tc := range []struct{ name, sent string }{
		{"no request", ""},
		{"half a header", "GET /metrics HTTP/1.1\r\nHost: x\r\nX-Slow: "},
		{"no body", "POST /-/reload HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n"},
		{"half a body", "GET /-/healthy HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"},
		{"idle", get("/-/healthy")},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inBubble(t, nil, func(b *bubble) {
				start := time.Now()
				_, _ = io.Copy(io.Discard, b.send(tc.sent)) // until the server closes
				if took := time.Since(start); took > defaultLimits().idle+time.Minute {
					b.Errorf("closed after %s", took)
				}
			})
		})
	}
}

// wide adds more metrics of the bridge's own than net/http buffers.
func wide(t *testing.T, narrow prometheus.Gatherer) prometheus.Gatherer {
	t.Helper()
	more := prometheus.NewRegistry()
	gauges := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "wide", Help: "Many."}, []string{"n"})
	more.MustRegister(gauges)
	for n := range 1000 {
		gauges.WithLabelValues(strconv.Itoa(n)).Set(1)
	}
	return prometheus.Gatherers{narrow, more}
}

// Clients of collect[]=self that do not read hold nothing that the next one
// needs, however many they are.
func TestStalledWatchersLockNobodyOut(t *testing.T) {
	inBubble(t, func(o *Options) { o.Gatherer = wide(t, o.Gatherer) }, func(b *bubble) {
		stalled := 3 * defaultLimits().scrapes
		for range stalled {
			b.send(get("/metrics?collect[]=self"))
		}
		synctest.Wait()
		if got := b.metric(b.T, "skybridge_http_requests_in_flight", ""); got != float64(stalled) {
			b.Errorf("in flight: %v", got)
		}
		b.answer(b.send(get("/metrics?collect[]=self")))
	})
}

// One connection more than the limit waits until another ends, and is served
// then.
func TestConnectionsAreBounded(t *testing.T) {
	inBubble(t, nil, func(b *bubble) {
		most := defaultLimits().connections
		first := b.pipes.dial()
		for range most - 1 {
			b.pipes.dial()
		}
		served := make(chan net.Conn, 1)
		go func() { served <- b.pipes.dial() }()
		synctest.Wait()
		select {
		case <-served:
			b.Errorf("%d connections are open", most+1)
		default:
		}
		first.Close()
		c := <-served
		if _, err := io.WriteString(c, get("/-/healthy")); err != nil {
			b.Fatal(err)
		}
		b.answer(c)
	})
}

// A request in flight at the end is finished; new ones are not accepted.
func TestRunEndsGracefully(t *testing.T) {
	var asked, answer chan struct{}
	inBubble(t, func(o *Options) {
		asked, answer = make(chan struct{}), make(chan struct{}) // of the bubble
		o.Ready = func() (bool, string) { close(asked); <-answer; return true, "to the end" }
	}, func(b *bubble) {
		c := b.send(get("/-/ready"))
		<-asked
		ended := make(chan error, 1)
		go func() { ended <- b.stop() }()
		synctest.Wait()
		select {
		case <-ended:
			b.Fatal("ended before the request")
		default:
		}
		if _, err := b.pipes.Accept(); !errors.Is(err, net.ErrClosed) {
			b.Error("still listening")
		}
		close(answer)
		if _, text := b.answer(c); text != "to the end\n" {
			b.Errorf("%q", text)
		}
		<-ended
	})
}

// A page without end does not hold the end up: it is cut after the grace.
func TestRunCutsWhatTakesTooLong(t *testing.T) {
	inBubble(t, func(o *Options) { o.Source = endless() }, func(b *bubble) {
		c := b.send(get("/metrics"))
		var reader sync.WaitGroup
		reader.Go(func() { _, _ = io.Copy(io.Discard, slowly{c}) })
		synctest.Wait()
		start := time.Now()
		_ = b.stop()
		if took := time.Since(start); took > 2*defaultLimits().grace {
			b.Errorf("took %s", took)
		}
		if got := b.metric(b.T, "skybridge_http_scrapes_total", resultAborted); got != 1 {
			b.Errorf("counted %v", got)
		}
		c.Close()
		reader.Wait()
	})
}

// A handler that hears no one is reported, not waited for without end.
func TestRunReportsWhatHangs(t *testing.T) {
	var release chan struct{}
	inBubble(t, func(o *Options) {
		release = make(chan struct{})
		o.Ready = func() (bool, string) { <-release; return true, "" }
	}, func(b *bubble) {
		b.send(get("/-/ready"))
		synctest.Wait()
		if err := b.stop(); err == nil {
			b.Error("no error")
		}
		b.stop = func() error { return nil }
		close(release)
	})
}

// A listener that fails ends the server with its error.
func TestRunReportsABrokenListener(t *testing.T) {
	r := newRig(t, nil)
	if err := r.Run(t.Context()); err == nil {
		t.Error("no error without Listen")
	}
	if err := r.Listen(); err != nil {
		t.Fatal(err)
	}
	r.listeners[0].Close()
	if err := r.Run(t.Context()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("error: %v", err)
	}
}
