// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package analyzer

import (
	"io"
	"net/http"
	"strings"
)

// TopologyUnauthorized answers as to wrong credentials.
func TopologyUnauthorized(w http.ResponseWriter, _ *http.Request) {
	http.Error(w, "Wrong credentials", http.StatusUnauthorized)
}

// TopologySlow begins an answer and then never goes on.
func TopologySlow(w http.ResponseWriter, r *http.Request) {
	_, _ = io.WriteString(w, "[")
	_ = http.NewResponseController(w).Flush() // it can
	<-r.Context().Done()
}

// TopologyHuge answers with a node that never ends.
func TopologyHuge(w http.ResponseWriter, r *http.Request) {
	_, err := io.WriteString(w, `[{"@ID":"`)
	chunk := strings.Repeat("x", 64<<10)
	for err == nil && r.Context().Err() == nil {
		_, err = io.WriteString(w, chunk)
	}
}

// TopologyGarbage answers with something else than JSON.
func TopologyGarbage(w http.ResponseWriter, _ *http.Request) {
	_, _ = io.WriteString(w, "<html>It works!</html>")
}

// TopologyCut answers with the beginning of a good answer.
func TopologyCut(w http.ResponseWriter, _ *http.Request) {
	_, _ = io.WriteString(w, `[{"@ID":"a","TID":"t","Name":"eth0","EncapType":"ether"},{"@ID":"b"`)
}

// TopologyWrongTypes answers with JSON in which nothing is of the type it should
// be of: the old connector panicked at less.
func TopologyWrongTypes(w http.ResponseWriter, _ *http.Request) {
	_, _ = io.WriteString(w, `[{"@ID":7},{"@ID":"a","Name":{}},{"@ID":"b","IPV4":"10.0.0.1/24"},{"@ID":"c","Metric":[1]},`+
		`{"@ID":"d","Metric":{"RxBytes":"many"}},{"@ID":"e","Metric":{"RxBytes":-1}},{"@ID":"f","TID":["t"]},12,"x",[],`+
		`{"ID":"g","Metadata":[]},{"ID":"h","Metadata":{"K8s":"x"}},{"@ID":"i","@Revision":1.5}]`)
}

// TopologyEmpty answers that there is nothing.
func TopologyEmpty(w http.ResponseWriter, _ *http.Request) {
	_, _ = io.WriteString(w, "[]\n")
}
