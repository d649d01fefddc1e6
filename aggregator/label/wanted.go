// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package label

// maxWanted bounds the unknown keys that are remembered, twice over, and those that were not
// taken yet.
const maxWanted = 16 << 10

// wanted are keys that were asked for and are unknown. They are no part of the state: what is
// unknown is the same, whether or not something looks for it.
type wanted struct {
	keys []string // not taken yet
	want func()   // called when there are some
	// What need not be wanted again: of late, and before.
	recent, before map[string]struct{}
}

func newWanted(want func()) wanted { return wanted{want: want, recent: map[string]struct{}{}} }

// add adds a key, if it is not remembered.
func (w *wanted) add(key []byte) {
	if _, ok := w.recent[string(key)]; ok {
		return
	}
	if _, ok := w.before[string(key)]; ok || len(w.keys) >= maxWanted {
		return
	}
	if len(w.recent) >= maxWanted {
		w.recent, w.before = map[string]struct{}{}, w.recent
	}
	k := string(key)
	w.recent[k], w.keys = struct{}{}, append(w.keys, k)
	w.want()
}

// remove removes a key that has become known: it is wanted again when it is unknown again.
func (w *wanted) remove(key []byte) {
	delete(w.recent, string(key))
	delete(w.before, string(key))
}

func (w *wanted) take() (keys []string) {
	keys, w.keys = w.keys, nil
	return keys
}
