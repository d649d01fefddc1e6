// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !race

package bridge

// outageSeries is how many series live at a time in TestOutages.
const outageSeries = 2000
