// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package credentials

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/prometheus/common/config"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/skydive-project/skybridge/secrets"
)

// grantJWT is the grant type of RFC 7523; any other is client_credentials.
const grantJWT = "urn:ietf:params:oauth:grant-type:jwt-bearer"

// tokens fetches the OAuth2 tokens of one client. One fetch is under way at a
// time, for all requests that wait; it ends after the timeout of an attempt, and
// when the client is closed. What waits can leave earlier.
type tokens struct {
	cfg     *config.OAuth2
	http    *http.Client
	timeout time.Duration
	secrets *secrets.Set

	life    context.Context
	end     context.CancelFunc
	running sync.WaitGroup

	mu         sync.Mutex
	credential string      // the client's secret or key, as read last
	source     tokenSource // for that credential; nil: none yet
	token      *oauth2.Token
	fetching   *fetch // nil: none
}

// tokenSource is the configuration of a grant. Each of its sources begins without
// a token.
type tokenSource interface {
	TokenSource(context.Context) oauth2.TokenSource
}

// fetch is one request for a token.
type fetch struct {
	done  chan struct{} // closed when the rest is there
	token *oauth2.Token
	err   error
}

// newTokens makes the tokens of a client whose attempts take timeout at most.
func newTokens(cfg *config.OAuth2, timeout time.Duration, set *secrets.Set, opts ...config.HTTPClientOption) (*tokens, error) {
	opts = append(slices.Clone(opts), config.WithSecretManager(set), config.WithIdleConnTimeout(10*time.Second))
	transport, err := config.NewRoundTripperFromConfig(
		config.HTTPClientConfig{TLSConfig: secrets.TLS(cfg.TLSConfig), ProxyConfig: cfg.ProxyConfig}, "remote_write_oauth2", opts...)
	if err != nil {
		return nil, fmt.Errorf("oauth2: %w", err)
	}
	t := &tokens{cfg: cfg, timeout: timeout, secrets: set, http: &http.Client{Transport: transport, CheckRedirect: staysAtHome}}
	t.life, t.end = context.WithCancel(context.Background())
	return t, nil
}

// close ends a fetch, and waits for it.
func (t *tokens) close() {
	t.mu.Lock() // none begins after it
	t.end()
	t.mu.Unlock()
	t.running.Wait()
	t.http.CloseIdleConnections()
}

// forget drops the token that is held.
func (t *tokens) forget() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.token = nil
}

// get returns a token that is valid, or an error when ctx ends.
func (t *tokens) get(ctx context.Context) (*oauth2.Token, error) {
	credential, err := t.readCredential(ctx)
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	if t.source == nil || credential != t.credential {
		t.source, t.credential, t.token = t.newSource(credential), credential, nil
	}
	if t.token.Valid() {
		defer t.mu.Unlock()
		return t.token, nil
	}
	f := t.fetching
	if f == nil && t.life.Err() == nil {
		f = &fetch{done: make(chan struct{})}
		t.fetching = f
		source := t.source
		t.running.Go(func() { t.run(f, source, credential) })
	}
	t.mu.Unlock()
	if f == nil {
		return nil, errors.New("oauth2: the endpoint has other settings now")
	}
	select {
	case <-f.done:
		return f.token, f.err
	case <-ctx.Done():
		return nil, t.failed(ctx.Err())
	}
}

// run fetches a token.
func (t *tokens) run(f *fetch, source tokenSource, credential string) {
	ctx, cancel := context.WithTimeout(context.WithValue(t.life, oauth2.HTTPClient, t.http), t.timeout)
	defer cancel()
	token, err := source.TokenSource(ctx).Token()
	if err == nil && token.AccessToken == "" {
		err = errors.New("the answer has no access_token")
	}
	if err != nil {
		f.err = t.failed(errors.Join(ctx.Err(), err))
	} else {
		t.secrets.Add(secrets.Secret{Text: token.AccessToken}, secrets.Secret{Text: token.RefreshToken})
		f.token = token
	}
	t.mu.Lock()
	t.fetching = nil
	if credential == t.credential {
		t.token = f.token
	}
	t.mu.Unlock()
	close(f.done)
}

// failed says why there is no token.
func (t *tokens) failed(err error) error {
	words := fmt.Sprintf("no answer within %v", t.timeout)
	if !errors.Is(err, context.DeadlineExceeded) {
		words = t.secrets.Quote(secrets.WithoutURL(err).Error())
	}
	return fmt.Errorf("oauth2.token_url: no token from %s: %s", secrets.URL(t.cfg.TokenURL), words)
}

// readCredential returns the client's secret or, for grantJWT, its key.
func (t *tokens) readCredential(ctx context.Context) (string, error) {
	if t.cfg.GrantType == grantJWT {
		if t.cfg.ClientCertificateKeyFile == "" {
			return string(t.cfg.ClientCertificateKey), nil
		}
		key, err := t.secrets.Fetch(ctx, t.cfg.ClientCertificateKeyFile)
		if err != nil {
			return "", fmt.Errorf("oauth2.client_certificate_key_file: %w", err)
		}
		return key, nil
	}
	if t.cfg.ClientSecretFile == "" {
		return string(t.cfg.ClientSecret), nil
	}
	secret, err := t.secrets.ReadFile(t.cfg.ClientSecretFile)
	if err != nil {
		return "", fmt.Errorf("oauth2.client_secret_file: %w", err)
	}
	t.secrets.Add(secrets.OfClient(t.cfg.ClientID, secret)...)
	return secret, nil
}

// newSource returns the configured grant, as prometheus/common makes it.
func (t *tokens) newSource(credential string) tokenSource {
	params := url.Values{}
	for name, value := range t.cfg.EndpointParams {
		params.Set(name, value)
	}
	if t.cfg.GrantType != grantJWT {
		return &clientcredentials.Config{
			ClientID: t.cfg.ClientID, ClientSecret: credential, Scopes: t.cfg.Scopes, TokenURL: t.cfg.TokenURL, EndpointParams: params,
		}
	}
	issuer := t.cfg.Iss
	if issuer == "" {
		issuer = t.cfg.ClientID
	}
	algorithm := jwt.SigningMethodRS256
	switch t.cfg.SignatureAlgorithm {
	case jwt.SigningMethodRS384.Name:
		algorithm = jwt.SigningMethodRS384
	case jwt.SigningMethodRS512.Name:
		algorithm = jwt.SigningMethodRS512
	}
	return &config.JwtGrantTypeConfig{
		PrivateKey: []byte(credential), PrivateKeyID: t.cfg.ClientCertificateKeyID, SigningAlgorithm: algorithm,
		Iss: issuer, Subject: t.cfg.ClientID, Audience: t.cfg.Audience, PrivateClaims: t.cfg.Claims,
		Scopes: t.cfg.Scopes, TokenURL: t.cfg.TokenURL, EndpointParams: params,
	}
}
