// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

import (
	"context"
	"slices"

	"github.com/skydive-project/skybridge/remotewrite/queue"
)

// rewriterFor returns what gives the series of a tick their names at the endpoint. Only
// run calls it.
func (e *endpoint) rewriterFor(number uint64) *rewriter {
	text := e.namesOfTick(number)
	if i := slices.IndexFunc(e.rewriters, func(r *rewriter) bool { return r.text == text }); i >= 0 {
		return e.rewriters[i]
	}
	n, err := parseNaming(text)
	if err != nil { // it was checked when the log was opened
		n = e.settings.Load().cfg.naming()
	}
	r := newRewriter(n, e.seeds, e.lost)
	r.text, r.claims.durable = text, e.log.Durable()
	if !e.pastRead {
		// Only now, as the cursor can have moved. What later names are for begins again
		// under them, and needs no past.
		e.pastRead = true
		if known := e.cursor.Past(); r.renames() {
			r.past = &past{begun: known.Begun, resumed: known.Resumed}
			// What was refused was so under the names of that time.
			if known.Hashes != "" && e.namesOfTick(known.Resumed-1) == text {
				r.claims.expect(known.Hashes)
			}
		}
	}
	e.rewriters = append(e.rewriters, r)
	return r
}

// namesOfTick is how the endpoint calls the series of a tick.
func (e *endpoint) namesOfTick(number uint64) string {
	if text, known := e.log.NamesAt(e.hash, number); known {
		return text
	}
	return e.settings.Load().cfg.naming().text()
}

// rewrite makes of a tick what the endpoint is sent of it, and counts the rest.
func (e *endpoint) rewrite(ctx context.Context, t *queue.Tick) (*queue.Tick, error) {
	r := e.rewriterFor(t.Number)
	// Ticks come in order: what gave those before it other names has done its work.
	e.rewriters = slices.DeleteFunc(e.rewriters, func(other *rewriter) bool { return other != r })
	if !r.renames() || t.Broken {
		return t, nil
	}
	var out *queue.Tick
	var dropped map[string]int
	err := e.cursor.Retry(ctx, queue.DamagedBlock, func() (err error) {
		out, dropped, err = r.rewrite(t)
		return err
	})
	if err != nil {
		return t, err
	}
	e.cursor.KeepWhileHeld(r.claims.remember(false))
	metrics := e.settings.Load().metrics
	for reason, samples := range dropped {
		metrics.dropped(samples, 0, reason)
	}
	return out, nil
}

// lost reports a series of which the endpoint is sent nothing.
func (e *endpoint) lost(reason, series, renamed string) {
	words := map[string]string{
		reasonCollision: "relabelling gives a series the name of another, it is not sent while it lives",
		reasonInvalid:   "relabelling makes no valid series, it is not sent",
	}[reason]
	e.settings.Load().seldom.Error(words, "series", series, "relabelled", renamed)
}

// learn finds out which series held names before the batch that is next, whose ticks are
// read for their ends only. Those of them that are still live are in the first whole tick.
func (e *endpoint) learn(ctx context.Context) error {
	ticks, release := e.cursor.Ahead()
	defer release()
	for _, t := range ticks {
		r := e.rewriterFor(t.Number)
		if r.past == nil || r.past.learned {
			return nil
		}
		t, err := e.cursor.Load(ctx, t)
		if err != nil {
			return err
		}
		if t.Broken {
			continue
		}
		// What cannot be read says nothing.
		_ = e.cursor.Retry(ctx, queue.DamagedBlock, func() error { return r.learn(t) })
	}
	return ctx.Err()
}

// refusedAfter returns what is refused after the held tick.
func (e *endpoint) refusedAfter(t *queue.Tick) queue.Hashes {
	r := e.rewriterFor(t.Number)
	e.settings.Load().metrics.unremembered.Add(float64(r.claims.forgotten))
	r.claims.forgotten = 0
	return r.claims.remember(true)
}
