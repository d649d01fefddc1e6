// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"

	"github.com/prometheus/common/version"
)

// versionPage is what --version prints: nothing of the machine or the branch that it
// was built on, for the same commit gives the same bytes everywhere.
func versionPage() string {
	number := version.Version
	if number == "" {
		number = "devel"
	}
	return fmt.Sprintf("skybridge, version %s\n  commit:     %s\n  go version: %s\n  platform:   %s/%s\n",
		number, version.GetRevision(), version.GoVersion, version.GoOS, version.GoArch)
}
