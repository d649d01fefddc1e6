// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

// Package notify tells systemd how the bridge is, by the protocol of sd_notify(3):
// when it has started, what it is doing, that it goes on.
//
// It knows nothing of the bridge but three questions (see [Watched]): is it ready,
// how is it, does anything in it hang. Where nobody asked to be told, a nil *Service
// does nothing.
package notify
