// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"strings"
	"testing"

	"github.com/skydive-project/skybridge/aggregator/label"
	"github.com/skydive-project/skybridge/input"
)

func TestCutValuesCount(t *testing.T) {
	w := knownWorld(t, Config{Config: label.Config{Labels: []string{"application"}}})
	one, two, fine := w.flow("1", 1000, 0), w.flow("2", 500, 0), w.flow("3", 20, 0)
	one.Application = []byte(strings.Repeat("x", 1000) + "1")
	two.Application = []byte(strings.Repeat("x", 1000) + "2")
	fine.Application = []byte("DNS")
	w.count(one, two, fine)
	w.Update([]input.Flow{w.flow("4", 3, 0)}) // without an application: no label
	w.tick()
	if got := w.total("bytes"); got != 1523 || len(w.receiver.increases()) != 4+3-1 {
		t.Errorf("%d bytes\n%s", got, w.receiver)
	}
	w.wantMetric("skybridge_label_values_cut_total", "", 2)
}
