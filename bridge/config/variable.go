// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package config

import "regexp"

// Other programs replace $NAME and ${NAME} by environment variables, so files have
// them. In a URL nothing else can be meant. Elsewhere a $ can be a part of a secret,
// which is not to be guessed about: there ${NAME} counts, and $NAME where it is all.
var (
	variableInURL = regexp.MustCompile(`\$[A-Za-z_{]`)
	variable      = regexp.MustCompile(`\$\{[A-Za-z_]\w*\}|^\$[A-Z_][A-Z0-9_]*$`)
)

// noVariable warns of a value that looks like an environment variable.
func (r *reader) noVariable(value string, line int, path string) {
	if variable.MatchString(value) {
		r.warn(line, path+" contains a variable: environment variables are not expanded, it is taken as it is")
	}
}
