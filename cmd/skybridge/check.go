// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/skydive-project/skybridge/bridge/config"
	"github.com/skydive-project/skybridge/bridge/web"
)

// checkConfig prints a summary of every file that is valid, and every error of
// those that are not, of the listener's settings too. listen is
// --web.listen-address, webConfig --web.config.file.
func checkConfig(files, listen []string, webConfig string, stdout, stderr io.Writer) error {
	bad := 0
	if err := web.CheckConfigFile(webConfig); err != nil {
		fmt.Fprintln(stderr, err)
		bad++
	}
	for _, file := range files {
		cfg, warnings, err := config.Load(file, config.Process{Listen: listen, Outside: true})
		printWarnings(stderr, warnings)
		if err != nil {
			fmt.Fprintln(stderr, err)
			bad++
			continue
		}
		fmt.Fprintf(stdout, "%s is valid. Every key but these has its default:\n%s", file, cfg.Summary())
	}
	if bad > 0 {
		return errors.New("check-config: " + plural(bad, "file is", "files are") + " not valid")
	}
	return nil
}

// oneStdin refuses standard input twice: it is read to its end.
func oneStdin(files []string) error {
	if i := slices.Index(files, config.Stdin); i >= 0 && slices.Contains(files[i+1:], config.Stdin) {
		return errors.New("standard input (-) stands there twice")
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
