// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"encoding/binary"
	"math/bits"
)

// appendSample appends the field of a series of 2.0 with a sample.
func appendSample(dst []byte, s Sample) []byte {
	begin := len(dst)
	dst = append(dst, tagSamples, 0)
	if !isZero(s.Value) {
		dst = binary.LittleEndian.AppendUint64(append(dst, tagValue), s.Value)
	}
	dst = appendVarintField(dst, tagTimestamp, uint64(s.At))
	dst = appendVarintField(dst, tagStart, uint64(s.Start))
	dst[begin+1] = byte(len(dst) - begin - 2) // 31 bytes at most, so its length takes one
	return dst
}

// appendMetadata appends the field of a series of 2.0 with the metric's metadata.
func appendMetadata(dst []byte, kind MetricType, help, unit uint32) []byte {
	begin := len(dst)
	dst = append(dst, tagMetadata, 0)
	dst = appendVarintField(dst, tagType, uint64(kind))
	dst = appendVarintField(dst, tagHelp, uint64(help))
	dst = appendVarintField(dst, tagUnit, uint64(unit))
	dst[begin+1] = byte(len(dst) - begin - 2)
	return dst
}

// appendVarintField appends a number with its tag, and nothing for zero.
func appendVarintField(dst []byte, tag byte, v uint64) []byte {
	if v == 0 {
		return dst
	}
	return binary.AppendUvarint(append(dst, tag), v)
}

// appendUvarint is binary.AppendUvarint with a short way for short numbers.
func appendUvarint(dst []byte, v uint64) []byte {
	if v < 0x80 {
		return append(dst, byte(v))
	}
	return binary.AppendUvarint(dst, v)
}

// uvarintLen is how many bytes v takes as a varint.
func uvarintLen(v uint64) int {
	return (bits.Len64(v|1) + 6) / 7
}
