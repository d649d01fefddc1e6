// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package disktest_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/skydive-project/skybridge/internal/disktest"
)

var errBroken = errors.New("broken")

// TestLosePower proves what survives: bytes by Sync, names by SyncDir, the rest
// by chance, and that a sync which failed is not made up for by the next one.
func TestLosePower(t *testing.T) {
	one, two := bytes.Repeat([]byte("1"), 1000), bytes.Repeat([]byte("2"), 1000)
	seen := make(map[string]bool)
	for seed := range uint64(200) {
		d := disktest.New(seed)
		f, err := d.Create("d/synced")
		if err != nil {
			t.Fatal(err)
		}
		write := func(data []byte) {
			t.Helper()
			if _, err := f.WriteAt(data, 0); err != nil {
				t.Fatal(err)
			}
		}
		write(one)
		if f.Sync() != nil || d.SyncDir("d") != nil {
			t.Fatal("no sync")
		}
		write(two)
		d.Fail(func(_ int, op disktest.Op, _ string) error {
			if op == disktest.Sync {
				return errBroken
			}
			return nil
		})
		if err := f.Sync(); !errors.Is(err, errBroken) {
			t.Fatal(err)
		}
		d.Fail(nil)
		if seed%2 == 0 {
			if err := f.Sync(); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := d.Create("d/not"); err != nil {
			t.Fatal(err)
		}
		d.LosePower()
		if _, err := f.WriteAt(one, 0); !errors.Is(err, disktest.ErrDead) {
			t.Errorf("a dead process writes: %v", err)
		}
		data := d.Bytes("d/synced")
		for _, c := range data {
			seen[string(c)] = true
		}
		if len(data) != 1000 {
			t.Fatalf("%d bytes", len(data))
		}
		if len(d.Files()) == 2 {
			seen["name"] = true
		} else {
			seen["no name"] = true
		}
	}
	for _, want := range []string{"1", "2", "name", "no name"} {
		if !seen[want] {
			t.Errorf("%s never survived", want)
		}
	}
}
