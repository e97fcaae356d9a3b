# Carrel. A bare `make` lists the targets. A laptop and CI call the same ones.
SHELL := /bin/bash
.DEFAULT_GOAL := help
GO ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X main.version=$(VERSION)
BIN := bin/carrel

help: ## List the targets
	@awk 'BEGIN{FS=":.*## "} /^[a-z-]+:.*## /{printf "  %-14s %s\n",$$1,$$2}' $(MAKEFILE_LIST)

run: setup build ## Install what is missing, build, and start Carrel on http://127.0.0.1:8420
	$(BIN) serve

test: setup-test build ## Install what is missing, and run every test there is
	scripts/test.sh

test-faults: setup-test build ## Break something in each of ROUNDS rounds and show that nothing is lost; SEED repeats a run
	CARREL_BIN=$(CURDIR)/$(BIN) $(GO) test -timeout 6h -v -run TestFaults ./e2e/faults -rounds $(or $(ROUNDS),300) -seed $(or $(SEED),0)

setup: ## Install what Carrel needs on this machine (packages, Claude CLI)
	@scripts/setup.sh run

setup-test: ## Install what the tests need as well (two browsers)
	@scripts/setup.sh test

claude: ## Install the pinned Claude CLI under .cache/
	@scripts/setup.sh claude

build: web go ## Build bin/carrel with the page in it

go: ## Build bin/carrel without building the page again
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o internal/inside/bin/carrel-inside ./cmd/carrel-inside
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN) ./cmd/carrel

web: ## Build the page, when its sources are newer than it
	@scripts/web.sh

demo: build ## Walk through what Carrel does, on the real system
	$(BIN) demo

bench: build ## Measure Carrel beside the raw CLI, in one run
	$(GO) run ./bench

bench-load: build ## Measure many people at once: clients, real CLIs, adoption, history, density
	$(GO) run ./bench -load $(BENCH)

lint: ## Run the linter (compiles it the first time)
	$(GO) run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.12.1 run

stop: ## End the Carrel of ./carrel-data, with all its instances
	$(BIN) stop

clean: ## Remove what was built; data stays
	rm -rf bin build web/dist internal/webui/dist/assets internal/webui/dist/index.html

.PHONY: help run test test-faults setup setup-test claude build go web demo bench bench-load lint stop clean
