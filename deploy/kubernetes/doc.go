// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

// Package kubernetes holds manifests, and the tests that read them into the types of
// the Kubernetes API. It is a module of its own, so that those types stay out of the
// product's dependencies.
package kubernetes
