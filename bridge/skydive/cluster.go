// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package skydive

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/skydive-project/skybridge/bridge/skydive/access"
)

// maxHidden bounds the analyzers that are remembered behind one address.
const maxHidden = access.MaxAnalyzers

// cluster is which analyzers there are beside those that are subscribed to. Agents send
// each batch to any analyzer, so the flows of one that is not subscribed to are missing.
type cluster struct {
	log *slog.Logger

	mu      sync.Mutex
	missing []Missing
}

// Missing is an analyzer that exists and is not subscribed to.
type Missing struct {
	HostID  string // what it calls itself
	KnownBy string // the analyzer that has it as a peer, or whose address it answers at
	// Hidden: it answers at the address of KnownBy, of which it is one of several.
	Hidden bool
}

// known returns the analyzers that are missing, in order.
func (c *cluster) known() []Missing {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.missing)
}

// survey asks the analyzers that are subscribed to, all at once, which others there are.
// What an analyzer does not tell is not known.
func (c *cluster) survey(ctx context.Context, links []*link) {
	var asking sync.WaitGroup
	for _, l := range links {
		if l.snapshot().Connected {
			asking.Go(func() { l.look(ctx) })
		}
	}
	asking.Wait()
	if ctx.Err() == nil {
		c.conclude(links)
	}
}

// conclude finds what is missing, and says it where that has changed.
func (c *cluster) conclude(links []*link) {
	met := map[string]bool{}
	for _, l := range links {
		met[l.snapshot().HostID] = true
	}
	found := map[string]Missing{}
	for _, l := range links { // what one said that is not connected now is the latest that is known
		l.mu.Lock()
		for host := range l.peers {
			if !met[host] && found[host] == (Missing{}) {
				found[host] = Missing{HostID: host, KnownBy: l.to.Name}
			}
		}
		for host := range l.behind {
			if !met[host] {
				found[host] = Missing{HostID: host, KnownBy: l.to.Name, Hidden: true}
			}
		}
		l.mu.Unlock()
	}
	var missing []Missing
	for _, host := range slices.Sorted(maps.Keys(found)) {
		missing = append(missing, found[host])
	}
	c.mu.Lock()
	changed := !slices.Equal(missing, c.missing)
	c.missing = missing
	c.mu.Unlock()
	switch {
	case changed && len(missing) == 0:
		c.log.Info("every analyzer of the cluster is subscribed to")
	case changed:
		c.log.Error("analyzers exist that are not subscribed to: the flows that agents send to them are missing", "host_ids", hostIDs(missing), "known_by", missing[0].KnownBy, "remedy", remedy(missing))
	}
}

func hostIDs(missing []Missing) string {
	var names []string
	for _, m := range missing {
		names = append(names, m.HostID)
	}
	return strings.Join(names, ",")
}

// remedy says what to do about missing analyzers.
func remedy(missing []Missing) string {
	if i := slices.IndexFunc(missing, func(m Missing) bool { return m.Hidden }); i >= 0 {
		return "several analyzers answer at " + missing[i].KnownBy + ", as behind a Service's cluster IP or a load balancer: " +
			listAll + ", such as a headless Service's"
	}
	return listAll
}

const listAll = "list each analyzer in skydive.analyzers, or write dns+ws:// and a name that has all their addresses"

// look asks the analyzer for its peers, and who answers at its address.
func (l *link) look(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 2*access.HandshakeTimeout)
	defer cancel()
	q := inquire(l.cfg.Load().Account, l.to)
	defer q.close()
	host, err := q.host(ctx)
	if err != nil {
		l.seldom.Debug("the analyzer does not say who it is", "err", err)
	}
	peers, err := q.peers(ctx)
	if err != nil {
		l.seldom.Info("the analyzer does not name its peers: whether some are not subscribed to is not known", "err", err)
	}
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil {
		clear(l.peers)
	}
	for _, peer := range peers {
		l.peers[peer] = true
	}
	if l.status.HostID == "" {
		l.status.HostID = host
	}
	maps.DeleteFunc(l.behind, func(_ string, seen time.Time) bool { return now.Sub(seen) > memory })
	if host != "" && host != l.status.HostID && len(l.behind) < maxHidden {
		l.behind[host] = now
	}
}
