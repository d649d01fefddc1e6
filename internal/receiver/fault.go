// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package receiver

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"time"
)

// Fault is what goes wrong with one request. The zero value is nothing: what is
// sent is stored and answered with 204.
type Fault struct {
	// Status is the answer instead of 204; Header and Body go with it. Anything
	// but a 2xx stores nothing.
	Status int
	Header http.Header
	Body   string
	// Echo answers with the request's first line, headers and form after Body, as some
	// proxies do.
	Echo bool
	// Store stores nevertheless: the sender cannot know. Drop, with a 2xx, stores
	// nothing: something else than a receiver answers, and the sender must not believe it.
	Store, Drop bool
	// ResetAfter resets the connection after as many bytes of the body were read.
	ResetAfter int
	// Hang, after the body was read, waits until the channel is closed, the
	// sender has gone or the receiver is closed. HangForever is without a channel.
	// What the sender does not wait for is stored only where Store is set.
	Hang        <-chan struct{}
	HangForever bool
	// NoAnswer resets the connection instead of answering.
	NoAnswer bool
	// ReadPause is waited before each KiB of the body.
	ReadPause time.Duration
	// AnswerPause is waited between the answer's header and its body.
	AnswerPause time.Duration
	// Trickle lets spaces come before the answer's body, one after the other, without end.
	Trickle bool
}

// reset closes the request's connection, on TCP with an RST.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil { // HTTP/2: this ends the stream
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// readBody reads the body as the fault wants it; false: the connection is to be
// reset.
func (f *Fault) readBody(r *http.Request) ([]byte, bool, error) {
	if f.ResetAfter > 0 {
		_, err := io.ReadFull(r.Body, make([]byte, f.ResetAfter))
		return nil, false, err
	}
	if f.ReadPause == 0 {
		body, err := io.ReadAll(r.Body)
		return body, true, err
	}
	var body []byte
	for piece := make([]byte, 1024); ; {
		if !sleep(r, f.ReadPause) {
			return body, true, r.Context().Err()
		}
		n, err := io.ReadFull(r.Body, piece)
		body = append(body, piece[:n]...)
		if ended := err == io.EOF || err == io.ErrUnexpectedEOF; ended && int64(len(body)) >= r.ContentLength {
			return body, true, nil // else the sender has gone
		} else if err != nil {
			return body, true, err
		}
	}
}

// answer writes the response.
func (f *Fault) answer(w http.ResponseWriter, r *http.Request) {
	for name, values := range f.Header {
		w.Header()[http.CanonicalHeaderKey(name)] = values
	}
	w.WriteHeader(f.status())
	if f.AnswerPause > 0 {
		_ = http.NewResponseController(w).Flush()
		sleep(r, f.AnswerPause)
	}
	for f.Trickle && sleep(r, time.Millisecond) {
		_, _ = io.WriteString(w, " ")
		_ = http.NewResponseController(w).Flush()
	}
	if f.Body != "" {
		_, _ = io.WriteString(w, f.Body)
	}
	if f.Echo {
		echo(w, r)
	}
}

// echo writes the request's first line, its headers and the form that was read.
func echo(w io.Writer, r *http.Request) {
	_, _ = fmt.Fprintf(w, "%s %s %s\r\n", r.Method, r.RequestURI, r.Proto)
	_ = r.Header.Write(w)
	_, _ = fmt.Fprintf(w, "\r\n%s\n", r.PostForm.Encode())
}

// hang waits as the fault says, at most until the sender has gone or closed is.
func (f *Fault) hang(r *http.Request, closed <-chan struct{}) {
	if f.Hang == nil && !f.HangForever {
		return
	}
	select {
	case <-f.Hang:
	case <-r.Context().Done():
	case <-closed:
	}
}

// Redirect is a fault that leads the request elsewhere, with status 307 or 308.
func Redirect(status int, to string) Fault {
	return Fault{Status: status, Header: http.Header{"Location": {to}}}
}

func (f *Fault) status() int {
	if f.Status == 0 {
		return http.StatusNoContent
	}
	return f.Status
}

// stores says that the request is stored, by its answer.
func (f *Fault) stores() bool { return f.status()/100 == 2 && !f.Drop }

// final says that the answer ends the request: the same must not be sent again.
func (f *Fault) final(cfg *Config) bool {
	if slices.Contains(cfg.Retried, f.status()) {
		return false
	}
	switch f.status() {
	case http.StatusTooManyRequests:
		return cfg.Final429
	case http.StatusRequestTimeout, http.StatusTooEarly:
		return false
	default:
		return f.stores() || f.status()/100 == 4
	}
}

// aboutVersion says that the answer may be about the protocol's version, so that the
// same samples may come in the other one.
func (f *Fault) aboutVersion() bool {
	status := f.status()
	return status/100 == 4 && status != http.StatusTooManyRequests && !f.tooLarge() && f.Header.Get("X-Prometheus-Remote-Write-Samples-Written") == ""
}

// tooLarge says that the same samples may come in smaller requests.
func (f *Fault) tooLarge() bool { return f.status() == http.StatusRequestEntityTooLarge }

// sleep waits; false when the sender has gone meanwhile.
func sleep(r *http.Request, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.Context().Done():
		return false
	}
}
