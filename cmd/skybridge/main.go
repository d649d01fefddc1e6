// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

// Command skybridge subscribes to the flows that Skydive analyzers capture, sums
// them into exact counters, and pushes those by Prometheus remote-write.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/common/model"
	"github.com/prometheus/common/promslog"
	"github.com/prometheus/common/promslog/flag"

	"github.com/skydive-project/skybridge/bridge"
	"github.com/skydive-project/skybridge/bridge/config"
	"github.com/skydive-project/skybridge/bridge/notify"
	"github.com/skydive-project/skybridge/logging"
)

// flushLog is how long the process waits at its end for its last log lines to be
// written.
const flushLog = 2 * time.Second

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// The exit codes of errors: of a command line that is not understood, of analyzers and
// receivers that check-config --connect finds unusable, and of all others.
const (
	otherError    = 1
	usageError    = 2
	unusableError = 3
)

// run parses the command line, does what it says, and returns the exit code.
func run(args []string, stdout, stderr io.Writer) int {
	app := kingpin.New("skybridge", "A push bridge from Skydive to Prometheus.")
	app.HelpFlag.Short('h')
	app.Version(versionPage())
	app.UsageWriter(stdout).ErrorWriter(stderr)

	// Without a command the bridge runs; its flags stand in the main help.
	app.Command("run", "Run the bridge.").Default().Hidden()
	options, named := bridge.Options{Environ: os.Environ()}, false
	app.Flag("config.file", "Configuration file: skybridge.yml, or the old connector's prom_sky_con.yml.").Default("skybridge.yml").IsSetByUser(&named).StringVar(&options.ConfigFile)
	app.Flag("config.auto-reload-interval", "How often to look whether the content of the configuration file, or of a file that it names, has changed, and to reload it then; at least 1s. 0s: never.").Default("0s").SetValue((*model.Duration)(&options.AutoReloadInterval))
	app.Flag("storage.path", "Directory for counters and unsent samples, so that they survive restarts. Without it they are kept in memory.").PlaceHolder("DIR").StringVar(&options.StoragePath)
	app.Flag("web.listen-address", "Address to listen on, host:port or unix:///path; can be repeated. Overrides web.listen_address.").PlaceHolder("ADDR").StringsVar(&options.ListenAddresses)
	app.Flag("web.telemetry-path", "Path of the metrics.").Default("/metrics").StringVar(&options.TelemetryPath)
	app.Flag("web.route-prefix", "Prefix of the paths of all pages, the metrics and the API.").Default("/").StringVar(&options.RoutePrefix)
	app.Flag("web.config.file", "File with TLS and authentication settings of the listeners.").PlaceHolder("FILE").StringVar(&options.WebConfigFile)
	app.Flag("web.unauthenticated-health", "Answer /-/healthy and /-/ready without the password that --web.config.file requires.").BoolVar(&options.UnauthenticatedHealth)
	app.Flag("web.systemd-socket", "Listen on the sockets passed by systemd.").BoolVar(&options.SystemdSocket)
	app.Flag("web.enable-lifecycle", "Enable POST /-/reload.").BoolVar(&options.EnableLifecycle)
	app.Flag("web.enable-pprof", "Enable /debug/pprof/.").BoolVar(&options.EnablePprof)
	logs := &promslog.Config{}
	flag.AddFlags(app, logs)

	check := app.Command("check-config", "Check configuration files, and the settings of the listener: print what they set, or every error with its line.")
	checkFiles := check.Arg("file", "Configuration files, by default that of --config.file; - is standard input.").Strings()
	checkConnect := check.Flag("connect", "Also ask every analyzer and receiver whether it can be used. Subscribes to nothing, stores nothing.").Bool()
	check.Validate(func(*kingpin.CmdClause) error { return oneStdin(*checkFiles) })
	convert := app.Command("convert-config", "Convert prom_sky_con.yml to a skybridge.yml on standard output.")
	convertFile := convert.Arg("file", "The old connector's configuration file, by default that of --config.file; - is standard input.").String()

	args = slices.Clone(args)
	for i, arg := range args {
		if arg == "-" { // of which kingpin makes an empty text
			args[i] = config.Stdin
		}
	}
	app.Validate(func(*kingpin.Application) error { return options.Validate() })
	command, err := app.Parse(args)
	options.ConfigOptional = !named
	switch {
	case err != nil:
		fmt.Fprintf(stderr, "skybridge: %v (see --help)\n", err)
		return usageError
	case command == check.FullCommand():
		// Signals end it as they end any tool: there is nothing to clean up.
		err = checkConfig(context.Background(), *checkFiles, *checkConnect, options, stdout, stderr)
	case command == convert.FullCommand():
		err = convertConfig(*convertFile, options, stdout, stderr)
	default:
		return serve(options, logs, stderr)
	}
	return exitCode(err, stderr)
}

// exitCode is that of an error, which is printed.
func exitCode(err error, stderr io.Writer) int {
	if err == nil {
		return 0
	}
	fmt.Fprintln(stderr, "skybridge:", err)
	if errors.As(err, new(*unusable)) {
		return unusableError
	}
	return otherError
}

// serve runs the bridge. It does not depend on the reader of its log: the log never waits, and
// SIGPIPE, which would end the process, is ignored.
func serve(options bridge.Options, logs *promslog.Config, stderr io.Writer) int {
	signal.Ignore(syscall.SIGPIPE)
	options.Log = logging.NewWriter(stderr)
	defer options.Log.Flush(flushLog)
	logs.Writer = options.Log
	options.Logger = promslog.New(logs)
	options.Log.Report(options.Logger)
	log.SetOutput(io.Discard) // libraries write there by themselves, and quote what peers say
	var err error
	if options.Service, err = notify.FromEnvironment(options.Logger); err == nil {
		err = serveUntilSignal(options)
	}
	return exitCode(err, options.Log)
}

// serveUntilSignal runs the bridge until SIGTERM or SIGINT; SIGHUP reloads.
func serveUntilSignal(options bridge.Options) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := make(chan struct{})
	defer close(ended)
	go stopOnSignals(cancel, ended)

	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	options.Reload = hangup
	return bridge.Run(ctx, options)
}

// stopOnSignals calls cancel at the first signal to stop; a second one ends the process at once.
func stopOnSignals(cancel func(), ended <-chan struct{}) {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, os.Interrupt)
	select {
	case <-signals:
		cancel()
	case <-ended:
		return
	}
	select {
	case again := <-signals:
		signal.Reset(again)
		_ = syscall.Kill(os.Getpid(), again.(syscall.Signal))
	case <-ended:
	}
}
