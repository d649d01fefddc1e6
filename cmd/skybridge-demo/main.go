// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

// Command skybridge-demo runs a whole world in one process: a Skydive feed with
// made-up traffic (or a real analyzer instead), the bridge exactly as shipped,
// and a Prometheus that it pushes to.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/common/promslog"
	"github.com/prometheus/common/version"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal has its usual effect: it ends at once
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "skybridge-demo:", err)
		os.Exit(1)
	}
}

// run parses the command line and runs the demo until ctx is done.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	options := options{Out: stdout}
	level := promslog.NewLevel()
	updateSaid := false
	app := kingpin.New("skybridge-demo", "A Skydive feed, skybridge and a Prometheus in one process, to look at.")
	app.HelpFlag.Short('h')
	app.Version(version.Print("skybridge-demo"))
	app.UsageWriter(stdout).ErrorWriter(stderr)
	app.Flag(webFlag, "Address of the bridge.").Default("127.0.0.1:9100").StringVar(&options.WebAddress)
	app.Flag(prometheusFlag, "Address of Prometheus; must be a loopback address.").Default("127.0.0.1:9090").StringVar(&options.PrometheusAddress)
	app.Flag("prometheus.storage-path", "Directory for Prometheus' data. Default: a temporary directory.").PlaceHolder("DIR").StringVar(&options.PrometheusDir)
	app.Flag(feedFlag, "Address of the simulated Skydive analyzer.").Default("127.0.0.1:8082").StringVar(&options.FeedAddress)
	app.Flag("analyzer", "A real Skydive analyzer (ws://HOST:8082) instead of the simulated one.").PlaceHolder("URL").StringVar(&options.Analyzer)
	app.Flag("push-interval", "The bridge's global.push_interval; skybridge's own default is 15s.").Default("5s").DurationVar(&options.PushInterval)
	app.Flag("flow-update", "flow.update of the simulated agents; Skydive's own default is 60s, which is also used with --analyzer. The ranges of the printed queries depend on it.").Default("10s").IsSetByUser(&updateSaid).DurationVar(&options.Traffic.Update)
	app.Flag("flow-expire", "flow.expire of the simulated agents; Skydive's own default is 600s.").Default("60s").DurationVar(&options.Traffic.Expire)
	app.Flag("seed", "Seed of the simulated traffic.").Default("1").Uint64Var(&options.Traffic.Seed)
	app.Flag("log.level", "Log level of all parts: debug, info, warn or error.").Default("warn").SetValue(level)
	if _, err := app.Parse(args); err != nil {
		return fmt.Errorf("%w (see --help)", err)
	}
	for name, period := range map[string]time.Duration{
		"push-interval": options.PushInterval, "flow-update": options.Traffic.Update, "flow-expire": options.Traffic.Expire,
	} {
		if period < time.Second {
			return fmt.Errorf("--%s: %s is below 1s", name, period)
		}
	}
	if options.Analyzer != "" && !updateSaid {
		options.Traffic.Update = realUpdate
	}
	options.Logger = promslog.New(&promslog.Config{Level: level, Writer: stderr})
	return demonstrate(ctx, options)
}
