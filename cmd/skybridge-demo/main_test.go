// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/skydive-project/skybridge/internal/leaks"
)

// asCommand makes the test's binary the command, with the arguments that the
// variable holds.
const asCommand = "SKYBRIDGE_DEMO_TEST_ARGS"

func TestMain(m *testing.M) {
	if args := os.Getenv(asCommand); args != "" {
		os.Args = append(os.Args[:1], strings.Fields(args)...)
		main()
		os.Exit(0)
	}
	leaks.Main(m, nil)
}

// What Ctrl-C sends ends the command with status 0, whenever it comes: make
// prints nothing then.
func TestCtrlCIsSuccess(t *testing.T) {
	for _, after := range []string{"skybridge demo:", "Ctrl-C ends it"} {
		t.Run(after, func(t *testing.T) {
			command := exec.CommandContext(t.Context(), os.Args[0])
			command.Env = append(os.Environ(), asCommand+"="+strings.Join(quick(), " "))
			command.Stderr = t.Output()
			out, err := command.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := command.Start(); err != nil {
				t.Fatal(err)
			}
			lines, sent := bufio.NewScanner(out), false
			for lines.Scan() {
				if !sent && strings.Contains(lines.Text(), after) {
					sent = true
					if err := command.Process.Signal(syscall.SIGINT); err != nil {
						t.Error(err)
					}
				}
			}
			if err := command.Wait(); err != nil || !sent {
				t.Errorf("ended with %v, signal sent: %t", err, sent)
			}
		})
	}
}
