// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package label

import "testing"

func TestClass(t *testing.T) {
	c := NewClassifier(prefixes("10.0.0.0/8", "fd00::/8"))
	tests := []struct {
		a, b string
		want Class
	}{
		{"10.1.1.1", "10.2.2.2", Internal},
		{"10.1.1.1", "192.0.2.1", Egress},
		{"192.0.2.1", "10.1.1.1", Ingress},
		{"192.0.2.1", "192.0.2.2", Other},
		{"fd00::1", "10.1.1.1", Internal},
		{"::ffff:10.1.1.1", "fd00::1", Internal},
		{"", "10.1.1.1", Other},
		{"no address", "10.1.1.1", Other},
	}
	for _, test := range tests {
		if got := c.Class(ParseAddress([]byte(test.a)), ParseAddress([]byte(test.b))); got != test.want {
			t.Errorf("%s to %s is %s, want %s", test.a, test.b, got, test.want)
		}
	}
}
