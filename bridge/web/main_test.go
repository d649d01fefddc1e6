// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"os"
	"testing"

	"github.com/skydive-project/skybridge/internal/leaks"
)

func TestMain(m *testing.M) {
	if os.Getenv(activationChild) != "" {
		os.Exit(serveActivated())
	}
	leaks.Main(m, nil)
}
