// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/golang/snappy"
)

// receiver takes remote-write requests, counts what is in them, throws it away and
// answers as a receiver that has stored it.
type receiver struct {
	listener net.Listener
	server   *http.Server
	serving  sync.WaitGroup
	buffers  sync.Pool

	mu       sync.Mutex
	received received
	err      error
}

// received is what has come.
type received struct {
	samples, bytes, requests int64
	// last is when the last request came.
	last time.Time
}

func startReceiver() (*receiver, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("receiver: %w", err)
	}
	r := &receiver{listener: l}
	r.buffers.New = func() any { return new(requestBuffers) }
	r.server = &http.Server{Handler: r, ReadHeaderTimeout: time.Minute}
	r.serving.Go(func() { _ = r.server.Serve(l) }) // until stop
	return r, nil
}

func (r *receiver) stop() {
	_ = r.server.Close()
	r.serving.Wait()
}

func (r *receiver) address() string { return r.listener.Addr().String() }

func writeURL(address string) string { return "http://" + address + "/api/v1/write" }

type requestBuffers struct{ body, plain []byte }

// ServeHTTP answers a request.
func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	b := r.buffers.Get().(*requestBuffers)
	defer r.buffers.Put(b)
	samples, size, err := b.count(req)
	if err != nil {
		r.mu.Lock()
		r.err = errors.Join(r.err, err)
		r.mu.Unlock()
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	r.received.samples += int64(samples)
	r.received.bytes += int64(size)
	r.received.requests++
	r.received.last = time.Now()
	r.mu.Unlock()
	for _, kind := range []string{"Samples", "Histograms", "Exemplars"} {
		stored := 0
		if kind == "Samples" {
			stored = samples
		}
		w.Header().Set("X-Prometheus-Remote-Write-"+kind+"-Written", strconv.Itoa(stored))
	}
	w.WriteHeader(http.StatusNoContent)
}

// count reads a request and counts its samples. size is that of the body on the wire.
func (b *requestBuffers) count(req *http.Request) (samples, size int, err error) {
	size = int(req.ContentLength)
	if size < 0 || size > 32<<20 {
		return 0, 0, fmt.Errorf("receiver: a request of %d bytes", size)
	}
	b.body = append(b.body[:0], make([]byte, size)...)
	if _, err := io.ReadFull(req.Body, b.body); err != nil {
		return 0, 0, fmt.Errorf("receiver: read: %w", err)
	}
	plain, err := snappy.Decode(b.plain[:cap(b.plain)], b.body)
	if err != nil {
		return 0, 0, fmt.Errorf("receiver: decompress: %w", err)
	}
	b.plain = plain
	series := 1 // field of WriteRequest that holds the series
	if strings.Contains(req.Header.Get("Content-Type"), "io.prometheus.write.v2.Request") {
		series = 5
	}
	err = fields(plain, func(number int, content []byte) error {
		if number != series {
			return nil
		}
		return fields(content, func(number int, _ []byte) error {
			if number == 2 { // samples, in both versions
				samples++
			}
			return nil
		})
	})
	return samples, size, err
}

var errProtobuf = errors.New("receiver: the request is no protobuf message")

// fields calls visit for each field of a protobuf message, with what a field with
// length holds.
func fields(message []byte, visit func(number int, content []byte) error) error {
	for len(message) > 0 {
		tag, n := binary.Uvarint(message)
		if n <= 0 {
			return errProtobuf
		}
		message = message[n:]
		var content []byte
		switch tag & 7 {
		case 0:
			if _, n = binary.Uvarint(message); n <= 0 {
				return errProtobuf
			}
			message = message[n:]
		case 1, 5:
			width := 8
			if tag&7 == 5 {
				width = 4
			}
			if len(message) < width {
				return errProtobuf
			}
			message = message[width:]
		case 2:
			length, n := binary.Uvarint(message)
			if n <= 0 || length > uint64(len(message)-n) {
				return errProtobuf
			}
			content, message = message[n:n+int(length)], message[n+int(length):]
		default:
			return errProtobuf
		}
		if err := visit(int(tag>>3), content); err != nil {
			return err
		}
	}
	return nil
}

// seen returns what has come so far.
func (r *receiver) seen() (received, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.received, r.err
}

// await waits until at least so many samples have come and, where quiet is not 0,
// nothing more for that long.
func (r *receiver) await(ctx context.Context, c *child, samples int64, quiet time.Duration) (received, error) {
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for began := time.Now(); ; {
		got, err := r.seen()
		if err != nil || (got.samples >= samples && time.Since(got.last) >= quiet) {
			return got, err
		}
		if time.Since(got.last) > 2*time.Minute && time.Since(began) > 2*time.Minute {
			return got, fmt.Errorf("receiver: nothing has come for two minutes after %d samples of %d", got.samples, samples)
		}
		select {
		case <-look.C:
		case <-c.done:
			return got, errors.Join(fmt.Errorf("receiver: the sender ended after %d samples of %d", got.samples, samples), c.err)
		case <-ctx.Done():
			return got, ctx.Err()
		}
	}
}
