// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

// Package config turns a configuration file into a validated [Config].
//
// Two formats are read and told apart by the top-level key pipeline, which
// only the second has: skybridge's own, and prom_sky_con.yml, the file of the
// Skydive-Prometheus connector that skybridge replaces, exactly as its users
// have it. [Convert] makes the first of the second.
//
// The keys of the first are the fields of [Config]: what concerns a key stands in the
// tags of its field. All errors of a file are reported at once as an [*Errors], each
// with its line, what is wrong, and what to do. What is accepted though it may not be
// what was meant is a [Warning].
//
// A secret never appears in an error, a warning, a summary, or in what fmt, slog or
// encoding/json make of the types here. To that end messages quote a value only where
// its key cannot hold a secret, never a URL that has a user part, and never the words
// of the YAML decoder where those can quote the file.
//
// Names of files (password_file, ca_file, …) are relative to the folder of the
// configuration file. Environment variables are not expanded, not even
// ${CREDENTIALS_DIRECTORY}: a systemd credential is named by its path, which is
// /run/credentials/<unit>/<name>. [Load] checks that each file exists and can be read;
// [Convert] does not touch the file system.
//
// An empty value (key without anything after the colon) leaves the default in force.
// YAML anchors, aliases and merge keys work; other tags than !!str do not. A file is at
// most 1 MiB and one document.
package config
