// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

// Package notify reports the bridge's status to systemd by the protocol of sd_notify(3): that
// it has started, what it is doing, that nothing hangs; see [Watched].
package notify
