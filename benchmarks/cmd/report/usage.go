// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"syscall"
	"time"
)

// cpu is what this process has used of all cores, system calls included.
func cpu() (time.Duration, error) {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0, fmt.Errorf("ask for the CPU time used: %w", err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), nil
}

// resident is what a process has in memory in bytes, now and at most.
func resident(pid int) (now, most float64, err error) {
	status := fmt.Sprintf("/proc/%d/status", pid)
	for name, value := range map[string]*float64{"VmRSS": &now, "VmHWM": &most} {
		var kilobytes float64
		if _, err := fmt.Sscanf(field(status, name), "%f kB", &kilobytes); err != nil {
			return 0, 0, fmt.Errorf("read %s of process %d: %w", name, pid, err)
		}
		*value = kilobytes * 1024
	}
	return now, most, nil
}

// residentNow is resident of this process.
func residentNow() (now, most float64, err error) { return resident(os.Getpid()) }
