// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"net/http"
	"net/url"
	"reflect"
	"strings"

	commoncfg "github.com/prometheus/common/config"
	"go.yaml.in/yaml/v3"
)

// This file reads the structs of prometheus/common/config by their yaml tags
// instead of handing them to the YAML decoder: so every error has its line,
// unknown keys are found, all errors come at once, and none of them quotes a
// secret as the decoder's do ("cannot unmarshal !!str `pa55wor...`"). The rules
// that tie keys together are the structs' own Validate.

func secret(s string) commoncfg.Secret { return commoncfg.Secret(s) }

// httpClient reads the keys of o that belong to Prometheus' HTTP client.
func (r *reader) httpClient(o *object, rw *RemoteWrite) {
	c := &rw.HTTPClient
	before := len(r.errs)
	r.fields(o, reflect.ValueOf(c).Elem())
	if o.sound("tls_config") {
		r.validTLS(o, &c.TLSConfig)
	}
	if o.sound("oauth2") {
		r.oauth2(o, c.OAuth2)
	}
	if o.sound("basic_auth") {
		if c.BasicAuth.Username == "" && c.BasicAuth.UsernameFile == "" {
			r.fail(o.lineOf("basic_auth"), o.path+".basic_auth has no username", "add username or username_file")
		}
		r.username(item{c.BasicAuth.Username, o.lineOf("basic_auth")}, o.path+".basic_auth.username")
	}
	if a := c.Authorization; o.sound("authorization") && a.Credentials == "" && a.CredentialsFile == "" {
		r.fail(o.lineOf("authorization"), o.path+".authorization has no credentials", "add credentials_file or credentials")
	}
	if c.HTTPHeaders != nil {
		taken := set[string]{}
		for name := range rw.Headers {
			taken.add(http.CanonicalHeaderKey(name))
		}
		for name := range c.HTTPHeaders.Headers {
			if _, again := taken[http.CanonicalHeaderKey(name)]; again {
				r.fail(o.lineOf("http_headers"), o.path+" sets a header both in headers and in http_headers", "keep one of them")
			}
		}
	}
	if len(r.errs) > before {
		return
	}
	if err := c.Validate(); err != nil {
		r.fail(o.line, o.path+": "+err.Error(), validateRemedy(err))
	}
}

// validateRemedy says what to do about an error of common/config's Validate.
func validateRemedy(err error) string {
	if strings.Contains(err.Error(), "at most one") || strings.Contains(err.Error(), "must not be") || strings.Contains(err.Error(), "not compatible") {
		return "keep one and remove the others"
	}
	if strings.Contains(err.Error(), "must be configured") || strings.Contains(err.Error(), "must also be configured") {
		return "add what is missing"
	}
	return "correct this stanza"
}

// oauth2 checks what common/config leaves to the first request.
func (r *reader) oauth2(o *object, c *commoncfg.OAuth2) {
	line, path := o.lineOf("oauth2"), o.path+".oauth2"
	if c.TokenURL != "" {
		r.httpURL(item{c.TokenURL, line}, path+".token_url", "client_id and client_secret")
	}
	if c.GrantType == "" || c.GrantType == "client_credentials" {
		if c.ClientSecret == "" && c.ClientSecretFile == "" {
			r.fail(line, path+" has no secret", "add client_secret_file or client_secret")
		}
	} else if c.ClientCertificateKey == "" && c.ClientCertificateKeyFile == "" {
		r.fail(line, path+" has no key for its grant_type", "add client_certificate_key_file or client_certificate_key, or remove grant_type")
	}
	if err := c.TLSConfig.Validate(); err != nil {
		r.fail(line, path+".tls_config: "+err.Error(), validateRemedy(err))
	}
}

// tls reads tls_config of o.
func (r *reader) tls(o *object, c *commoncfg.TLSConfig) {
	if n := o.take("tls_config"); n != nil {
		r.value(n, reflect.ValueOf(c).Elem(), o.join("tls_config"))
		r.validTLS(o, c)
	}
}

func (r *reader) validTLS(o *object, c *commoncfg.TLSConfig) {
	line, path := o.lineOf("tls_config"), o.join("tls_config")
	if err := c.Validate(); err != nil {
		r.fail(line, path+": "+err.Error(), validateRemedy(err))
	}
	if c.MinVersion != 0 && c.MaxVersion != 0 && c.MaxVersion < c.MinVersion {
		r.fail(line, path+".max_version is below min_version", "raise max_version or remove it")
	}
}

// fields takes the keys of o that are fields of the struct v.
func (r *reader) fields(o *object, v reflect.Value) {
	for i := range v.NumField() {
		field := v.Type().Field(i)
		if !field.IsExported() {
			continue
		}
		name, inline := yamlName(field)
		switch {
		case inline:
			r.fields(o, v.Field(i))
		case strings.HasSuffix(name, "_ref"):
			// References to a secret manager, of which there is none here.
		case strings.HasSuffix(name, "_file"):
			r.file(o, name, v.Field(i).Addr().Interface().(*string))
		default:
			if n := o.take(name); n != nil {
				before := len(r.errs)
				r.value(n, v.Field(i), o.join(name))
				o.setFaulty(name, len(r.errs) > before)
			}
		}
	}
}

// yamlName returns the key of a struct's field.
func yamlName(f reflect.StructField) (name string, inline bool) {
	name, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
	return name, strings.Contains(options, "inline")
}

// value reads n into v.
func (r *reader) value(n *yaml.Node, v reflect.Value, path string) {
	switch dst := v.Addr().Interface().(type) {
	case *commoncfg.URL:
		r.proxyURL(n, dst, path)
		return
	case *commoncfg.TLSVersion:
		s, ok := r.scalar(n, path)
		if version, known := commoncfg.TLSVersions[s]; known {
			*dst = version
		} else if ok {
			r.fail(n.Line, path+" is no version of TLS: "+quoted(s), "write TLS12 or TLS13")
		}
		return
	case *commoncfg.Headers:
		r.value(n, reflect.ValueOf(&dst.Headers).Elem(), path)
		return
	case *map[string]any: // the claims of a token
		if n.Kind != yaml.MappingNode || r.duplicates(n, path) || n.Decode(dst) != nil {
			r.fail(n.Line, path+" must be a mapping with distinct keys", "write its keys on lines of their own, indented")
		}
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		r.value(n, v.Elem(), path)
	case reflect.Struct:
		o := r.object(n, path, false)
		r.fields(o, v)
		o.done()
	case reflect.Bool:
		if b, ok := r.boolean(n, path); ok {
			v.SetBool(b)
		}
	case reflect.String:
		if s, ok := r.scalar(n, path); ok {
			r.noVariable(s, n.Line, path)
			v.SetString(s)
		}
	case reflect.Slice:
		r.slice(n, v, path)
	case reflect.Map:
		o := r.object(n, path, false)
		v.Set(reflect.MakeMap(v.Type()))
		for _, p := range o.pairs {
			item := reflect.New(v.Type().Elem()).Elem()
			if !isNull(p.value) {
				r.value(p.value, item, o.label(p.name))
			}
			if v.Type() != reflect.TypeFor[map[string]string]() && !r.headerName(o.label(p.name), p.name, p.key.Line) {
				continue
			}
			v.SetMapIndex(reflect.ValueOf(p.name), item)
		}
	}
}

// slice reads a list of texts, which may be files.
func (r *reader) slice(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind != yaml.SequenceNode {
		r.fail(n.Line, path+" must be a list, it is a "+kindName(n), `write each item on a line of its own after "- ", or all in [ ]`)
		return
	}
	for _, item := range n.Content {
		s, ok := r.scalar(item, "an item of "+path)
		if !ok {
			continue
		}
		if strings.HasSuffix(path, ".files") {
			r.noteFile(s, path, item.Line)
		}
		v.Set(reflect.Append(v, reflect.ValueOf(s).Convert(v.Type().Elem())))
	}
}

// duplicates notes keys that stand twice in n or below and reports whether
// there are any.
func (r *reader) duplicates(n *yaml.Node, path string) bool {
	before := len(r.errs)
	if n.Kind == yaml.MappingNode {
		r.object(n, path, false)
	}
	for _, child := range n.Content {
		r.duplicates(child, path)
	}
	return len(r.errs) > before
}

// proxyURL reads a URL that may hold a password: for a proxy there is no other
// place for it.
func (r *reader) proxyURL(n *yaml.Node, dst *commoncfg.URL, path string) {
	const remedy = "write http://host:port, https:// or socks5://"
	s, ok := r.scalar(n, path)
	if !ok {
		return
	}
	u, err := url.Parse(s)
	if err != nil || u.Hostname() == "" || strings.Contains(u.Host, "$") {
		r.fail(n.Line, path+" is not a valid URL", remedy)
		return
	}
	switch u.Scheme {
	case "http", "https", "socks5", "socks5h":
		dst.URL = u
	default:
		r.fail(n.Line, path+" has an unknown scheme", remedy)
	}
}
