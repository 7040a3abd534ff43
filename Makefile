# Trade Monitor. `make help` lists what there is.
#
# Tools are run by `go run tool@version`, so that everyone has the same ones and
# nothing needs to be installed beside Go.

SHELL       := /bin/bash
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
BINARY      := bin/trade-monitor
SMALL       := -trimpath -ldflags "-s -w"

.DEFAULT_GOAL := help

.PHONY: help
help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: build ## build and start the service (settings: .env)
	./$(BINARY)

# No cgo: the binary is static, and a C compiler is only needed for the tests.
.PHONY: build
build: ## build bin/trade-monitor
	CGO_ENABLED=0 go build $(SMALL) -o $(BINARY) ./local

# The tests talk to real engines outside the process, which the test cache does
# not see: -count=1 keeps a pass of yesterday from standing for one of today.
# The race detector needs cgo. vet has its own step, so `go test` leaves it out.
# The tag is for the tests that build the image: they take minutes, and a plain
# `go test ./local` is without them.
.PHONY: test
test: setup check ## run all tests on real parts (as root on Debian it installs them)
	CGO_ENABLED=1 go test -race -count=1 -vet=off -tags image -p 2 -timeout 24m ./...

.PHONY: test-image
test-image: setup ## of the tests, only the image, docker-compose, the README's and the guide's commands
	CGO_ENABLED=1 go test -race -count=1 -vet=off -tags image -timeout 24m -run TestTheImage -v ./local

# The short forms of the same tests are part of `make test`. No race detector: it
# would be a part of what is measured. What the program prints is kept in build/.
.PHONY: watches
watches: setup ## the long proofs of the watches; minutes
	@mkdir -p build
	@set -o pipefail; TRADE_MONITOR_PROOF=long go test -count=1 -vet=off -timeout 60m -run '^TestWatch' -v ./local | tee build/watches.log; status=$$?; \
	printf '\nfigures\n'; sed -n 's/^ *[a-z_]*_test.go:[0-9]*: figures: /  /p' build/watches.log; exit $$status

.PHONY: storm
storm: setup build ## the long proof of storms: 10,000 alerts within 10 s, a robot in trouble, deliveries a second; 10 min
	@mkdir -p build
	@set -o pipefail; TRADE_MONITOR_PROOF=long go test -count=1 -vet=off -timeout 30m -run '^TestAStorm|^TestTheAuditor|^TestARobotInTrouble$$' -v ./local | tee build/storm.log; status=$$?; \
	printf '\nfigures\n'; sed -n 's/^ *[a-z_]*_test.go:[0-9]*: figures: /  /p' build/storm.log; exit $$status
	go run ./local/bench -parts delivery

.PHONY: watches-clock
watches-clock: setup ## the log watch while the clock of this machine is set (as root, and alone)
	go test -count=1 -vet=off -tags clock -timeout 10m -run '^TestWatchAClockThatIsSet' -v ./local

# Both keep their tables in docs/faults.md, between the markers.
.PHONY: faults
faults: setup ## the scoreboard: what goes wrong, and how often it was restarted; 10 min
	@mkdir -p build
	@set -o pipefail; TRADE_MONITOR_PROOF=long go test -count=1 -vet=off -timeout 30m -run '^TestFaults$$|^TestFaultUnhealthyAgain$$|^TestFaultLatency$$' -v ./local | tee build/faults.log; status=$$?; \
	printf '\nfigures\n'; sed -n 's/^ *[a-z_]*_test.go:[0-9]*: figures: /  /p' build/faults.log; exit $$status

.PHONY: kills
kills: setup ## our own kill -9 at 200 random instants around a restart; 5 min
	@mkdir -p build
	@set -o pipefail; TRADE_MONITOR_PROOF=long go test -count=1 -vet=off -timeout 30m -run '^TestFaultKills$$' -v ./local | tee build/kills.log; status=$$?; \
	printf '\nfigures\n'; sed -n 's/^ *[a-z_]*_test.go:[0-9]*: figures: /  /p' build/kills.log; exit $$status

.PHONY: faults-clock
faults-clock: setup ## a restart while the clock of this machine is set (as root, and alone)
	go test -count=1 -vet=off -tags clock -timeout 10m -run '^TestFaultsTheMachinesClockIsSet$$' -v ./local

# The tests themselves replay what is kept in testdata/fuzz. Go's cache of what
# fuzzing found to be of interest is outside the project: it is kept from there.
.PHONY: fuzz
fuzz: ## fuzz the cutting of messages for 10 min, their rendering for 1 min each; keeps the corpus
	go test ./shared/wecom -run '^$$' -fuzz '^FuzzCut$$' -fuzztime $(or $(FUZZTIME),10m) -fuzzminimizetime 100x
	for f in FuzzRender FuzzText FuzzDigest FuzzMention; do go test ./shared/wecom -run '^$$' -fuzz "^$$f$$" -fuzztime 1m -fuzzminimizetime 100x || exit 1; done
	mkdir -p shared/wecom/testdata/fuzz && cp -r "$$(go env GOCACHE)"/fuzz/trade-monitor/shared/wecom/Fuzz* shared/wecom/testdata/fuzz/

.PHONY: setup
setup:
	@scripts/test-setup.sh

.PHONY: demo
demo: setup ## show three failures being noticed, told and healed (needs Docker)
	go run ./local/demo

.PHONY: bench
bench: build ## measure against a bare net/http server
	go run ./local/bench

# check is what both test and lint begin with.
.PHONY: check
check:
	@unformatted=$$(gofmt -l .) || exit 1; \
	if [ -n "$$unformatted" ]; then printf 'not formatted, run make fmt:\n%s\n' "$$unformatted" >&2; exit 1; fi
	go vet -tags image ./...

.PHONY: lint
lint: check ## gofmt, go vet and staticcheck (exceptions: staticcheck.conf)
	go run $(STATICCHECK) -tags image ./...

.PHONY: fmt
fmt: ## format all Go files
	gofmt -w .

# --- AWS Lambda -------------------------------------------------------------
# `sam build` calls build-<LogicalId> with ARTIFACTS_DIR set (BuildMethod:
# makefile); without it the same binaries go to build/<LogicalId>/bootstrap.

FUNCTIONS := NotifyFunction AlertsFunction HandleFunction DeliverFunction

build-NotifyFunction:  FUNCTION := notify
build-AlertsFunction:  FUNCTION := alerts
build-HandleFunction:  FUNCTION := handle
build-DeliverFunction: FUNCTION := deliver

.PHONY: $(FUNCTIONS:%=build-%)
$(FUNCTIONS:%=build-%): build-%:
	GOOS=linux GOARCH=arm64 CGO_ENABLED=0 go build -tags lambda.norpc $(SMALL) \
		-o "$(or $(ARTIFACTS_DIR),build/$*)/bootstrap" ./functions/$(FUNCTION)/lambda

.PHONY: lambda
lambda: $(FUNCTIONS:%=build-%) ## build the four functions for AWS Lambda

# --- Image --------------------------------------------------------------------
# Where Docker Hub or Go's proxy is out of reach, name others:
#   make image BASE=<registry>/golang:1.26-bookworm GOPROXY=https://goproxy.cn,direct
# PLATFORM=linux/arm64 builds for another machine (BuildKit and QEMU do that).

IMAGE    ?= trade-monitor
VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unversioned)
ARCHIVE   = build/trade-monitor-$(VERSION)-$(or $(subst /,-,$(PLATFORM)),linux-$(shell docker version -f '{{.Server.Arch}}')).tar.gz

.PHONY: image
image: ## build the image (BASE, GOPROXY, VERSION, PLATFORM)
	docker build $(if $(PLATFORM),--platform $(PLATFORM)) $(if $(BASE),--build-arg BASE=$(BASE)) $(if $(GOPROXY),--build-arg GOPROXY=$(GOPROXY)) \
		--build-arg VERSION=$(VERSION) $(BUILD_FLAGS) -t $(IMAGE):$(VERSION) -t $(IMAGE):latest .

.PHONY: release
release: image ## the image as an archive for `docker load`, with its checksum
	@mkdir -p build
	set -o pipefail; docker save $(IMAGE):$(VERSION) | gzip -n > $(ARCHIVE)
	cd build && sha256sum $(notdir $(ARCHIVE)) > $(notdir $(ARCHIVE)).sha256
	@echo $(ARCHIVE)
