// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package remotewrite

// labelSet is the labels of the samples that follow, external labels included,
// sorted by name and without the metric's name. A label with an empty value is an
// absent label (data model).
type labelSet struct {
	labels []Label
	// nameAt is where the metric's name belongs: names may sort before it.
	nameAt int
	// version tells one set from the next; 0 is none yet.
	version uint64

	// arranged, where not 0, tells the names and their places from those of other
	// sets: two sets of one arrangement differ in values only, and so nobody need
	// compare or sort names again. own and sources are what it was made of.
	arranged uint64
	last     uint64 // arrangement
	own      []string
	sources  []source
}

// source is where the value of a label comes from: the series' own values, or
// where it has none there (index -1, or an empty one) the external label.
type source struct {
	index    int
	external string
}

// merge makes the set of labels plus what of external they do not have. Both
// are sorted.
func (s *labelSet) merge(labels, external []Label) {
	s.version++
	s.arranged, s.own = 0, nil
	s.labels = s.labels[:0]
	for len(labels) > 0 || len(external) > 0 {
		var next Label
		switch {
		case len(external) == 0 || (len(labels) > 0 && labels[0].Name < external[0].Name):
			next, labels = labels[0], labels[1:]
		case len(labels) == 0 || external[0].Name < labels[0].Name:
			next, external = external[0], external[1:]
		case labels[0].Value == "":
			next, labels, external = external[0], labels[1:], external[1:]
		default: // the series' own label wins, as in Prometheus
			next, labels, external = labels[0], labels[1:], external[1:]
		}
		if next.Value != "" {
			s.labels = append(s.labels, next)
		}
	}
	s.placeName()
}

// placeName finds where the metric's name belongs.
func (s *labelSet) placeName() {
	s.nameAt = 0
	for s.nameAt < len(s.labels) && s.labels[s.nameAt].Name < nameLabel {
		s.nameAt++
	}
}

// arrangedFor says whether fill takes the values of names.
func (s *labelSet) arrangedFor(names []string) bool {
	return len(names) == len(s.own) && len(names) > 0 && &names[0] == &s.own[0]
}

// arrange prepares the set for values of names, with the external labels. Both are
// sorted.
func (s *labelSet) arrange(names []string, external []Label) {
	s.last++
	s.arranged, s.own = s.last, names
	s.labels, s.sources = s.labels[:0], s.sources[:0]
	for i := 0; i < len(names) || len(external) > 0; {
		from := source{index: -1}
		var name string
		if len(external) == 0 || (i < len(names) && names[i] <= external[0].Name) {
			from.index, name = i, names[i]
			i++
		} else {
			name = external[0].Name
		}
		if len(external) > 0 && external[0].Name == name {
			from.external, external = external[0].Value, external[1:]
		}
		s.labels = append(s.labels, Label{name, from.external})
		s.sources = append(s.sources, from)
	}
	s.placeName()
}

// fill makes the set that of values, in the order of the names that it is arranged
// for.
func (s *labelSet) fill(values []string) {
	s.version++
	for i, from := range s.sources {
		if from.index < 0 {
			continue
		}
		v := values[from.index]
		if v == "" { // an external label fills the gap, as in merge
			v = from.external
		}
		s.labels[i].Value = v
	}
}
