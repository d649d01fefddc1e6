// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

// Package config turns a configuration file into a validated [Config].
//
// Two formats are read and told apart by the top-level key pipeline, which
// only the second has: skybridge's own, and prom_sky_con.yml, the file of the
// Skydive-Prometheus connector that skybridge replaces, exactly as its users
// have it. [Convert] makes the first of the second.
//
// # Errors
//
// All errors of a file are reported at once as an [*Errors], each with its
// line, what is wrong, and what to do. What skybridge accepts though it may
// not be what the writer meant is a [Warning].
//
// # Secrets
//
// A secret never appears in an error, a warning, a [Summary], or in what fmt,
// slog or encoding/json make of the types here. To that end messages quote a
// value only where its key cannot hold a secret, never a URL that has a user
// part, and never the words of the YAML decoder where those can quote the file.
//
// # Files
//
// Names of files (password_file, ca_file, …) are relative to the folder of the
// configuration file. Environment variables are not expanded, not even
// ${CREDENTIALS_DIRECTORY}: a systemd credential is named by its path, which is
// /run/credentials/<unit>/<name>. [Load] checks that each file exists and can
// be read, so that check-config finds a missing secret before a restart does;
// [Parse] and [Convert] do not touch the file system. A file under
// /run/credentials that does not exist is only a warning, for it does so only
// while systemd runs the unit, and check-config is also run beside it.
//
// # Choices
//
// An analyzer may be written as host:port, as Skydive's own files do; it
// becomes ws://host:port/ws/subscriber/flow. Sizes are powers of 1024, as
// Prometheus reads them: 1KB and 1KiB are both 1024 bytes. An empty value
// (key without anything after the colon) leaves the default in force. YAML
// anchors, aliases and merge keys work; other tags than !!str do not. A file
// is at most 1 MiB and one document.
package config
