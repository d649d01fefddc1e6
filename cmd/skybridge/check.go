// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/skydive-project/skybridge/bridge/config"
)

// checkConfig prints a summary of every file that is valid, and every error of
// those that are not. listen is --web.listen-address.
func checkConfig(files []string, listen string, stdout, stderr io.Writer) error {
	bad := 0
	for _, file := range files {
		cfg, warnings, err := config.Check(file, listen)
		printWarnings(stderr, warnings)
		if err != nil {
			fmt.Fprintln(stderr, err)
			bad++
			continue
		}
		fmt.Fprintf(stdout, "%s is valid\n%s", file, config.Summary(cfg))
	}
	if bad > 0 {
		return errors.New("check-config: " + plural(bad, "file is", "files are") + " not valid")
	}
	return nil
}

// convertConfig prints the old connector's configuration in the native form.
func convertConfig(file string, stdout, stderr io.Writer) error {
	data, err := config.ReadFile(file)
	if err != nil {
		return fmt.Errorf("convert-config: %s: %w", file, err)
	}
	native, warnings, err := config.Convert(file, data)
	printWarnings(stderr, warnings)
	if err != nil {
		return err
	}
	_, err = stdout.Write(native)
	return err
}

func printWarnings(w io.Writer, warnings []config.Warning) {
	for _, warning := range warnings {
		fmt.Fprintln(w, "warning:", warning)
	}
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprint(n, " ", many)
}
