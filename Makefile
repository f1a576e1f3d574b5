# aksess: `make help` lists what there is.

GO       ?= go
BIN      := bin
VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
COMMIT   ?= $(shell git rev-parse --short HEAD 2>/dev/null)
LDFLAGS  := -s -w -X main.version=$(VERSION) -X main.commit=$(COMMIT)
BUILD    := CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)'
PLATFORMS := linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64

.DEFAULT_GOAL := help
.PHONY: help build images push-images demo test clients e2e e2e-node e2e-terraform e2e-az bench check generate cross clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build aksess, aksess-webhook, aksess-proxy and the sample application into bin/
	$(BUILD) -o $(BIN)/aksess ./cmd/aksess
	$(BUILD) -o $(BIN)/aksess-webhook ./cmd/aksess-webhook
	$(BUILD) -tags nethttpomithttp2 -o $(BIN)/aksess-proxy ./cmd/aksess-proxy
	cd examples/widemo/wi-api && $(BUILD) -o ../../../$(BIN)/wi-api .

images: ## build the container images for amd64 and arm64, with bills of materials, into bin/images
	cd tools/images && $(GO) run . build -o $(CURDIR)/$(BIN)/images -version $(VERSION) -commit "$(COMMIT)"

push-images: images ## push them: make push-images REGISTRY=registry.example/aksess
	cd tools/images && $(GO) run . push -from $(CURDIR)/$(BIN)/images "$(REGISTRY)"

demo: ## build, then watch the whole chain work and be broken six ways
	@$(MAKE) --no-print-directory -s build
	@$(BIN)/aksess demo

test: build ## everything but the Kubernetes, Terraform and client tiers, with the race detector
	$(GO) test -race ./...
	cd examples/widemo/wi-api && $(GO) test -race ./...
	cd tools && $(GO) vet ./...
	cd tools/images && $(GO) test -race ./...
	cd test/helm && $(GO) test -count=1 . ./render # the cache does not see the chart, which is outside the module
	AKSESS_BIN=$(CURDIR)/$(BIN) sh test/sdk/run

clients: build ## the same reads, writes and managed identities with Python's and Java's newest SDKs
	AKSESS_BIN=$(CURDIR)/$(BIN) sh test/clients/run

e2e: build ## a real API server, etcd and controller-manager with the scenario's manifests, the chart's and cert-manager
	cd tools/operators && $(GO) build -o $(CURDIR)/$(BIN)/operators/ ./controller ./cainjector
	KUBE_BIN_DIR="$$(tools/kubernetes/build)" && export KUBE_BIN_DIR && \
	$(GO) test -count=1 ./internal/cluster/... ./internal/app && \
	(cd test/helm && AKSESS_BIN=$(CURDIR)/$(BIN) $(GO) test -count=1 ./server) && \
	cd test/e2e && AKSESS_BIN=$(CURDIR)/$(BIN) $(GO) test -count=1 -timeout 20m ./...

e2e-node: build ## real pods on a real kubelet: chart, webhook, proxy and the scenario (Linux, root)
	AKSESS_BIN=$(CURDIR)/$(BIN) test/node/run

e2e-terraform: build ## the real Terraform and azurerm provider apply, change, import and destroy the scenario
	TERRAFORM_BIN_DIR="$$(tools/terraform/build)" && KUBE_BIN_DIR="$$(tools/kubernetes/build)" && AZ_BIN_DIR="$$(tools/az/build -newest)" && \
	export TERRAFORM_BIN_DIR KUBE_BIN_DIR AZ_BIN_DIR && \
	cd test/terraform && AKSESS_BIN=$(CURDIR)/$(BIN) $(GO) test -count=1 -parallel 8 -timeout 40m ./...

e2e-az: build ## the Azure command line, the newest and Debian's, against a local Azure
	AZ_BIN_DIR="$$(tools/az/build)" && export AZ_BIN_DIR && cd test/az && AKSESS_BIN=$(CURDIR)/$(BIN) $(GO) test -count=1 -timeout 30m ./...

bench: build ## the side-by-side measurements of bench/README.md
	KUBE_BIN_DIR="$$(tools/kubernetes/build -n)" && export KUBE_BIN_DIR && \
	cd bench && AKSESS_BIN=$(CURDIR)/$(BIN) $(GO) run .

check: ## vet, staticcheck, govulncheck, gofmt, tidy modules
	sh tools/check

generate: ## remake generated files, deploy/manifests among them
	$(GO) generate ./...
	cd test/helm && $(GO) run ./render write

cross: ## build aksess for every platform that it is released for, and what runs in clusters for Linux's
	@for p in $(PLATFORMS); do echo $$p; \
	case $$p in linux/*) programs=./cmd/... ;; *) programs=./cmd/aksess ;; esac; \
	GOOS=$${p%/*} GOARCH=$${p#*/} $(BUILD) -o /dev/null $$programs || exit 1; done

clean: ## remove what was built
	rm -rf $(BIN)
