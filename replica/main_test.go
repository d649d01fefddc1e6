// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package replica

import (
	"testing"

	"github.com/skydive-project/skybridge/internal/leaks"
)

func TestMain(m *testing.M) { leaks.Main(m, nil) }
