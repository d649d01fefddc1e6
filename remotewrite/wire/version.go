// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package wire

// Version is a version of the remote-write protocol.
type Version int

// The versions.
const (
	Unknown Version = iota
	V1
	V2
)

// String is the number that the specification goes by, "" for Unknown.
func (v Version) String() string {
	switch v {
	case V1:
		return "1.0"
	case V2:
		return "2.0"
	}
	return ""
}

// Other is the other version.
func (v Version) Other() Version { return V1 + V2 - v }
