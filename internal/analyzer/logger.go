// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package analyzer

import (
	"context"
	"fmt"
	"log/slog"
)

// logger gives Skydive's server code the logger interface that it wants and
// writes to slog. Skydive's global logger, which prints to standard error, is
// thereby never asked.
type logger struct{ to *slog.Logger }

// log formats after it has made every argument safe: Skydive logs whole
// connections with %+v, which reads their fields while others write them.
func (l logger) log(level slog.Level, format string, args []any) {
	if !l.to.Enabled(context.Background(), level) {
		return
	}
	safe := make([]any, len(args))
	for i, a := range args {
		switch a.(type) {
		case string, error, int, int64, bool, []string:
			safe[i] = a
		default:
			safe[i] = fmt.Sprintf("%T", a)
		}
	}
	if format == "" {
		l.to.Log(context.Background(), level, fmt.Sprint(safe...))
		return
	}
	l.to.Log(context.Background(), level, fmt.Sprintf(format, safe...))
}

func (l logger) Fatal(args ...any)               { l.Panic(args...) }
func (l logger) Fatalf(f string, args ...any)    { l.Panicf(f, args...) }
func (l logger) Panic(args ...any)               { panic(fmt.Sprint(args...)) }
func (l logger) Panicf(f string, args ...any)    { panic(fmt.Sprintf(f, args...)) }
func (l logger) Critical(args ...any)            { l.log(slog.LevelError, "", args) }
func (l logger) Criticalf(f string, args ...any) { l.log(slog.LevelError, f, args) }
func (l logger) Error(args ...any)               { l.log(slog.LevelError, "", args) }
func (l logger) Errorf(f string, args ...any)    { l.log(slog.LevelError, f, args) }
func (l logger) Warning(args ...any)             { l.log(slog.LevelWarn, "", args) }
func (l logger) Warningf(f string, args ...any)  { l.log(slog.LevelWarn, f, args) }
func (l logger) Notice(args ...any)              { l.log(slog.LevelInfo, "", args) }
func (l logger) Noticef(f string, args ...any)   { l.log(slog.LevelInfo, f, args) }
func (l logger) Info(args ...any)                { l.log(slog.LevelInfo, "", args) }
func (l logger) Infof(f string, args ...any)     { l.log(slog.LevelInfo, f, args) }
func (l logger) Debug(args ...any)               { l.log(slog.LevelDebug, "", args) }
func (l logger) Debugf(f string, args ...any)    { l.log(slog.LevelDebug, f, args) }
