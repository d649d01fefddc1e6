// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

// activationChild makes the test binary serve on the sockets that it was
// passed, as a service started by systemd would.
const activationChild = "SKYBRIDGE_TEST_ACTIVATED"

// serveActivated is the child: it serves until its standard input ends, and
// returns its exit status.
func serveActivated() int {
	if err := os.Setenv("LISTEN_PID", strconv.Itoa(os.Getpid())); err != nil { // as systemd does between fork and exec
		return 2
	}
	opts, _ := quietOptions()
	opts.SystemdSocket, opts.Ready = true, func() (bool, string) { return true, "activated" }
	s, err := New(opts)
	if err == nil {
		err = s.Listen()
	}
	if err != nil {
		fmt.Println(err)
		return 1
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	fmt.Println("serving")
	if err := s.Run(ctx); err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}

// Two sockets passed by systemd's protocol are both served.
func TestSystemdSocketActivation(t *testing.T) {
	child := exec.CommandContext(t.Context(), os.Args[0])
	child.Env = append(os.Environ(), activationChild+"=1", "LISTEN_FDS=2")
	child.Stderr = os.Stderr
	var addresses []string
	for range 2 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		file, err := l.(*net.TCPListener).File()
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		addresses = append(addresses, l.Addr().String())
		child.ExtraFiles = append(child.ExtraFiles, file)
	}
	input, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	output, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(output).ReadString('\n'); line != "serving\n" {
		t.Fatalf("child says %q, %v", line, err)
	}

	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for _, address := range addresses {
		answer, err := client.Get("http://" + address + "/-/ready")
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if err != nil || string(text) != "activated\n" {
			t.Errorf("%q, %v", text, err)
		}
	}
	input.Close()
	if err := child.Wait(); err != nil {
		t.Error(err)
	}
}

// The flag without sockets is an error that says what to do.
func TestNoSystemdSocket(t *testing.T) {
	t.Setenv("LISTEN_PID", "")
	t.Setenv("LISTEN_FDS", "")
	r := newRig(t, func(o *Options) { o.SystemdSocket = true })
	if err := r.Listen(); err == nil || !strings.Contains(err.Error(), "--web.systemd-socket") {
		t.Errorf("error: %v", err)
	}
}
