// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package secrets

import (
	"context"
	"fmt"
	"log/slog"
	"reflect"
)

// Handler returns a handler that passes records on to next without secrets, in
// messages and in the values of attributes.
func (s *Set) Handler(next slog.Handler) slog.Handler { return &handler{next, s} }

type handler struct {
	next slog.Handler
	set  *Set
}

func (h *handler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.next.Enabled(ctx, level)
}

func (h *handler) Handle(ctx context.Context, r slog.Record) error {
	out := slog.NewRecord(r.Time, r.Level, h.set.Hide(r.Message), r.PC)
	r.Attrs(func(a slog.Attr) bool {
		out.AddAttrs(h.attr(a))
		return true
	})
	return h.next.Handle(ctx, out)
}

// WithAttrs hides what is secret now.
func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	out := make([]slog.Attr, len(attrs))
	for i, a := range attrs {
		out[i] = h.attr(a)
	}
	return &handler{h.next.WithAttrs(out), h.set}
}

func (h *handler) WithGroup(name string) slog.Handler {
	return &handler{h.next.WithGroup(name), h.set}
}

func (h *handler) attr(a slog.Attr) slog.Attr {
	v := a.Value.Resolve()
	switch v.Kind() {
	case slog.KindString:
		a.Value = slog.StringValue(h.set.Hide(v.String()))
	case slog.KindGroup:
		group := make([]slog.Attr, len(v.Group()))
		for i, member := range v.Group() {
			group[i] = h.attr(member)
		}
		a.Value = slog.GroupValue(group...)
	case slog.KindAny:
		text := shown(v.Any())
		if hidden := h.set.Hide(text); hidden != text {
			a.Value = slog.StringValue(hidden)
		}
	}
	return a
}

// shown is a value as handlers show it.
func shown(v any) string {
	if b, ok := v.([]byte); ok {
		return string(b)
	}
	return fmt.Sprintf("%+v", v)
}

// HideIn hides secrets in all texts of the struct that p points to, in its
// structs and lists of structs too.
func (s *Set) HideIn(p any) { s.hideIn(reflect.ValueOf(p).Elem()) }

func (s *Set) hideIn(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(s.Hide(v.String()))
	case reflect.Slice:
		for i := range v.Len() {
			s.hideIn(v.Index(i))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				s.hideIn(v.Field(i))
			}
		}
	}
}
