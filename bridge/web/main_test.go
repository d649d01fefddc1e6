// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if os.Getenv(activationChild) != "" {
		os.Exit(serveActivated())
	}
	goleak.VerifyTestMain(m)
}
