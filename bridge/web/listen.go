// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"

	"github.com/coreos/go-systemd/v22/activation"
	commoncfg "github.com/prometheus/common/config"
	toolkit "github.com/prometheus/exporter-toolkit/web"
	"go.yaml.in/yaml/v3"
)

// Listen checks the web configuration file and opens the port, or takes the
// sockets that systemd passed. From then on clients can connect; they are
// answered when [Server.Run] runs. It is called once, before Run.
func (s *Server) Listen() error {
	if err := checkConfigFile(s.opts.ConfigFile); err != nil {
		return fmt.Errorf("web: read --web.config.file %s: %w", s.opts.ConfigFile, err)
	}
	if s.opts.SystemdSocket {
		return s.takeSystemdSockets()
	}
	l, err := net.Listen("tcp", s.opts.ListenAddress)
	if err != nil {
		return listenError(s.opts.ListenAddress, err)
	}
	s.listeners = []net.Listener{l}
	return nil
}

// maxConfigFile bounds the listener's configuration file, and each file that it
// names, in bytes.
const maxConfigFile = 1 << 20

// checkConfigFile checks the listener's configuration. The toolkit reads it, and
// what it names, to their ends, at each request: so all of them are regular files.
func checkConfigFile(name string) error {
	if name == "" {
		return nil
	}
	if err := checkRegular(name); err != nil {
		return err
	}
	content, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	var c struct {
		TLS struct {
			Cert     string `yaml:"cert_file"`
			Key      string `yaml:"key_file"`
			ClientCA string `yaml:"client_ca_file"`
		} `yaml:"tls_server_config"`
	}
	// What cannot be parsed names no files; the toolkit says what is wrong with it.
	_ = yaml.Unmarshal(content, &c)
	for _, file := range []string{c.TLS.Cert, c.TLS.Key, c.TLS.ClientCA} {
		if file == "" {
			continue
		}
		if err := checkRegular(commoncfg.JoinDir(filepath.Dir(name), file)); err != nil {
			return fmt.Errorf("tls_server_config: %s: %w", file, err)
		}
	}
	return toolkit.Validate(name)
}

func checkRegular(file string) error {
	info, err := os.Stat(file)
	switch {
	case err != nil:
		return err
	case !info.Mode().IsRegular() || info.Size() > maxConfigFile:
		return fmt.Errorf("it is no regular file of at most %d KiB", maxConfigFile>>10)
	}
	return nil
}

func (s *Server) takeSystemdSockets() error {
	passed, err := activation.Listeners()
	if err != nil {
		return fmt.Errorf("web: take systemd's sockets: %w", err)
	}
	for _, l := range passed {
		if l != nil { // nil: a descriptor that is no stream socket
			s.listeners = append(s.listeners, l)
		}
	}
	if len(s.listeners) == 0 {
		return errors.New("web: --web.systemd-socket is set, but systemd passed no stream socket: " +
			"start the service through its .socket unit, or drop the flag")
	}
	return nil
}

// sharedPort is the default port, the old connector's, which node_exporter has
// too: on many machines it is taken by that.
const sharedPort = "9100"

// listenError says what an operator can do about a port that cannot be had. It
// wraps err.
func listenError(address string, err error) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		whose := ""
		if _, port, _ := net.SplitHostPort(address); port == sharedPort {
			whose = " (" + sharedPort + ", the default here, is also node_exporter's)"
		}
		return fmt.Errorf("web: listen on %q: the port is in use by another process%s: "+
			"choose another with web.listen_address or --web.listen-address: %w", address, whose, err)
	}
	return fmt.Errorf("web: listen on %q (web.listen_address or --web.listen-address): %w", address, err)
}

// Addr returns the address of the first listener, with the port that was
// chosen where 0 was asked for; empty before [Server.Listen].
func (s *Server) Addr() string {
	if len(s.listeners) == 0 {
		return ""
	}
	return s.listeners[0].Addr().String()
}
