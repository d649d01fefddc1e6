// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"errors"
	"fmt"
	"net"
	"syscall"

	"github.com/coreos/go-systemd/v22/activation"
)

// Listen checks the web configuration file and opens the port, or takes the
// sockets that systemd passed. From then on clients can connect; they are
// answered when [Server.Run] runs. It is called once, before Run.
func (s *Server) Listen() error {
	if err := CheckConfigFile(s.opts.ConfigFile); err != nil {
		return err
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
