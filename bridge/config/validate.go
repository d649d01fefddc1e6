// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"

	commoncfg "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/relabel"

	"github.com/skydive-project/skybridge/aggregator"
	"github.com/skydive-project/skybridge/aggregator/label"
	"github.com/skydive-project/skybridge/unixsocket"
)

// This file has the rules that tie keys together; those of one key stand in its tags.

// checker is a stanza with such rules. path is where it stands.
type checker interface {
	check(r *reader, path string)
}

// validate notes what is missing in the stanza v and in those below it, and applies
// their rules.
func (r *reader) validate(v reflect.Value, path string) {
	keys := r.keysOf(v.Type())
	for _, k := range keys {
		if k.dead() {
			continue
		}
		field, child := v.FieldByIndex(k.index), join(path, k.name)
		if remedy := k.text("required"); remedy != "" && field.Len() == 0 && r.sound(child) && !r.faulty[path] {
			what := "is missing"
			if r.has(child) {
				what = "is empty"
			}
			r.fail(child, what, remedy)
		}
		if upto := k.text("upto"); upto != "" {
			r.compare(k, keys[indexOf(keys, upto)], v, path)
		}
		switch stanza := reflect.Indirect(field); {
		case stanza.Kind() == reflect.Struct:
			r.validate(stanza, child)
		case field.Kind() == reflect.Slice && isStanza(k.typ.Elem()):
			for i := range field.Len() {
				if item := reflect.Indirect(field.Index(i)); item.IsValid() { // not a rule that is empty
					r.validate(item, fmt.Sprintf("%s[%d]", child, i))
				}
			}
		}
	}
	if c, ok := reflect.TypeAssert[checker](v.Addr()); ok {
		c.check(r, path)
	} else if r.sound(path) || v.Type() == reflect.TypeFor[commoncfg.TLSConfig]() && !r.faulty[path] {
		r.checkForeign(v.Addr().Interface(), path)
	}
}

// compare notes that the value of the key low in v is greater than that of high. The error
// is one of the key that the file has.
func (r *reader) compare(low, high key, v reflect.Value, path string) {
	a, b := v.FieldByIndex(low.index), v.FieldByIndex(high.index)
	lowPath, highPath := join(path, low.name), join(path, high.name)
	small, great := writer{}.value(a, a, low).Value, writer{}.value(b, b, high).Value
	switch {
	case a.Int() <= b.Int() || !r.sound(lowPath) || !r.sound(highPath):
	case r.has(lowPath):
		r.fail(lowPath, fmt.Sprintf("(%s) is greater than %s (%s)", small, high.name, great), fmt.Sprintf("lower %s or raise %s", low.name, high.name))
	default:
		r.fail(highPath, fmt.Sprintf("(%s) is less than %s (%s)", great, low.name, small), fmt.Sprintf("raise %s or lower %s", high.name, low.name))
	}
}

// isStanza reports whether the items of a list are mappings with keys.
func isStanza(t reflect.Type) bool {
	return t == reflect.TypeFor[RemoteWrite]() || t == reflect.TypeFor[*relabel.Config]()
}

// checkForeign applies the rules of a library's struct, and what it leaves to the
// first request.
func (r *reader) checkForeign(c any, path string) {
	switch c := c.(type) {
	case *commoncfg.TLSConfig:
		r.tls[path] = c
		r.libraryError(c.Validate(), path)
		if c.MinVersion != 0 && c.MaxVersion != 0 && c.MaxVersion < c.MinVersion {
			r.fail(path+".max_version", "is below min_version", "raise max_version or remove it")
		}
	case *commoncfg.BasicAuth:
		if c.Username == "" && c.UsernameFile == "" {
			r.fail(path, "has no username", "add username or username_file")
		}
	case *commoncfg.Authorization:
		if c.Credentials == "" && c.CredentialsFile == "" {
			r.fail(path, "has no credentials", "add credentials_file or credentials")
		}
	case *commoncfg.OAuth2:
		switch signed := c.GrantType != "" && c.GrantType != "client_credentials"; {
		case !signed && c.ClientSecret == "" && c.ClientSecretFile == "":
			r.fail(path, "has no secret", "add client_secret_file or client_secret")
		case signed && c.ClientCertificateKey == "" && c.ClientCertificateKeyFile == "":
			r.fail(path, "has no key for its grant_type", "add client_certificate_key_file or client_certificate_key, or remove grant_type")
		}
	}
}

// libraryError notes an error of common/config's Validate, which quotes no secret.
func (r *reader) libraryError(err error, path string) {
	if err == nil {
		return
	}
	has, remedy := func(part string) bool { return strings.Contains(err.Error(), part) }, "correct this stanza"
	switch {
	case has("at most one") || has("must not be") || has("not compatible"):
		remedy = "keep one and remove the others"
	case has("must be configured") || has("must also be configured"):
		remedy = "add what is missing"
	}
	r.failAt(path, ": "+err.Error(), remedy)
}

func (b *BasicAuth) check(r *reader, path string) {
	switch {
	case b.Password != "" && b.PasswordFile != "":
		r.fail(path, "has both password and password_file", "keep one of them")
	case b.Username != "" && b.UsernameFile != "":
		r.fail(path, "has both username and username_file", "keep one of them")
	case b.Username == "" && b.UsernameFile == "" && *b != (BasicAuth{}) && r.sound(path):
		r.fail(path, "has a password without a username", "add username or username_file")
	}
}

func (s *Skydive) check(r *reader, path string) {
	client := s.HTTPClient()
	r.checkHTTPClient(s.Headers, &client, path)
	switch {
	case s.Login && client.BasicAuth == nil && r.sound(path+".basic_auth"):
		r.fail(path+".login", "is true, and there is no basic_auth to log in with", "add basic_auth, or remove login")
	case len(client.ProxyConnectHeader) > 0:
		r.fail(path+".proxy_connect_header", "is not supported for analyzers", "remove it; a user and a password can stand in proxy_url")
	}
}

func (a *Aggregation) check(r *reader, path string) {
	a.checkClasses(r, path+".exclude_classes")
	among := func(labels ...string) int {
		return slices.IndexFunc(a.Labels, func(l string) bool { return slices.Contains(labels, l) })
	}
	ports, told := label.OfPorts(), ""
	if i := among(label.OfObservers()...); i >= 0 {
		told = a.Labels[i]
	}
	if others := func(l string) bool { return !slices.Contains(ports, l) }; a.Ports == "drop" && !slices.ContainsFunc(a.Labels, others) && r.sound(path+".labels") {
		r.fail(path+".ports", "is drop, and labels has nothing but ports", "add another label, or remove ports")
	}
	for _, w := range []struct {
		key  string
		when bool
		what string
	}{
		{"top_k", a.TopK > a.MaxSeries/5, fmt.Sprintf("is %d connections of up to 5 series, more than max_series (%d) has room for: max_series decides", a.TopK, a.MaxSeries)},
		{"exclude_protocols", len(a.ExcludeProtocols) == len(label.Protocols()), "names every protocol: no connection is left"},
		{"ports", a.Ports != "keep" && among(ports...) < 0, "has no effect: no port is among the labels"},
		{"service_ports", len(a.ServicePorts) > 0 && a.Ports != "service", "has no effect unless ports is service"},
		{"networks", len(a.Networks) > 0 && among(label.OfNetworks()...) < 0, "has no effect: neither initiator_network nor target_network is among the labels"},
		{"observers", a.Observers == "one" && told != "", "is one, which counts as all, because the label " + told + " tells one observer from another"},
	} {
		if w.when {
			r.warn(path+"."+w.key, w.what)
		}
	}
}

// checkClasses warns where the excluded classes leave no connection.
func (a *Aggregation) checkClasses(r *reader, path string) {
	switch {
	case len(a.ExcludeClasses) == len(label.Classes()):
		r.warn(path, "names every class: no connection is left")
	case len(a.ClusterNetworks) == 0 && slices.Contains(a.ExcludeClasses, "other"):
		r.warn(path, "names other, and without cluster networks every connection is of that class: none is left")
	}
}

func (rw *RemoteWrite) check(r *reader, path string) {
	if rw.URL != "" {
		r.writePath(rw.URL, path+".url")
	}
	if socket, _ := unixsocket.Receiver(rw.URL); socket != "" && rw.HTTPClient.ProxyURL.URL != nil {
		r.fail(path+".proxy_url", "is set, and a Unix socket is not reached by a proxy", "remove it")
	}
	rw.checkRetried(r, path+".retry_on_http")
	r.checkNames(rw.ExternalLabels, path+".external_labels", rw)
	for i, rule := range rw.WriteRelabelConfigs {
		if rule != nil {
			rw.checkRule(r, rule, fmt.Sprintf("%s.write_relabel_configs[%d]", path, i))
		}
	}
	r.checkHTTPClient(rw.Headers, &rw.HTTPClient, path)
}

// checkHTTPClient applies the rules between the keys of an HTTP client.
func (r *reader) checkHTTPClient(headers map[string]string, client *commoncfg.HTTPClientConfig, path string) {
	if h := client.HTTPHeaders; h != nil {
		taken := map[string]bool{}
		for name := range headers {
			taken[http.CanonicalHeaderKey(name)] = true
		}
		for name := range h.Headers {
			if taken[http.CanonicalHeaderKey(name)] {
				r.fail(path+".http_headers", "sets a header that headers sets as well", "keep one of them")
			}
		}
	}
	for _, k := range r.keysOf(reflect.TypeFor[commoncfg.HTTPClientConfig]()) {
		if !r.sound(join(path, k.name)) {
			return
		}
	}
	r.libraryError(client.Validate(), path)
}

// checkRule applies the rules of relabelling.
func (rw *RemoteWrite) checkRule(r *reader, rule *relabel.Config, path string) {
	for i, name := range rule.SourceLabels {
		if !rw.names().IsValidLabelName(string(name)) {
			r.fail(fmt.Sprintf("%s.source_labels[%d]", path, i), "is "+quoted(string(name))+", which is no label name", legacyNames)
		}
	}
	if !r.sound(path) {
		return
	}
	if err := rule.Validate(rw.names()); err != nil {
		r.failAt(path, ": "+err.Error(), "see Prometheus' documentation of relabel_config")
	}
}

// checkNames notes names of labels that an endpoint does not accept.
func (r *reader) checkNames(labels map[string]string, path string, rw *RemoteWrite) {
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		if !rw.names().IsValidLabelName(name) {
			r.fail(keyPath(path, name), "is no valid label name", legacyNames+"; if the receiver accepts others, set its metric_name_validation_scheme: utf8")
		}
	}
}

// checkRetried warns of codes that are better left out.
func (rw *RemoteWrite) checkRetried(r *reader, path string) {
	for _, code := range rw.RetryOnHTTP {
		switch code {
		case http.StatusBadRequest, http.StatusConflict, http.StatusUnprocessableEntity:
			r.warn(path, fmt.Sprintf("has %d, with which receivers refuse single samples for good, such as those out of order: each of them delays all others for up to 15 minutes", code))
		case http.StatusRequestTimeout, http.StatusRequestEntityTooLarge, http.StatusTooEarly:
			r.warn(path, fmt.Sprintf("has %d, which has no effect: such a request is always sent again, after 413 in halves", code))
		}
	}
}

// check applies the rules between stanzas.
func (c *Config) check(r *reader, _ string) {
	taken := slices.Concat(label.Default(), c.Aggregation.Labels, []string{"capture_id"}, interfaceLabels())
	r.checkLabels(c.Global.ExternalLabels, "global.external_labels", taken)
	first, strict := map[string]string{}, &RemoteWrite{}
	if i := slices.IndexFunc(c.RemoteWrite, func(rw RemoteWrite) bool { return rw.names() == model.LegacyValidation }); len(c.RemoteWrite) > 0 && i < 0 {
		strict = &c.RemoteWrite[0]
	}
	r.checkNames(c.Global.ExternalLabels, "global.external_labels", strict)
	for i := range c.RemoteWrite {
		rw, path := &c.RemoteWrite[i], fmt.Sprintf("remote_write[%d]", i)
		r.checkLabels(rw.ExternalLabels, path+".external_labels", taken)
		other, again := first[rw.identity()]
		switch {
		case rw.identity() == "":
		case again && rw.Name != "":
			r.fail(path+".name", "is the same as that of "+other, "give each endpoint a name of its own")
		case again:
			r.fail(path+".url", "is the same as that of "+other, "give each of them a name, or remove one")
		default:
			first[rw.identity()] = fmt.Sprintf("%s in line %d", path, r.line(path))
		}
	}
}

// interfaceLabels returns the labels that network interfaces have.
func interfaceLabels() []string {
	var names []string
	for _, l := range new(aggregator.InterfaceLabels).All() {
		names = append(names, l.Name)
	}
	return names
}

// checkLabels notes external labels that are labels of what is pushed.
func (r *reader) checkLabels(labels map[string]string, path string, taken []string) {
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		if slices.Contains(taken, name) {
			r.fail(keyPath(path, name), "is already a label of what is pushed", "choose another name")
		}
	}
}
