// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/skydive-project/skybridge/bridge"
	"github.com/skydive-project/skybridge/bridge/config"
	"github.com/skydive-project/skybridge/bridge/web"
)

// checkConfig prints a summary of every file that is valid, and every error of
// those that are not, of the listener's settings too. Without files it is that with which
// the bridge would run. With connect, every analyzer and receiver of those that are valid
// is asked.
func checkConfig(ctx context.Context, files []string, connect bool, options bridge.Options, stdout, stderr io.Writer) error {
	process := config.Process{Listen: options.ListenAddresses, Outside: true, Environ: options.Environ}
	if len(files) == 0 {
		files, process.Optional = []string{options.ConfigFile}, options.ConfigOptional
	}
	bad, failing := 0, 0
	if err := web.CheckConfigFile(options.WebConfigFile); err != nil {
		fmt.Fprintln(stderr, err)
		bad++
	}
	for _, file := range files {
		cfg, warnings, err := config.Load(file, process)
		printWarnings(stderr, warnings)
		if err != nil {
			fmt.Fprintln(stderr, err)
			bad++
			continue
		}
		fmt.Fprintf(stdout, "%s is valid. Every key but these has its default:\n%s", file, cfg.Summary())
		if !connect {
			continue
		}
		n, err := bridge.Check(ctx, cfg, options.ListenAddresses, stdout)
		if err != nil {
			return err
		}
		failing += n
	}
	switch {
	case bad > 0:
		return errors.New("check-config: " + plural(bad, "file is", "files are") + " not valid")
	case failing > 0:
		return &unusable{failing}
	}
	return nil
}

// unusable says how many checks of what valid files name have failed.
type unusable struct{ n int }

func (u *unusable) Error() string {
	return "check-config: " + plural(u.n, "check has", "checks have") + " failed"
}

// oneStdin refuses standard input twice: it is read to its end.
func oneStdin(files []string) error {
	if i := slices.Index(files, config.Stdin); i >= 0 && slices.Contains(files[i+1:], config.Stdin) {
		return errors.New("standard input (-) stands there twice")
	}
	return nil
}

// convertConfig prints the old connector's configuration in the native form. Without a file
// it is that with which the bridge would run.
func convertConfig(file string, options bridge.Options, stdout, stderr io.Writer) error {
	process := config.Process{Environ: options.Environ}
	if file == "" {
		file, process.Optional = options.ConfigFile, options.ConfigOptional
	}
	native, warnings, err := config.Convert(file, process)
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
