//go:build real

// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// browser is Debian's chromium with a page of its own. At the end of the test it fails
// where the page asked another place for something, said anything on its console, or
// opened a dialogue.
type browser struct {
	t      *testing.T
	ctx    context.Context
	server *httptest.Server

	mu       sync.Mutex
	asked    map[string]int // by path
	slowest  time.Duration  // answer of the server
	requests []string       // of the browser
	said     []string
}

// newBrowser serves r and opens a page that is still empty.
func newBrowser(t *testing.T, r rig) *browser {
	t.Helper()
	b := &browser{t: t, asked: map[string]int{}}
	b.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		began := time.Now()
		r.handler.ServeHTTP(w, req)
		b.mu.Lock()
		defer b.mu.Unlock()
		b.asked[req.URL.Path]++
		b.slowest = max(b.slowest, time.Since(began))
	}))
	t.Cleanup(b.server.Close)
	program := "/usr/bin/chromium"
	if _, err := os.Stat(program); err != nil {
		t.Fatalf("Debian's package chromium is needed for this test: %v", err)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(program),
		chromedp.NoSandbox, // tests run as root
		chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"),
		chromedp.WSURLReadTimeout(time.Minute),
	)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 3*time.Minute) // its end is the cleanup's
	t.Cleanup(cancel)
	ctx, stop := chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(stop)
	b.ctx, stop = chromedp.NewContext(ctx, chromedp.WithErrorf(t.Logf), chromedp.WithListener(b.listen))
	t.Cleanup(func() {
		if err := chromedp.Cancel(b.ctx); err != nil {
			t.Logf("chromium ended with %v", err)
		}
		stop()
		b.judge()
	})
	b.do(
		command(network.Enable, network.EnableParams{}), command(runtime.Enable, cdp.Empty{}),
		command(log.Enable, cdp.Empty{}), command(cdppage.Enable, cdppage.EnableParams{}),
	)
	return b
}

func (b *browser) listen(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		b.requests = append(b.requests, e.Request.URL)
	case *runtime.EventConsoleAPICalled:
		b.said = append(b.said, fmt.Sprintf("console %s %s", e.Type, e.Args[0].Value))
	case *runtime.EventExceptionThrown:
		b.said = append(b.said, "exception "+(&chromedp.ExceptionError{ExceptionDetails: e.ExceptionDetails}).Error())
	case *log.EventEntryAdded:
		b.said = append(b.said, fmt.Sprintf("log %s %s %s", e.Entry.Level, e.Entry.Text, e.Entry.URL))
	case *cdppage.EventJavascriptDialogOpening:
		b.said = append(b.said, "dialogue "+e.Message)
	}
}

// judge holds what the page did against what it may.
func (b *browser) judge() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.said) > 0 {
		b.t.Errorf("the page has something to say:\n%s", strings.Join(b.said, "\n"))
	}
	if len(b.requests) == 0 {
		b.t.Error("no request was recorded: that judges nothing")
	}
	for _, url := range b.requests {
		if !strings.HasPrefix(url, b.server.URL+"/") {
			b.t.Errorf("the page asks %s", url)
		}
	}
	b.t.Logf("%d requests, the slowest took the server %s", len(b.requests), b.slowest.Round(time.Millisecond))
}

// command is a command of the protocol whose answer says nothing.
func command[P, R any](c cdp.Command[P, R], params P) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, c, params)
		return err
	})
}

func (b *browser) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.t.Fatalf("%v\n%s", err, strings.Join(b.said, "\n"))
	}
}

// open loads the page.
func (b *browser) open(path string) {
	b.t.Helper()
	b.do(chromedp.Navigate(b.server.URL + path))
}

// load does what loads another page, and waits until that is there.
func (b *browser) load(by chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if _, err := chromedp.Run(b.ctx, chromedp.WaitEvent(cdppage.LoadEventFired, nil, by)); err != nil {
		b.t.Fatal(err)
	}
}

// scripts lets the page's scripts run, or not.
func (b *browser) scripts(run bool) {
	b.t.Helper()
	b.do(command(emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !run}))
}

// await waits until an expression of the page's script is true.
func (b *browser) await(expression string) {
	b.t.Helper()
	const poll = `new Promise((done, fail) => {
		const end = Date.now() + 30000;
		const look = () => (%s) ? done("") : Date.now() > end ? fail(new Error(document.body.innerText.slice(0, 3000))) : setTimeout(look, 20);
		look();
	})`
	if err := chromedp.Do(b.ctx, chromedp.Evaluate[chromedp.Void](fmt.Sprintf(poll, expression), chromedp.EvalAwaitPromise)); err != nil {
		b.t.Fatalf("%s: %v", expression, err)
	}
}

// act evaluates a statement, and waits for its promise if it is one.
func (b *browser) act(statement string) {
	b.t.Helper()
	b.do(chromedp.Evaluate[chromedp.Void](statement, chromedp.EvalAwaitPromise))
}

// text returns what an expression says.
func (b *browser) text(expression string) string {
	b.t.Helper()
	s, err := chromedp.Run(b.ctx, chromedp.Evaluate[string]("String("+expression+")"))
	if err != nil {
		b.t.Fatalf("%s: %v", expression, err)
	}
	return s
}

// want holds what an expression says against what it should.
func (b *browser) want(expression, want string) {
	b.t.Helper()
	if got := b.text(expression); got != want {
		b.t.Errorf("%s is %q, want %q", expression, got, want)
	}
}

// forgive forgets what the page said up to now.
func (b *browser) forgive() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.said = nil
}

func (b *browser) count(path string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.asked[path]
}

// size makes the window so large, in CSS pixels.
func (b *browser) size(width, height int64) {
	b.t.Helper()
	options := []chromedp.EmulateViewportOption{chromedp.EmulateScale(1.5)}
	if width < 500 {
		options = append(options, chromedp.EmulateMobile, chromedp.EmulateTouch, chromedp.EmulatePortrait)
	}
	b.do(chromedp.EmulateViewport(width, height, options...))
}

// picture keeps a screenshot of the whole page among the test's artifacts.
func (b *browser) picture(name string) {
	b.t.Helper()
	png, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
	if err != nil {
		b.t.Fatal(err)
	}
	file := filepath.Join(b.t.ArtifactDir(), name+".png")
	if err := os.WriteFile(file, png, 0o600); err != nil {
		b.t.Fatal(err)
	}
	b.t.Logf("screenshot %s", file)
}
