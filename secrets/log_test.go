// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package secrets

import (
	"bytes"
	"errors"
	"log/slog"
	"net/url"
	"strings"
	"testing"
)

// secretValue is a value that is asked for its text.
type secretValue struct{}

func (secretValue) LogValue() slog.Value { return slog.StringValue("value pa55word") }

// TestHandler proves that no part of a log line shows a secret, in either format,
// and that what holds none stays as it is.
func TestHandler(t *testing.T) {
	s := knowing(Secret{Text: "pa55word"})
	for _, format := range []func(*bytes.Buffer) slog.Handler{
		func(b *bytes.Buffer) slog.Handler { return slog.NewTextHandler(b, nil) },
		func(b *bytes.Buffer) slog.Handler { return slog.NewJSONHandler(b, nil) },
	} {
		var b bytes.Buffer
		log := slog.New(s.Handler(format(&b)))
		log.With("with", "pa55word").WithGroup("group").Info("message pa55word",
			"word", "pa55word", "err", errors.New("a pa55word"), "url", &url.URL{Host: "h", RawQuery: "k=pa55word"},
			"list", []string{"pa55word"}, "bytes", []byte("pa55word"), "value", secretValue{},
			slog.Group("inner", "deep", "pa55word"), "struct", struct{ Key string }{"pa55word"},
			"number", 7, "nothing", nil, "kept", []string{"x"})
		text := b.String()
		if strings.Contains(text, "pa55word") || strings.Count(text, "hidden") != 10 {
			t.Errorf("%s", text)
		}
		if !strings.Contains(text, "number=7") && !strings.Contains(text, `"number":7`) {
			t.Errorf("%s", text)
		}
	}
}

// TestHideIn proves that texts are found however deep in a struct.
func TestHideIn(t *testing.T) {
	type inner struct{ Text string }
	v := struct {
		Text   string
		Number int
		Inner  inner
		List   []inner
		Words  []string
		hidden string
	}{"x pa55word", 7, inner{"pa55word"}, []inner{{"pa55word"}}, []string{"pa55word", "y"}, "pa55word"}
	knowing(Secret{Text: "pa55word"}).HideIn(&v)
	if v.Text != "x <hidden>" || v.Inner.Text != Mask || v.List[0].Text != Mask || v.Words[0] != Mask || v.Words[1] != "y" || v.Number != 7 || v.hidden != "pa55word" {
		t.Errorf("%+v", v)
	}
}
