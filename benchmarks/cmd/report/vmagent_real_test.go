//go:build real

// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package main

func init() { vmagentProgram = "vmagent" }
