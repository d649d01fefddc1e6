// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"fmt"
	"path/filepath"

	commoncfg "github.com/prometheus/common/config"
	toolkit "github.com/prometheus/exporter-toolkit/web"
	"go.yaml.in/yaml/v3"

	"github.com/skydive-project/skybridge/secrets"
)

// maxConfigFile bounds the size in bytes of exporter-toolkit's web configuration.
const maxConfigFile = 1 << 20

// CheckConfigFile reports what is wrong with the web configuration file of that name,
// which --web.config.file gives; without a name there is none.
func CheckConfigFile(name string) error {
	err := checkRegular(name)
	if err == nil {
		err = toolkit.Validate(name)
	}
	if err != nil {
		return fmt.Errorf("web: read --web.config.file %s: %w", name, err)
	}
	return nil
}

// checkRegular reports a file of the web configuration, itself included, that is
// not a regular one: exporter-toolkit would wait for a pipe. The rest of what can
// be wrong with them is the toolkit's to say.
func checkRegular(configFile string) error {
	if configFile == "" {
		return nil
	}
	data, err := secrets.Read(configFile, maxConfigFile)
	if err != nil {
		return fmt.Errorf("%w: name a regular file", err)
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
		if _, err := secrets.Read(name, secrets.MaxPEM); err != nil {
			return fmt.Errorf("tls_server_config: %s: %w: name a regular file", name, err)
		}
	}
	return nil
}
