// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package skydive

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gorilla/websocket"
	"github.com/prometheus/common/config"

	"github.com/skydive-project/skybridge/bridge/skydive/access"
	"github.com/skydive-project/skybridge/internal/analyzer"
	"github.com/skydive-project/skybridge/internal/await"
	"github.com/skydive-project/skybridge/internal/loopback"
)

// zone is a name server: it knows the analyzers by SRV records of one name.
type zone struct {
	mu    sync.Mutex
	hosts []*analyzer.Analyzer // nil: it does not answer
}

func (z *zone) set(hosts ...*analyzer.Analyzer) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.hosts = hosts
}

func (z *zone) LookupSRV(context.Context, string, string, string) (string, []*net.SRV, error) {
	z.mu.Lock()
	defer z.mu.Unlock()
	if z.hosts == nil {
		return "", nil, errors.New("no such host")
	}
	var records []*net.SRV
	for _, a := range z.hosts {
		host, port, _ := net.SplitHostPort(a.Addr())
		number, _ := strconv.Atoi(port)
		records = append(records, &net.SRV{Target: host + ".", Port: uint16(number)})
	}
	return "", records, nil
}

func (z *zone) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	ip, err := netip.ParseAddr(host)
	return []netip.Addr{ip}, err
}

// often are the times of a feed that looks around often.
func often(f *Feed) { f.timing.again, f.timing.duplicate = 10*time.Millisecond, 20*time.Millisecond }

func hostNamed(t *testing.T, id string) *analyzer.Analyzer {
	return startAnalyzer(t, analyzer.Config{HostID: id})
}

// TestAnalyzersBehindOneName proves that every analyzer of a name is subscribed to, that a
// name which cannot be looked up is said and tried again, that one which is new is
// subscribed to, and one that has left the name is left once it is lost, not before.
func TestAnalyzersBehindOneName(t *testing.T) {
	a, b, c := hostNamed(t, "a"), hostNamed(t, "b"), hostNamed(t, "c")
	z := &zone{}
	const name = "dnssrv+ws://skydive.example"
	r := newRig(t, Config{Analyzers: []string{name + "?x-auth-token=t0ken"}, Resolver: z}, often).run(t)
	r.logs.WaitFor(t, "no such host")
	r.waitMetric(t, 0, "skybridge_feed_connected", "analyzer", name+access.FlowPath)
	if s := r.feed.Status(); len(s) != 1 || s[0].Analyzer != name+access.FlowPath || !strings.Contains(s[0].LastError, "no such host") {
		t.Errorf("status %+v", s)
	}
	z.set(a, b)
	for _, one := range []*analyzer.Analyzer{a, b} {
		waitSubscribed(t, one, 1)
		one.SendFlows([]analyzer.Flow{flow("of " + one.Addr())})
		r.waitFlow(t, "of "+one.Addr())
	}
	if got := r.metric(t, "skybridge_feed_connected", "analyzer", name+access.FlowPath); got != -1 {
		t.Errorf("the name counts as an analyzer: %v", got)
	}
	z.set(c, b)
	waitSubscribed(t, c, 1)
	a.SendFlows([]analyzer.Flow{flow("still")})
	r.waitFlow(t, "still")
	a.Stop()
	await.Until(t, "a is left", func() bool { return r.sink.count("gone "+a.URL()) == 1 })
	before := r.metric(t, "skybridge_analyzer_lookup_failures_total")
	z.set() // a name without records is one that cannot be looked up
	await.Until(t, "a failure", func() bool { return r.metric(t, "skybridge_analyzer_lookup_failures_total") > before })
	if b.Accepted() != 1 || c.Accepted() != 1 || strings.Contains(r.logs.String(), "t0ken") {
		t.Errorf("accepted %d and %d times; the log:\n%s", b.Accepted(), c.Accepted(), r.logs)
	}
	// A reload knows what the name stands for.
	if err := r.feed.Reload(Config{Analyzers: []string{name}, Resolver: z, HostID: "bridge", Account: r.feed.cfg.Account, SilenceTimeout: time.Hour}); err != nil {
		t.Fatal(err)
	}
	if len(b.Subscribers()) != 1 || b.Accepted() != 1 {
		t.Errorf("a reload connected again")
	}
}

// TestNameOfTheCertificate proves that TLS asks for the name that was looked up.
func TestNameOfTheCertificate(t *testing.T) {
	cert, trusting := certificate(t) // for example.com
	a := startAnalyzer(t, analyzer.Config{TLS: &tls.Config{Certificates: []tls.Certificate{cert}}})
	_, port, _ := net.SplitHostPort(a.Addr())
	r := newRig(t, Config{Analyzers: []string{"dns+wss://example.com:" + port}, Resolver: at{a.Addr()},
		Account: account(t, access.Settings{HTTP: config.HTTPClientConfig{TLSConfig: trusting}})}, often).run(t)
	r.waitUps(t, 1)
}

// at is a name server to which every name is at one address.
type at struct{ address string }

func (a at) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	return []netip.Addr{netip.MustParseAddrPort(a.address).Addr()}, nil
}

func (at) LookupSRV(context.Context, string, string, string) (string, []*net.SRV, error) {
	return "", nil, errors.New("no records")
}

// forward is an address at which the analyzers answer in turn.
func forward(t *testing.T, all ...*analyzer.Analyzer) string {
	var turn atomic.Int64
	return serve(t, func(w http.ResponseWriter, r *http.Request) {
		a := all[int(turn.Add(1)-1)%len(all)]
		httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: a.Addr()}).ServeHTTP(w, r)
	})
}

// TestOneAnalyzerAtTwoAddresses proves that it is read once, that this is no failure, and
// that the other address is used once the first is gone.
func TestOneAnalyzerAtTwoAddresses(t *testing.T) {
	a := hostNamed(t, "a")
	other := forward(t, a)
	cfg := Config{Analyzers: []string{a.URL()}, HostID: "bridge", Account: account(t, access.Settings{})}
	r := newRig(t, cfg, often).run(t)
	waitSubscribed(t, a, 1)
	cfg.Analyzers = append(cfg.Analyzers, other)
	if err := r.feed.Reload(cfg); err != nil {
		t.Fatal(err)
	}
	r.logs.WaitFor(t, "it is read once")
	status := r.feed.Status()
	i := slices.IndexFunc(status, func(s AnalyzerStatus) bool { return s.SameAs == a.URL() })
	if i < 0 || status[i].Connected || status[i].LastError != "" || status[i].HostID != "a" {
		t.Fatalf("status %+v", status)
	}
	if r.sink.count("gone "+status[i].Analyzer) != 1 || r.metric(t, "skybridge_feed_connected", "analyzer", status[i].Analyzer) != -1 || a.Accepted() != 1 {
		t.Errorf("it counts as an analyzer that is down; the log:\n%s", r.logs)
	}
	// An analyzer that is down is so at both addresses, and is back at either.
	a.Stop()
	r.waitMetric(t, 0, "skybridge_feed_connected", "analyzer", status[i].Analyzer)
	if err := a.Restart(); err != nil {
		t.Fatal(err)
	}
	// Both may be let in where they come at the same moment.
	await.Until(t, "it is read again", func() bool {
		return !slices.ContainsFunc(r.feed.Status(), func(s AnalyzerStatus) bool { return !s.Connected && s.SameAs == "" })
	})
	spare := status[i].Analyzer
	cfg.Analyzers = []string{other}
	if err := r.feed.Reload(cfg); err != nil {
		t.Fatal(err)
	}
	r.waitMetric(t, 1, "skybridge_feed_connected", "analyzer", spare)
	if s := r.feed.Status(); len(s) != 1 || s[0].SameAs != "" {
		t.Errorf("status %+v", s)
	}
}

// TestMissingAnalyzers proves that an analyzer which others have as a peer and which is not
// subscribed to is said, with what to do, and that one which is only down is not.
func TestMissingAnalyzers(t *testing.T) {
	a, b := hostNamed(t, "a"), hostNamed(t, "b")
	a.SetPeers("b", "c")
	b.SetPeers("a", "c")
	cfg := Config{Analyzers: []string{a.URL()}, HostID: "bridge", Account: account(t, access.Settings{})}
	r := newRig(t, cfg, often).run(t)
	r.waitMetric(t, 2, "skybridge_analyzers_not_subscribed")
	r.logs.WaitFor(t, "host_ids=b,c")
	want := []Missing{{HostID: "b", KnownBy: a.URL()}, {HostID: "c", KnownBy: a.URL()}}
	if diff := cmp.Diff(want, r.feed.Missing()); diff != "" {
		t.Error(diff)
	}
	reload := func(missing int, urls ...string) {
		t.Helper()
		cfg.Analyzers = urls
		if err := r.feed.Reload(cfg); err != nil {
			t.Fatal(err)
		}
		r.waitMetric(t, float64(missing), "skybridge_analyzers_not_subscribed")
	}
	// What an analyzer that is down said of others holds, and a name that is not known changes
	// nothing.
	a.Stop()
	r.waitMetric(t, 0, "skybridge_feed_connected", "analyzer", a.URL())
	rounds := r.metric(t, "skybridge_analyzer_lookup_failures_total")
	cfg.Resolver = &zone{}
	reload(2, a.URL(), "dnssrv+ws://unknown.example")
	await.Until(t, "surveys", func() bool { return r.metric(t, "skybridge_analyzer_lookup_failures_total") > rounds+3 })
	if got := r.feed.Missing(); len(got) != 2 {
		t.Errorf("%+v", got)
	}
	if err := a.Restart(); err != nil {
		t.Fatal(err)
	}
	r.waitMetric(t, 1, "skybridge_feed_connected", "analyzer", a.URL())
	reload(1, a.URL(), b.URL())
	reload(1, a.URL(), b.URL(), "ws://127.0.0.1:1") // an address that is never reached may be c's
	b.SetPeers("a")
	a.SetPeers("b")
	r.waitMetric(t, 0, "skybridge_analyzers_not_subscribed")
	r.logs.WaitFor(t, "every analyzer of the cluster is subscribed to")
}

// TestAnalyzersHiddenBehindOneAddress proves that a balancer which hides analyzers is named.
func TestAnalyzersHiddenBehindOneAddress(t *testing.T) {
	a, b := hostNamed(t, "a"), hostNamed(t, "b")
	r := newRig(t, Config{Analyzers: []string{forward(t, a, b, b)}}, often).run(t)
	r.waitMetric(t, 1, "skybridge_analyzers_not_subscribed")
	r.logs.WaitFor(t, "several analyzers answer at "+r.feed.Status()[0].Analyzer)
	if m := r.feed.Missing(); len(m) != 1 || !m[0].Hidden {
		t.Errorf("%+v", m)
	}
}

// TestReturnsAsAnother proves that an address of an analyzer that is read by another address
// is tried no more often where the analyzer has another host id after a restart.
func TestReturnsAsAnother(t *testing.T) {
	a := hostNamed(t, "a")
	var attempts atomic.Int64
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: a.Addr()})
	other := serve(t, func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == access.FlowPath {
			attempts.Add(1)
		}
		proxy.ServeHTTP(w, req)
	})
	r := newRig(t, Config{Analyzers: []string{a.URL()}}, often, func(f *Feed) { f.timing.duplicate = time.Second }).run(t)
	waitSubscribed(t, a, 1)
	cfg := Config{Analyzers: []string{a.URL(), other}, HostID: "bridge", Account: r.feed.cfg.Account}
	if err := r.feed.Reload(cfg); err != nil {
		t.Fatal(err)
	}
	r.logs.WaitFor(t, "it is read once")
	a.Stop()
	hostNamedAt(t, "b", a.Addr())
	same := func() string {
		for _, s := range r.feed.Status() {
			if s.SameAs != "" {
				return s.HostID
			}
		}
		return ""
	}
	await.Until(t, "it is known by its new host id", func() bool { return same() == "b" })
	before := attempts.Load()
	await.Until(t, "an attempt", func() bool { return attempts.Load() > before })
	if n := attempts.Load(); n > 50 {
		t.Errorf("%d attempts", n)
	}
}

func hostNamedAt(t *testing.T, id, address string) *analyzer.Analyzer {
	return startAnalyzer(t, analyzer.Config{HostID: id, Addr: address})
}

// TestWithoutHostID proves that an analyzer whose host id a proxy removes is one analyzer.
func TestWithoutHostID(t *testing.T) {
	a := hostNamed(t, "a")
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: a.Addr()})
	proxy.ModifyResponse = func(resp *http.Response) error { resp.Header.Del("X-Host-Id"); return nil }
	r := newRig(t, Config{Analyzers: []string{serve(t, proxy.ServeHTTP)}}, often).run(t)
	await.Until(t, "its host id", func() bool {
		return slices.ContainsFunc(r.feed.Status(), func(s AnalyzerStatus) bool { return s.HostID == "a" })
	})
	if m := r.feed.Missing(); len(m) != 0 {
		t.Errorf("%+v", m)
	}
}

// TestAnotherClient proves that an analyzer at which another client has taken the bridge's
// name is not taken for one that is read by another address, though both have one host id.
func TestAnotherClient(t *testing.T) {
	a, b := hostNamed(t, "same"), hostNamed(t, "same")
	r := newRig(t, Config{Analyzers: []string{a.URL()}}, often, func(f *Feed) { f.timing.duplicate = time.Hour }).run(t)
	waitSubscribed(t, a, 1)
	cfg := Config{Analyzers: []string{a.URL(), b.URL()}, HostID: "bridge", Account: r.feed.cfg.Account}
	if err := r.feed.Reload(cfg); err != nil {
		t.Fatal(err)
	}
	waitSubscribed(t, b, 1)
	b.Stop()
	hold := serveConflict(t, b.Addr())
	defer hold()
	r.waitMetric(t, 0, "skybridge_feed_connected", "analyzer", b.URL())
	r.logs.WaitFor(t, "reason="+string(reasonConflict))
	if s := r.feed.Status(); s[0].SameAs+s[1].SameAs != "" {
		t.Errorf("%+v", s)
	}
}

// serveConflict answers 409, as the analyzer of the host id "same" to a name that is taken.
func serveConflict(t *testing.T, address string) (stop func()) {
	t.Helper()
	l, err := loopback.Listen(address)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == access.FlowPath {
			w.WriteHeader(http.StatusConflict)
			return
		}
		_, _ = w.Write([]byte(`{"Host": "same"}`))
	})}
	go func() { _ = server.Serve(l) }()
	return func() { _ = server.Close() }
}

// TestTakenTwice proves that an analyzer which takes the bridge at two addresses at the same
// moment, and forgets it at both once it leaves either, is read once after that.
func TestTakenTwice(t *testing.T) {
	var arrived sync.WaitGroup
	arrived.Add(2)
	var attempts, taken, reading atomic.Int64
	analyzer := func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path != access.FlowPath {
			_, _ = w.Write([]byte(`{"Host": "a"}`))
			return
		}
		if n := attempts.Add(1); n <= 2 {
			arrived.Done()
			arrived.Wait()
		} else if !reading.CompareAndSwap(0, 1) {
			w.WriteHeader(http.StatusConflict)
			return
		}
		up := websocket.Upgrader{}
		conn, err := up.Upgrade(w, req, http.Header{"X-Host-Id": {"a"}})
		if err != nil {
			t.Error(err)
			return
		}
		taken.Add(1)
		readOn(conn)
		_ = conn.Close()
		reading.Store(0)
	}
	r := newRig(t, Config{Analyzers: []string{serve(t, analyzer), serve(t, analyzer)}}, often).run(t)
	await.Until(t, "it is read once", func() bool {
		s := r.feed.Status()
		return taken.Load() > 2 && s[0].Connected != s[1].Connected && s[0].SameAs+s[1].SameAs != ""
	})
}
