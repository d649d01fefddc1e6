// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package bridge

import "github.com/prometheus/common/version"

// versionText is the version as pages and log lines show it: a release's
// number, or the commit of a build from source.
func versionText() string {
	if version.Version != "" {
		return version.Version
	}
	if r := version.GetRevision(); r != "unknown" {
		return "devel-" + r
	}
	return "devel"
}
