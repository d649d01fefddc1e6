// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/skydive-project/skybridge/bridge/config"
	"github.com/skydive-project/skybridge/bridge/skydive"
	"github.com/skydive-project/skybridge/bridge/skydive/topology"
	"github.com/skydive-project/skybridge/remotewrite"
	"github.com/skydive-project/skybridge/secrets"
)

// Check asks every analyzer and every receiver of a configuration whether the bridge can
// use it, and writes a line for what works of each and one for all that does not, with what
// to change. It reports how many of them do not work. It subscribes to nothing and stores
// nothing.
func Check(ctx context.Context, cfg *config.Config, listenAddresses []string, w io.Writer) (failing int, err error) {
	set := secrets.New()
	set.Pin(secretsOf(cfg))
	options := Options{ListenAddresses: listenAddresses, secrets: set}
	defer func() { err = set.Error(err) }()
	feed, err := feedConfig(cfg, options.listenAddresses(cfg)[0], options)
	if err != nil {
		return 0, err
	}
	say := func(who string, works []string, errs []error) {
		if len(works) > 0 {
			fmt.Fprintln(w, set.Hide("ok      "+who+": "+strings.Join(works, "; ")))
		}
		for _, err := range errs {
			fmt.Fprintln(w, set.Hide("FAILED  "+who+": "+err.Error()))
		}
		if len(errs) > 0 {
			failing++
		}
	}
	analyzers, err := skydive.Check(ctx, feed)
	if err != nil {
		return 0, err
	}
	for _, c := range analyzers {
		say("analyzer "+c.Analyzer, c.Facts, c.Errs)
	}
	names, err := topology.Check(ctx, topologyConfig(cfg, feed))
	if err != nil {
		return 0, err
	}
	for _, c := range names {
		if c.Err != nil {
			say("topology of "+c.Analyzer, nil, []error{c.Err})
		} else {
			say("topology of "+c.Analyzer, []string{"it answers"}, nil)
		}
	}
	receivers, err := remotewrite.Check(ctx, endpoints(cfg), remotewrite.Options{Version: versionText(), Secrets: set})
	if err != nil {
		return 0, err
	}
	for _, c := range receivers {
		who := "receiver " + c.URL
		if c.Name != "" {
			who = fmt.Sprintf("receiver %s (%s)", c.Name, c.URL)
		}
		switch {
		case c.OK:
			say(who, []string{c.Words}, nil)
		case c.Remedy != "":
			say(who, nil, []error{fmt.Errorf("%s: %s", c.Words, c.Remedy)})
		default:
			say(who, nil, []error{fmt.Errorf("%s", c.Words)})
		}
	}
	return failing, ctx.Err()
}
