// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"errors"
	"fmt"
	"net"
	"syscall"

	"github.com/coreos/go-systemd/v22/activation"

	"github.com/skydive-project/skybridge/unixsocket"
)

// Listen checks the web configuration file and listens on every address, or takes the
// sockets that systemd passed. From then on clients can connect; they are answered when
// [Server.Run] runs. It is called once, before Run. After an error nothing listens.
func (s *Server) Listen() error {
	if err := CheckConfigFile(s.opts.ConfigFile); err != nil {
		return err
	}
	if s.opts.SystemdSocket {
		return s.takeSystemdSockets()
	}
	for _, address := range s.opts.ListenAddresses {
		l, err := listen(address)
		if err != nil {
			s.Close()
			s.listeners = nil
			return listenError(address, err)
		}
		s.listeners = append(s.listeners, l)
	}
	return nil
}

func listen(address string) (net.Listener, error) {
	if path, ok := unixsocket.Address(address); ok {
		return unixsocket.Listen(path)
	}
	if address == "" { // which would be a port of the system's choice
		return nil, errors.New("it is empty")
	}
	return net.Listen("tcp", address)
}

// Close ends the listeners, which [Server.Run] does as well.
func (s *Server) Close() {
	for _, l := range s.listeners {
		_ = l.Close() // it may be closed
	}
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

// listenError says what an operator can do about an address that cannot be had. It
// wraps err.
func listenError(address string, err error) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		what, whose := "port", ""
		if _, ok := unixsocket.Address(address); ok {
			what = "socket"
		} else if _, port, _ := net.SplitHostPort(address); port == sharedPort {
			whose = " (" + sharedPort + ", the default here, is also node_exporter's)"
		}
		return fmt.Errorf("web: listen on %q: the %s is in use by another process or listener%s: "+
			"choose another with web.listen_address or --web.listen-address: %w", address, what, whose, err)
	}
	return fmt.Errorf("web: listen on %q (web.listen_address or --web.listen-address): %w", address, err)
}

// Addresses returns where it listens, with the port that was chosen where 0 was asked for;
// nothing before [Server.Listen].
func (s *Server) Addresses() []string {
	var all []string
	for _, l := range s.listeners {
		address := l.Addr().String()
		if l.Addr().Network() == "unix" {
			address = "unix://" + address
		}
		all = append(all, address)
	}
	return all
}
