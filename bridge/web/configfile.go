// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"fmt"
	"io"
	"path/filepath"

	commoncfg "github.com/prometheus/common/config"
	"go.yaml.in/yaml/v3"

	"github.com/skydive-project/skybridge/secrets"
)

// maxConfigFile bounds the size in bytes of exporter-toolkit's web configuration.
const maxConfigFile = 1 << 20

// checkRegular reports a file of the web configuration, itself included, that is
// not a regular one: exporter-toolkit would wait for a pipe. The rest of what can
// be wrong with them is the toolkit's to say.
func checkRegular(configFile string) error {
	if configFile == "" {
		return nil
	}
	f, err := secrets.Open(configFile)
	if err != nil {
		return fmt.Errorf("%w: name a regular file", err)
	}
	defer f.Close() // opened for reading: nothing to lose
	data, err := io.ReadAll(io.LimitReader(f, maxConfigFile+1))
	if err == nil && len(data) > maxConfigFile {
		err = fmt.Errorf("is larger than %d KiB", maxConfigFile>>10)
	}
	if err != nil {
		return err
	}
	var config struct {
		TLS struct {
			Cert    string `yaml:"cert_file"`
			Key     string `yaml:"key_file"`
			Clients string `yaml:"client_ca_file"`
		} `yaml:"tls_server_config"`
	}
	if yaml.Unmarshal(data, &config) != nil {
		return nil
	}
	for _, name := range []string{config.TLS.Cert, config.TLS.Key, config.TLS.Clients} {
		if name == "" {
			continue
		}
		name = commoncfg.JoinDir(filepath.Dir(configFile), name)
		named, err := secrets.Open(name)
		if err != nil {
			return fmt.Errorf("tls_server_config: %s: %w: name a regular file", name, err)
		}
		_ = named.Close() // opened for reading: nothing to lose
	}
	return nil
}
