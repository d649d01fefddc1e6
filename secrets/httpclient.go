// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package secrets

import (
	"net/url"

	"github.com/prometheus/common/config"
)

// OfReceiver returns what is secret of how a receiver is written to: its URL, the
// custom headers and the HTTP client's settings, but for what stands in files. Keys of
// TLS are left out: no peer receives them.
func OfReceiver(rawURL string, headers map[string]string, c *config.HTTPClientConfig) []Secret {
	list := append(OfURL(rawURL), ofProxy(&c.ProxyConfig)...)
	list = append(list, Secret{Text: string(c.BearerToken)})
	for name, value := range headers {
		list = append(list, Named(name, value))
	}
	if b := c.BasicAuth; b != nil {
		list = append(list, Basic(b.Username, string(b.Password))...)
	}
	if a := c.Authorization; a != nil {
		list = append(list, Secret{Text: string(a.Credentials)})
	}
	if o := c.OAuth2; o != nil {
		list = append(list, ofProxy(&o.ProxyConfig)...)
		list = append(list, OfURL(o.TokenURL)...)
		list = append(list, OfClient(o.ClientID, string(o.ClientSecret))...)
		for name, value := range o.EndpointParams {
			list = append(list, Named(name, value))
		}
	}
	if h := c.HTTPHeaders; h != nil {
		for name, header := range h.Headers {
			for _, value := range header.Values {
				list = append(list, Named(name, value))
			}
			for _, value := range header.Secrets {
				list = append(list, Secret{Text: string(value)})
			}
		}
	}
	return list
}

// OfClient returns what is secret of an OAuth2 client (RFC 6749, section 2.3.1).
func OfClient(id, secret string) []Secret {
	return append(Basic(url.QueryEscape(id), url.QueryEscape(secret)), Secret{Text: secret})
}

func ofProxy(c *config.ProxyConfig) []Secret {
	var list []Secret
	if c.ProxyURL.URL != nil {
		list = OfURL(c.ProxyURL.String())
	}
	for _, values := range c.ProxyConnectHeader {
		for _, value := range values {
			list = append(list, Secret{Text: string(value)})
		}
	}
	return list
}
