#!/usr/bin/env bash
# Copyright The skybridge Authors
# SPDX-License-Identifier: Apache-2.0
#
# build.sh DIR: builds the packages of the checked-out commit into DIR. The same commit and
# Go version give the same bytes: they contain no path, host name, build time or branch.
set -euo pipefail
out=$(mkdir -p "$1" && cd "$1" && pwd)
cd "$(dirname "$0")/../.."

export LC_ALL=C TZ=UTC CGO_ENABLED=0 GOFLAGS=-buildvcs=false GOWORK=off
umask 022
# The user that builds need not own the checkout.
git() { command git -c safe.directory='*' "$@"; }
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
commit=${COMMIT:-$(git rev-parse HEAD)}
# A release has its tag's version. Anything else sorts before every release, by time.
VERSION=${VERSION:-$(git describe --tags --exact-match --match 'v[0-9]*' 2>/dev/null || true)}
VERSION=${VERSION#v}
VERSION=${VERSION:-0.0.0~git$(date -d "@$SOURCE_DATE_EPOCH" +%Y%m%d%H%M%S).${commit:0:12}}
export SOURCE_DATE_EPOCH VERSION
GO=${GO:-go}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/files"
build() { # ARCH FILE
  GOARCH=$1 "$GO" build -trimpath -ldflags "-s -w \
    -X github.com/prometheus/common/version.Version=$VERSION \
    -X github.com/prometheus/common/version.Revision=$commit" -o "$2" ./cmd/skybridge
}
native=$("$GO" env GOHOSTARCH)
build "$native" "$work/native"
"$GO" -C tools/packages build -o "$work/nfpm" github.com/goreleaser/nfpm/v2/cmd/nfpm

cp deploy/systemd/skybridge.{service,socket,sysusers} LICENSE CHANGELOG.md \
  deploy/prometheus/{scrape,skybridge-alerts,skybridge-recording}.yml deploy/grafana/{bridge,traffic}.json \
  deploy/packages/{nfpm.yaml,skybridge.yml,skybridge.default,deb.*,rpm.*} "$work/files"
gzip -9nc deploy/packages/skybridge.1 >"$work/files/skybridge.1.gz"
"$work/native" --completion-script-bash >"$work/files/skybridge.bash"
"$work/native" --completion-script-zsh >"$work/files/_skybridge"

cd "$work/files"
for ARCH in ${ARCHS:-amd64 arm64}; do
  export ARCH
  if [ "$ARCH" = "$native" ]; then
    cp "$work/native" skybridge
  else
    (cd "$OLDPWD" && build "$ARCH" "$work/files/skybridge")
  fi
  touch -d "@$SOURCE_DATE_EPOCH" ./*
  for packager in deb rpm; do
    "$work/nfpm" package --config nfpm.yaml --packager "$packager" --target "$out"
  done
done
