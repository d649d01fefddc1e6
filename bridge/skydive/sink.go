// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package skydive

import "github.com/skydive-project/skybridge/input"

// Sink takes what the analyzers say. Update and Stats are called from one
// goroutine, one after the other; what is passed to them is valid during the
// call only.
type Sink interface {
	Update(flows []input.Flow)
	Stats(input.CaptureStats)

	// AnalyzerUp says that an analyzer is subscribed, AnalyzerDown that it is not; while
	// none is, feed time stands still. Down is also called once for each analyzer when it
	// is first tried. For one analyzer they come in order, otherwise from any goroutine.
	AnalyzerUp(analyzer string)
	AnalyzerDown(analyzer string)
	// AnalyzerGone says that a reload removed an analyzer.
	AnalyzerGone(analyzer string)
}
