# skybridge: `make help` lists what can be made.

export CGO_ENABLED ?= 0

GO      ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null)
LDFLAGS := -s -w \
	-X github.com/prometheus/common/version.Version=$(VERSION) \
	-X github.com/prometheus/common/version.Revision=$(shell git rev-parse HEAD 2>/dev/null)
TOOL    := $(GO) tool -modfile=tools/go.mod

.PHONY: help run build packages test chaos test-real lint vuln bench bench-report profile report-binary fuzz

help: ## List the targets.
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

run: ## Run a demo world: a Skydive feed, the bridge as shipped, a Prometheus. FLAGS="--help" lists its flags.
	@$(GO) build -o bin/skybridge-demo ./cmd/skybridge-demo
	@exec bin/skybridge-demo $(FLAGS)

build: ## Build the static binary bin/skybridge.
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/skybridge ./cmd/skybridge

packages: ## Build .deb and .rpm packages for amd64 and arm64 in dist/.
	GO=$(GO) deploy/packages/build.sh dist

# int has 32 bits on 386 and arm, where constants and sizes may not fit. What is right on
# one is on the other, and vetting all takes minutes: arm's is of what is shipped.
test: ## Run the tests that need Go alone.
	$(GO) vet ./...
	GOARCH=386 $(GO) vet ./...
	GOARCH=386 $(GO) build -o /dev/null ./cmd/skybridge
	GOARCH=arm $(GO) build -o /dev/null ./cmd/skybridge
	GOARCH=arm $(GO) vet ./aggregator/... ./bridge/config ./bridge/notify ./bridge/skydive/... ./bridge/web/... ./credentials ./disk ./input ./logging ./meter ./progress ./replica ./secrets
	$(GO) test ./...
	$(GO) vet -C benchmarks ./...
	$(GO) test -C benchmarks ./...
	$(GO) vet -C deploy/kubernetes ./...
	$(GO) test -C deploy/kubernetes ./...

# The tests in internal/chaos say how a seed is run again.
chaos: ## Break bridge, analyzers and receivers in random order for CHAOS_DURATION (default 5m).
	CHAOS_DURATION=$${CHAOS_DURATION:-5m} $(GO) test -count=1 -v -timeout 0 -run 'Chaos|PowerLoss|Crash' ./internal/chaos

# What needs parts of Debian: gcc for the race detector, prometheus, victoria-metrics, haproxy, nginx
# and chromium; systemd, dpkg, rpm, man and root for what is installed. A part that is
# missing is a failure. Pictures of the status page are left in bin/pictures.
test-real: ## Run the tests that need Debian's parts.
	CGO_ENABLED=1 $(GO) test -race -timeout 20m ./...
	$(GO) test -tags real -timeout 10m ./internal/real/... ./deploy/...
	$(GO) test -C benchmarks -tags real -run EveryRow/push ./cmd/report
	mkdir -p bin/pictures
	$(GO) test -tags real -timeout 10m -run Browser -artifacts -outputdir=$(CURDIR)/bin/pictures ./bridge/web
	$(GO) test -tags real -timeout 30m -run 'TestOutages?(AtScale|OnALittleDisk|WithOneChange)' ./bridge

lint: ## Check the style of the code.
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -l $$(git ls-files '*.go'); echo 'lint: gofmt these files'; exit 1; }
	$(GO) mod tidy -diff
	$(TOOL) golangci-lint run ./...
	cd benchmarks && $(GO) mod tidy -diff && $(GO) tool -modfile=../tools/go.mod golangci-lint run ./...

# Needs the vulnerability database (vuln.go.dev), so it is not in .ci/run.
vuln: ## Look for known vulnerabilities in what the commands really call.
	$(TOOL) govulncheck ./cmd/...

bench: ## Run the benchmarks, ready for benchstat.
	$(GO) test -run '^$$' -bench . -benchmem -count $${COUNT:-6} ./aggregator/... ./remotewrite/... ./bridge/skydive/... ./bridge/web/...

# docs/reference/sizing.md says what is measured, and how long it takes.
REPORT  := bin/skybridge-report -skybridge=bin/skybridge
bench-report: report-binary ## Print the table of bars. FLAGS="-quick", "-rows=ingest,push", "--help"; OUT=docs/reference/sizing.md keeps it.
	@$(REPORT) $(FLAGS) > bin/report.md || { cat bin/report.md; exit 1; }
	@cat bin/report.md
	@[ -z "$(OUT)" ] || sed -i -e '/<!-- bench-report begins/,/<!-- bench-report ends/{//!d}' -e '/<!-- bench-report begins/r bin/report.md' $(OUT)

PROFILED ?= aggregator remotewrite bridge/skydive/decode bridge/web
profile: ## Write CPU and heap profiles of the benchmarks of PROFILED to bin/profiles and print the top of them. BENCH=Tick: these alone.
	@mkdir -p bin/profiles
	@for package in $(PROFILED); do \
	  name=bin/profiles/$$(basename $$package); \
	  $(GO) test -run '^$$' -bench "$${BENCH:-.}" -o $$name.test -cpuprofile $$name.cpu.pprof -memprofile $$name.heap.pprof ./$$package || exit 1; \
	  $(GO) tool pprof -top -cum -nodecount=50 $$name.cpu.pprof || exit 1; \
	done

# The comparison programs have a module of their own: nothing of them is in the product.
report-binary: build
	@$(GO) build -C benchmarks -trimpath -o ../bin/skybridge-report ./cmd/report

fuzz: ## Fuzz every decoder for FUZZTIME (default 30s) each.
	@for package in $$($(GO) list ./...); do \
	  for target in $$($(GO) test -list '^Fuzz' $$package | grep '^Fuzz'); do \
	    $(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $${FUZZTIME:-30s} $$package || exit 1; \
	  done; \
	done
