// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"encoding/binary"
	"math"
	"math/bits"

	"github.com/klauspost/compress/s2"
)

// Tags of io.prometheus.write.v2.Request and the messages in it.
const (
	tagSymbols    = 4<<3 | 2
	tagTimeseries = 5<<3 | 2

	tagLabelsRefs = 1<<3 | 2
	tagSamples    = 2<<3 | 2
	tagMetadata   = 5<<3 | 2

	tagValue     = 1<<3 | 1
	tagTimestamp = 2<<3 | 0
	tagStart     = 3<<3 | 0

	tagType = 1<<3 | 0
	tagHelp = 3<<3 | 0
	tagUnit = 4<<3 | 0
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

// isZero says whether a value is one that protobuf leaves out; -0 is zero to it.
func isZero(value uint64) bool { return math.Float64frombits(value) == 0 }

// Compress returns the snappy form of plain, in the memory of dst where it has room
// there. Of the packages that write it, s2 is the fastest: 45 ns a sample of 1.0, where
// golang/snappy takes 300.
func Compress(dst, plain []byte) []byte { return s2.EncodeSnappy(dst[:cap(dst)], plain) }
