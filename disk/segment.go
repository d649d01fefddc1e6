// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package disk

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
)

// Format identifies the segments of some data. A segment is a file of frames:
//
//	header:  magic[8] version u32 crc u32 salt u64
//	frame…:  magic u32, size of the head u32, crc u32, head, body
//
// Numbers are little-endian. The crc of a frame covers its head, its place in the
// file and the segment's salt: a frame is only one where it was written, and bytes
// that came in with a label can never look like one. How long the body is, and
// whether it is whole, the head has to say.
type Format struct {
	Magic      string // of the header, 8 bytes
	Version    uint32 // the newest that is understood, and the one that is written
	FrameMagic uint32
	MaxHead    int64 // bytes of a head that is read, at most
	Suffix     string
}

// FrameHeader is how many bytes come before a frame's head.
const FrameHeader = 12

// AppendFrame appends a frame up to its body. offset is where it begins in its
// segment.
func (f *Format) AppendFrame(dst []byte, salt uint64, offset int64, head []byte) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, f.FrameMagic)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(head)))
	dst = binary.LittleEndian.AppendUint32(dst, Sum(salt, uint64(offset), head))
	return append(dst, head...)
}

// Segment is a segment that may be read, from many goroutines. Its file is open from
// the first read until Close.
type Segment struct {
	Name string // with its directory
	Salt uint64

	fs   FS
	mu   sync.Mutex
	file File
	// growing: frames are still appended to it.
	growing atomic.Bool
}

// NewSegment returns the segment of that name; ReadHeader gives it its salt.
func NewSegment(system FS, name string) *Segment { return &Segment{Name: name, fs: system} }

// ReadHeader reads the segment's header. The error wraps ErrNewer, ErrDamaged, or is
// the disk's.
func (s *Segment) ReadHeader(f *Format) (err error) {
	s.Salt, err = ReadHeader(s, f.Magic, f.Version)
	return err
}

// Growing says whether frames are still appended.
func (s *Segment) Growing() bool { return s.growing.Load() }

// Open opens the file, where it is not. It is read from then on, whatever gets its
// name.
func (s *Segment) Open() (File, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file == nil {
		f, err := s.fs.Open(s.Name)
		if err != nil {
			return nil, err
		}
		s.file = f
	}
	return s.file, nil
}

// ReadAt implements io.ReaderAt.
func (s *Segment) ReadAt(b []byte, offset int64) (int, error) {
	f, err := s.Open()
	if err != nil {
		return 0, err
	}
	return f.ReadAt(b, offset)
}

// Close closes the file; no read may be under way.
func (s *Segment) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file != nil {
		_ = s.file.Close() // it was read only
		s.file = nil
	}
}

// FrameReader reads the frames of one segment. Its buffer is kept.
type FrameReader struct {
	From   io.ReaderAt
	Format *Format
	Salt   uint64
	Size   int64 // of the segment
	buf    []byte
}

// Read returns the head of the frame at offset, which is valid until the next call,
// and where its body begins. The error wraps ErrDamaged where there is no frame, or
// is the disk's.
func (r *FrameReader) Read(offset int64) (head []byte, body int64, err error) {
	const guess = 4 << 10 // most heads fit
	n := min(guess, r.Size-offset)
	if n < FrameHeader {
		return nil, 0, fmt.Errorf("frame: cut off: %w", ErrDamaged)
	}
	r.buf = slices.Grow(r.buf[:0], guess)[:n]
	if err := ReadFull(r.From, r.buf, offset); err != nil {
		return nil, 0, fmt.Errorf("frame: %w", err)
	}
	size := int64(binary.LittleEndian.Uint32(r.buf[4:]))
	if binary.LittleEndian.Uint32(r.buf) != r.Format.FrameMagic || size > r.Format.MaxHead || FrameHeader+size > r.Size-offset {
		return nil, 0, fmt.Errorf("frame: %w", ErrDamaged)
	}
	if have, want := int64(len(r.buf)), FrameHeader+size; have < want {
		r.buf = slices.Grow(r.buf, int(want-have))[:want]
		if err := ReadFull(r.From, r.buf[have:], offset+have); err != nil {
			return nil, 0, fmt.Errorf("frame: %w", err)
		}
	}
	head = r.buf[FrameHeader : FrameHeader+size]
	if binary.LittleEndian.Uint32(r.buf[8:]) != Sum(r.Salt, uint64(offset), head) {
		return nil, 0, fmt.Errorf("frame: checksum: %w", ErrDamaged)
	}
	return head, offset + FrameHeader + size, nil
}

// Scan calls frame with every frame in order, which returns where that one's body
// ends; an error that wraps ErrDamaged makes the frame a damaged one. Where one is
// damaged, damaged is called and the scan continues at the next. Where none follows,
// what is from end on is torn, and that is why. The error is the disk's.
func (r *FrameReader) Scan(frame func(offset int64, head []byte, body int64) (end int64, err error), damaged func(offset int64, why error)) (end int64, torn, err error) {
	for end = HeaderSize; end < r.Size; {
		offset := end
		head, body, why := r.Read(offset)
		if why == nil {
			if end, why = frame(offset, head, body); why == nil {
				continue
			}
		}
		next, err := r.find(offset + 1)
		if err != nil {
			return offset, why, err
		}
		if next == 0 {
			return offset, why, nil
		}
		damaged(offset, why)
		end = next
	}
	return end, nil, nil
}

// find returns where the first frame at or after offset begins; 0: there is none.
func (r *FrameReader) find(offset int64) (int64, error) {
	const window = 1 << 20
	magic := binary.LittleEndian.AppendUint32(nil, r.Format.FrameMagic)
	chunk := make([]byte, min(window, max(0, r.Size-offset)))
	for offset+FrameHeader <= r.Size {
		b := chunk[:min(int64(len(chunk)), r.Size-offset)]
		if err := ReadFull(r.From, b, offset); err != nil {
			return 0, err
		}
		for i := 0; i+len(magic) <= len(b); i++ {
			if b[i] != magic[0] || string(b[i:i+len(magic)]) != string(magic) {
				continue
			}
			_, _, err := r.Read(offset + int64(i))
			switch {
			case err == nil:
				return offset + int64(i), nil
			case !errors.Is(err, ErrDamaged):
				return 0, err
			}
		}
		if offset+int64(len(b)) >= r.Size {
			break
		}
		offset += int64(len(b)) - 3
	}
	return 0, nil
}
