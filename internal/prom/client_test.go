// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package prom

import (
	"encoding/json"
	"math"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestParseMillis(t *testing.T) {
	for _, test := range []struct {
		text string
		want int64
		fail bool
	}{
		{"1795402882", 1795402882000, false},
		{"1795402882.39", 1795402882390, false},
		{"1795402882.007", 1795402882007, false},
		{"0", 0, false},
		{"-1.5", -1500, false},
		{"-0.25", -250, false},
		{"1.2345", 0, true},
		{"1e9", 0, true},
		{"", 0, true},
		{"99999999999999999999", 0, true},
	} {
		t.Run(test.text, func(t *testing.T) {
			got, err := parseMillis(test.text)
			if got != test.want || (err != nil) != test.fail {
				t.Errorf("%d, %v", got, err)
			}
		})
	}
}

// What is written as a time is read back by the millisecond.
func TestFormatTime(t *testing.T) {
	for _, ms := range []int64{0, 1, 1_600_000_000_123, 1_795_402_882_999} {
		got, err := parseMillis(formatTime(time.UnixMilli(ms)))
		if err != nil || got != ms {
			t.Errorf("%d came back as %d, %v", ms, got, err)
		}
	}
}

// An answer that is none is an error that says what came.
func TestBadAnswers(t *testing.T) {
	for _, test := range []struct{ name, answer, want string }{
		{"not JSON", "<html>", "no JSON"},
		{"error", `{"status":"error","errorType":"bad_data","error":"what?"}`, "what?"},
		{"no result", `{"status":"success","data":{"resultType":"vector"}}`, "unexpected end"},
		{"string", `{"status":"success","data":{"resultType":"string","result":[1,"x"]}}`, `result type "string"`},
		{"three parts", `{"status":"success","data":{"resultType":"scalar","result":[1,"1","1"]}}`, "two parts"},
		{"value is no number", `{"status":"success","data":{"resultType":"scalar","result":[1,"x"]}}`, "value of point"},
		{"time is finer than ms", `{"status":"success","data":{"resultType":"scalar","result":[1.2345,"1"]}}`, "milliseconds"},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				_, _ = w.Write([]byte(test.answer))
			}))
			defer server.Close()
			client := NewClient(server.URL + "/")
			defer client.Close()
			if _, err := client.Query(t.Context(), "1", time.UnixMilli(0)); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %s", err, test.want)
			}
		})
	}
}

// A point that is read holds what JSON says, to the last digit.
func FuzzPoint(f *testing.F) {
	for _, seed := range []string{`[1795402882.39,"1e9"]`, `[0,"NaN"]`, `[-1.5,"+Inf"]`, `[1,"9007199254740993"]`, `[1]`, `["1",2]`, `[1,"1",null]`, `null`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var point wirePoint
		if json.Unmarshal(data, &point) != nil || strings.TrimSpace(string(data)) == "null" {
			return
		}
		var parts []any
		decoder := json.NewDecoder(strings.NewReader(string(data)))
		decoder.UseNumber()
		if err := decoder.Decode(&parts); err != nil {
			t.Fatal(err)
		}
		seconds, ok := new(big.Rat).SetString(string(parts[0].(json.Number)))
		if !ok || seconds.Mul(seconds, big.NewRat(1000, 1)).Cmp(new(big.Rat).SetInt64(point.T)) != 0 {
			t.Errorf("%s: time %d", data, point.T)
		}
		value, err := strconv.ParseFloat(parts[1].(string), 64)
		if err != nil || math.Float64bits(value) != math.Float64bits(point.V) {
			t.Errorf("%s: value %v, %v", data, point.V, err)
		}
	})
}
