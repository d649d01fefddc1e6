// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	commoncfg "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
	"golang.org/x/net/http/httpguts"

	"github.com/skydive-project/skybridge/aggregator/label"
	"github.com/skydive-project/skybridge/unixsocket"
)

// checkText returns a text as it is used, or what is wrong with it and a remedy. The
// kind of text is the value of the tag is.
func checkText(kind, s string) (text, what, remedy string) {
	refuse := func(bad bool, what, remedy string) (string, string, string) {
		if bad {
			return "", what, remedy
		}
		return s, "", ""
	}
	switch kind {
	case "analyzer":
		return analyzerURL(s, "skydive.basic_auth")
	case "old analyzer": // Skydive takes a port alone as one of this machine
		if validPort(s, 1) {
			s = ":" + s
		}
		if strings.HasPrefix(s, ":") {
			s = "localhost" + s
		}
		return analyzerURL(s, "analyzer.auth.cluster")
	case "receiver":
		_, over := unixsocket.Receiver(s)
		example := httpExample
		if strings.HasPrefix(s, "unix:") {
			example = "write unix:///run/receiver.sock:/api/v1/write"
		}
		_, what, remedy = parseURL(over, example, "basic_auth in this stanza", "http", "https")
		return s, what, remedy
	case "token_url":
		_, what, remedy = parseURL(s, httpExample, "client_id and client_secret", "http", "https")
		return s, what, remedy
	case "listener":
		return listenAddress(s)
	case "old port":
		port, err := strconv.ParseUint(s, 10, 16)
		what = "is " + quoted(s)
		s = ":" + strconv.FormatUint(port, 10)
		return refuse(err != nil || port == 0, what, "write a port from 1 to 65535; for an address use the flag --web.listen-address")
	case "none", "prom_sky_con":
		return refuse(s != kind, "is "+quoted(s)+", it must be "+kind, "skybridge replaces the Prometheus connector only; run other exporters as before")
	case "name":
		return refuse(len(s) > 255 || !printable(s), "is too long or has characters that cannot be printed", "choose a short name")
	case "username": // RFC 7617, section 2
		return refuse(strings.Contains(s, ":") || !printable(s), "has a colon or a control character", "basic authentication cannot carry it; use another account")
	case "capture": // becomes a part of a namespace in a header
		return refuse(s == "" || len(s) > 255 || !printable(s) || strings.ContainsAny(s, " ,/*"), "is no id of a capture", "copy the UUID that `skydive client capture list` shows")
	case "application":
		return refuse(!labelValue(s), "is empty, longer than 256 bytes or cannot be printed", "write Skydive's word, such as DNS or VXLAN")
	case "label":
		return refuse(!slices.Contains(label.All(), s), "is an unknown label: "+quoted(s), "use any of "+strings.Join(label.All(), ", "))
	case "network":
		return refuse(!labelValue(s), "is empty, longer than 256 bytes or cannot be printed", "choose a short name: it becomes the label's value")
	case "header":
		return headerName(s)
	case "header value":
		return refuse(!httpguts.ValidHeaderFieldValue(s), "has a line break or a control character", "remove it")
	case "external label":
		if strings.HasPrefix(s, "__") {
			return "", "begins with __, which is reserved", "choose another name"
		}
		return refuse(!model.UTF8Validation.IsValidLabelName(s) || !printable(s), "is no valid label name", legacyNames)
	case "label value": // Cortex and Mimir take up to 2048 bytes (remote-write.md)
		if s == "" {
			return "", "is empty, which means no label", "write a value, or remove the label"
		}
		if !model.LabelValue(s).IsValid() { // as a variable can be
			return "", "is not valid UTF-8", "write it as UTF-8"
		}
		return refuse(len(s) > 2048, fmt.Sprintf("has %d bytes", len(s)), "write at most 2048; receivers refuse more")
	case "label name":
		return refuse(!model.UTF8Validation.IsValidLabelName(s), "is "+quoted(s)+", which is no label name", legacyNames)
	}
	return s, "", ""
}

const legacyNames = "use letters, digits and _, and begin with a letter or _"

// headerName checks the name of a header that the operator adds (RFC 9110,
// section 5.1); some are the protocol's own.
func headerName(name string) (text, what, remedy string) {
	canonical := http.CanonicalHeaderKey(name)
	_, reserved := commoncfg.ReservedHeaders[canonical]
	switch {
	case canonical == "Authorization":
		return "", "must not be set as a header", "use basic_auth, authorization or oauth2"
	case reserved || canonical == "Retry-Attempt" || canonical == "Transfer-Encoding" || strings.HasPrefix(canonical, "Sec-Websocket-"):
		return "", "is reserved to the protocol", "remove it"
	case !httpguts.ValidHeaderFieldName(name):
		return "", "is no valid name of a header", "use letters, digits and -, and a space after the colon"
	}
	return name, "", ""
}

const httpExample = "write http://host:port/path or https://…"

// printable reports whether s can stand in a header or a label without harm.
func printable(s string) bool {
	return !strings.ContainsFunc(s, func(c rune) bool { return !unicode.IsPrint(c) })
}

// labelValue reports whether s can be the value of a label as it is.
func labelValue(s string) bool {
	return s != "" && len(s) <= label.MaxValueBytes && printable(s) && model.LabelValue(s).IsValid()
}

// severalAnalyzers begins the URL of a name that stands for several analyzers.
var severalAnalyzers = regexp.MustCompile(`^dns(srv)?\+`)

// subscriberPath is where an analyzer serves flows (skydive-feed.md).
const subscriberPath = "/ws/subscriber/flow"

// analyzerURL returns the WebSocket URL of an analyzer that was written as URL or
// as host:port, path filled in; instead says where credentials belong.
func analyzerURL(raw, instead string) (text, what, remedy string) {
	remedy = "write ws://host:8082, or wss:// where the analyzer has TLS"
	raw = strings.TrimSpace(raw)
	if !strings.Contains(raw, "://") {
		if strings.ContainsAny(raw, "@/?#") {
			return "", "is neither a URL nor host:port", remedy
		}
		if host, _, err := net.SplitHostPort(raw); err != nil || host == "" {
			return "", "needs host and port", remedy + "; an IPv6 address stands in [ ]"
		}
		raw = "ws://" + raw
	}
	several := severalAnalyzers.FindString(raw)
	raw = raw[len(several):]
	u, what, remedy := parseURL(raw, remedy, instead, "ws", "wss")
	if what != "" {
		return "", what, remedy
	}
	if strings.Contains(strings.ToLower(u.RawQuery), "auth-token") { // Skydive's
		return "", "contains credentials", "remove them from the URL and use " + instead
	}
	u.Host = strings.ToLower(u.Host)
	if u.Path == "" || u.Path == "/" {
		u.Path, u.RawPath = subscriberPath, ""
	}
	return several + u.String(), "", ""
}

// parseURL parses an absolute URL of one of two schemes, or says what is wrong with it.
// It never quotes one: what did not parse may still contain a password.
func parseURL(raw, byDefault, instead, scheme, secure string) (u *url.URL, what, remedy string) {
	if variableInURL.MatchString(raw) {
		return nil, isVariable, "write the value itself; a $ that is meant is written %24"
	}
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return nil, "is not a valid URL", byDefault
	case u.Scheme == "" || u.Hostname() == "":
		return nil, "has no scheme or no host", byDefault
	case u.Port() != "" && !validPort(u.Port(), 1) || strings.HasSuffix(u.Host, ":"):
		return nil, "has a bad port", "write a port from 1 to 65535 after the host"
	case u.Fragment != "" || strings.Contains(raw, "#"):
		return nil, "has a fragment", "remove # and what follows"
	case u.Scheme != scheme && u.Scheme != secure:
		return nil, "must begin with " + scheme + ":// or " + secure + "://", byDefault
	case u.User != nil:
		return nil, "contains credentials", "remove them from the URL and use " + instead
	}
	return u, "", ""
}

// validPort reports whether s is a port number of at least low.
func validPort(s string, low uint64) bool {
	port, err := strconv.ParseUint(s, 10, 16)
	return err == nil && port >= low
}

// CheckListenAddress reports what is wrong with an address to listen on that stands in a
// flag, by the rules of web.listen_address. The flag's name belongs before the error.
func CheckListenAddress(address string) error {
	if _, what, remedy := listenAddress(address); what != "" {
		return fmt.Errorf("%s: %s", what, remedy)
	}
	return nil
}

// listenAddress checks host:port, where port 0 lets the system choose, or a Unix socket.
func listenAddress(s string) (text, what, remedy string) {
	if path, ok := unixsocket.Address(s); ok {
		if !unixsocket.Valid(path) {
			return "", "is no path of a Unix socket: " + quoted(s), "write an absolute path of at most 107 bytes, such as unix:///run/skybridge/web.sock"
		}
		return s, "", ""
	}
	host, port, err := net.SplitHostPort(s)
	switch {
	case err == nil && validPort(port, 0) && !strings.ContainsAny(host, " /@?#"):
		return s, "", ""
	case validPort(s, 0):
		remedy = `write ":` + s + `"`
	default:
		remedy = `write host:port, or ":9100" for every address of this machine`
	}
	return "", "must be host:port, it is " + quoted(s), remedy
}

// fileName returns the name of a file as it can be opened, and notes it for
// [reader.checkFiles].
func (r *reader) fileName(name, path string) string {
	switch {
	case name == "":
		return ""
	case strings.Contains(name, "${"):
		r.fail(path, "contains ${, and environment variables are not expanded", "write the path; a systemd credential is /run/credentials/<unit>/<name>")
		return ""
	case strings.ContainsRune(name, 0):
		r.fail(path, "has a NUL character", "write the path of a file")
		return ""
	case r.dir != "":
		name = commoncfg.JoinDir(r.dir, name)
	}
	r.files = append(r.files, namedFile{name, path})
	return name
}

// Other programs replace $NAME and ${NAME} by environment variables, so files have
// them. In a URL nothing else can be meant. Elsewhere a $ can be a part of a secret,
// which is not to be guessed about: there ${NAME} counts, and $NAME where it is all.
var (
	variableInURL = regexp.MustCompile(`\$[A-Za-z_{]`)
	variable      = regexp.MustCompile(`\$\{[A-Za-z_]\w*\}|^\$[A-Z_][A-Z0-9_]*$`)
)

const isVariable = "contains a variable, and environment variables are not expanded"

// quoted returns a value of the file for a message, shortened. It must only be
// used where the key cannot hold a secret; what may be a URL with a user part,
// put in the wrong place, is not shown even so.
func quoted(s string) string {
	const most = 60
	if strings.Contains(s, "@") {
		return "something with an @"
	}
	if runes := []rune(s); len(runes) > most {
		s = string(runes[:most]) + "…"
	}
	return fmt.Sprintf("%q", s)
}
