// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

// Package decode reads the messages that a Skydive analyzer sends: bytes in, flow
// records and capture statistics out. It knows neither connections nor metrics.
//
// It scans the JSON itself: encoding/json takes more than twenty times as long
// (docs/reference/sizing.md). A fuzz target holds it against encoding/json.
package decode
