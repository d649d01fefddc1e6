// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package leaks

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// TestMain is that of the tests below, and where it is asked to leave a goroutine,
// of a package that does.
func TestMain(m *testing.M) {
	if os.Getenv("LEAVE") == "" {
		Main(m, nil)
	}
	Main(leaving{}, func() { os.Stdout.WriteString("cleaned up\n") })
}

type leaving struct{}

func (leaving) Run() int {
	switch os.Getenv("LEAVE") {
	case "late":
		go time.Sleep(time.Second)
	case "leak":
		go func() { select {} }()
	case "failure":
		return 1
	}
	return 0
}

// TestLeaks: a goroutine that ends late is none, one that stays is.
func TestLeaks(t *testing.T) {
	for leave, want := range map[string]string{
		"nothing": "cleaned up\n",
		"late":    "cleaned up\n",
		"leak":    "goleak: Errors on successful test run",
		"failure": "cleaned up\nexit status 1",
	} {
		t.Run(leave, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), os.Args[0])
			cmd.Env = append(os.Environ(), "LEAVE="+leave)
			out, err := cmd.CombinedOutput()
			got := string(out)
			if err != nil {
				got += err.Error()
			}
			if !strings.HasPrefix(got, want) || (err == nil) != (want == "cleaned up\n") {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}
