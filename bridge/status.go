// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"fmt"
	"time"

	"github.com/skydive-project/skybridge/bridge/web"
)

// status says how each analyzer and each receiver is doing, and of the clock where
// it is in the way, for the landing page.
func (b *Bridge) status() (lines []web.StatusLine) {
	if left := b.wait(); left > 0 {
		lines = append(lines, web.StatusLine{Name: "clock", Text: "was set back; no samples for " + left.Round(time.Second).String() + ", until it has passed the last ones"})
	}
	for _, a := range b.feed.Status() {
		line := web.StatusLine{Name: a.Analyzer, OK: a.Connected}
		switch {
		case a.Connected && a.LastMessage.IsZero():
			line.Text = "subscribed " + ago(a.Since) + ", no data yet"
		case a.Connected:
			line.Text = "subscribed " + ago(a.Since) + ", latest data " + ago(a.LastMessage)
		case a.LastError != "":
			line.Text = "not subscribed: " + a.LastError
		default:
			line.Text = "not subscribed yet"
		}
		lines = append(lines, line)
	}
	for _, s := range b.topology.Status() {
		line := web.StatusLine{Name: "topology of " + s.Analyzer, OK: s.LastError == "" && !s.Answered.IsZero()}
		switch {
		case s.LastError != "":
			line.Text = "not known: " + s.LastError
		case s.Answered.IsZero():
			line.Text = "not asked yet"
		default:
			line.Text = fmt.Sprintf("%d nodes, told %s", s.Nodes, ago(s.Answered))
		}
		lines = append(lines, line)
	}
	for _, e := range b.sender.Status() {
		line := web.StatusLine{Name: e.URL, OK: e.OK()}
		if e.Name != "" {
			line.Name = e.Name + " (" + e.URL + ")"
		}
		switch {
		case !line.OK:
			line.Text = e.LastError + " (" + ago(e.LastErrorAt) + ")"
		case e.LastSuccess.IsZero():
			line.Text = "nothing pushed yet"
		default:
			line.Text = "latest push " + ago(e.LastSuccess)
		}
		if e.BacklogTicks > 1 {
			line.Text += fmt.Sprintf("; %d ticks wait", e.BacklogTicks)
		}
		lines = append(lines, line)
	}
	return lines
}

func ago(t time.Time) string {
	return max(0, time.Since(t)).Round(time.Second).String() + " ago" // a time of day can lie ahead
}
