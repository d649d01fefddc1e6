// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package status

import (
	"math"
	"strconv"
	"strings"

	"github.com/skydive-project/skybridge/bridge/web/connections"
)

// sparkSlots is how many ticks a line has room for: as many as there are, but not so
// few that two of them fill it.
func sparkSlots(ticks int) int { return min(max(ticks, 12), connections.HistoryTicks) }

// spark is a small line of rates: points of an SVG that is 2 wide for each tick and
// 24 high, in one of sparkSlots(ticks). The latest is at the right.
func spark(rates []float64, ticks int) string {
	if len(rates) < 2 {
		return ""
	}
	largest := 0.0
	for _, r := range rates {
		largest = max(largest, r)
	}
	var b strings.Builder
	for i, r := range rates {
		if i > 0 {
			b.WriteByte(' ')
		}
		height := 0.0
		if largest > 0 {
			height = math.Floor(20*r/largest + 0.5)
		}
		b.WriteString(strconv.Itoa(2 * (sparkSlots(ticks) - len(rates) + i)))
		b.WriteByte(',')
		b.WriteString(strconv.Itoa(22 - int(height)))
	}
	return b.String()
}

// sparkView is a line with the area below it, for the template.
type sparkView struct {
	Width      int
	Line, Area string
}

func newSparkView(rates []float64, ticks int) *sparkView {
	line := spark(rates, ticks)
	if line == "" {
		return nil
	}
	slots := sparkSlots(ticks)
	left, right := strconv.Itoa(2*(slots-len(rates))), strconv.Itoa(2*(slots-1))
	return &sparkView{2 * (slots - 1), line, left + ",24 " + line + " " + right + ",24"}
}
