// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

//go:build race

package bridge

// outageSeries is how many series live at a time in TestOutages: few, for under the race
// detector a Prometheus is ten times slower.
const outageSeries = 400
