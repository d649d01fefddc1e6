// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package topology

import (
	"io"
	"net/http"
	"strings"
)

// answerUnauthorized answers as to wrong credentials.
func answerUnauthorized(w http.ResponseWriter, _ *http.Request) {
	http.Error(w, "Wrong credentials", http.StatusUnauthorized)
}

// answerSlow begins an answer and then never continues.
func answerSlow(w http.ResponseWriter, r *http.Request) {
	_, _ = io.WriteString(w, "[")
	_ = http.NewResponseController(w).Flush() // it can
	<-r.Context().Done()
}

// answerHuge answers with a node that never ends.
func answerHuge(w http.ResponseWriter, r *http.Request) {
	_, err := io.WriteString(w, `[{"@ID":"`)
	chunk := strings.Repeat("x", 64<<10)
	for err == nil && r.Context().Err() == nil {
		_, err = io.WriteString(w, chunk)
	}
}

// answerGarbage answers with something else than JSON.
func answerGarbage(w http.ResponseWriter, _ *http.Request) {
	_, _ = io.WriteString(w, "<html>It works!</html>")
}

// answerCut answers with the beginning of a good answer.
func answerCut(w http.ResponseWriter, _ *http.Request) {
	_, _ = io.WriteString(w, `[{"@ID":"a","TID":"t","Name":"eth0","EncapType":"ether"},{"@ID":"b"`)
}

// answerWrongTypes answers with JSON in which nothing is of the type it should
// be of: the old connector panicked at less.
func answerWrongTypes(w http.ResponseWriter, _ *http.Request) {
	_, _ = io.WriteString(w, `[{"@ID":7},{"@ID":"a","Name":{}},{"@ID":"b","IPV4":"10.0.0.1/24"},{"@ID":"c","Metric":[1]},`+
		`{"@ID":"d","Metric":{"RxBytes":"many"}},{"@ID":"e","Metric":{"RxBytes":-1}},{"@ID":"f","TID":["t"]},12,"x",[],`+
		`{"ID":"g","Metadata":[]},{"ID":"h","Metadata":{"K8s":"x"}},{"@ID":"i","@Revision":1.5}]`)
}

// answerEmpty answers that there is nothing.
func answerEmpty(w http.ResponseWriter, _ *http.Request) {
	_, _ = io.WriteString(w, "[]\n")
}
