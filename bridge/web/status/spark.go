// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package status

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/skydive-project/skybridge/bridge/web/connections"
)

// sparkSlots is how many ticks a line has room for: as many as there are, but not so
// few that two of them fill it.
func sparkSlots(ticks int) int { return min(max(ticks, 12), connections.HistoryTicks) }

// sparkView is a small line of rates with the area below it: points of an SVG that is 2 wide
// for each tick and 24 high. The latest is at the right.
type sparkView struct {
	Width      int
	Line, Area string
}

// newSparkView returns the line of rates, in a room for as many ticks as there are.
func newSparkView(rates []float64, ticks int) *sparkView {
	if len(rates) < 2 {
		return nil
	}
	slots, largest := sparkSlots(ticks), max(0, slices.Max(rates))
	var line []string
	for i, r := range rates {
		height := 0.0
		if largest > 0 {
			height = math.Floor(20*r/largest + 0.5)
		}
		line = append(line, fmt.Sprintf("%d,%d", 2*(slots-len(rates)+i), 22-int(height)))
	}
	points := strings.Join(line, " ")
	return &sparkView{2 * (slots - 1), points, fmt.Sprintf("%d,24 %s %d,24", 2*(slots-len(rates)), points, 2*(slots-1))}
}
