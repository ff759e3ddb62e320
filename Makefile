# One profile for everything, and features that do not depend on the selection of packages, so that
# nothing is built twice.
CARGO_BUILD := cargo build --locked --workspace --all-targets
ARGS ?=
TRACES ?= ../shared/traces

# The web packages. Only they need Node.
NPM := npm --prefix web
NODE_NEEDED := Node 20.19 or newer, with npm
EDITOR := web/editor/dist/index.html
WEB_SOURCES := $(shell find web \( -name node_modules -o -name dist \) -prune -o -type f -print)
HAS_NODE = command -v npm >/dev/null && \
  node -e 'const [major, minor] = process.versions.node.split("."); process.exit(major * 100 + +minor < 2019 ? 1 : 0)'
# A machine without Node gets one from PyPI; on one with an old Node, the old one comes first and a message says so.
export PATH := $(PATH):$(CURDIR)/.venv/bin

# $(call install,COMMAND,PACKAGE): what the tests start themselves.
install = command -v $(1) >/dev/null || { \
  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(2); \
  else echo "The tests need $(1). Install it, for example with: sudo apt-get install $(2)" >&2; exit 1; fi; }

# Built once, beside the project's own crates.
CARGO_DENY := target/tools/bin/cargo-deny

# What the functions are built for, and with what.
ARCH ?= $(patsubst aarch64,arm64,$(shell uname -m))
RUST_TARGET = $(patsubst arm64,aarch64,$(ARCH))-unknown-linux-gnu
SAM := SAM_CLI_TELEMETRY=0 PATH="$(CURDIR)/.venv/bin:$$PATH" sam

.PHONY: help run inklog editor editor-if-possible test planted torture coverage fuzz soak web-test browser-test node redis chromium lint bench deny audit cfn-lint sam-validate sam-build clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: ## build and run the whole pipeline on this machine (ARGS="--port 9000" …); Ctrl-C stops it
	@$(MAKE) --no-print-directory -j2 inklog editor-if-possible
	@exec target/debug/inklog dev $(ARGS)

inklog:
	@[ -x target/debug/inklog ] || echo "The first build takes some minutes, mostly for the AWS SDK." \
	  "Cargo counts the crates below; the editor is built meanwhile."
	@cargo build --locked -p inklog-cli --bin inklog

editor-if-possible:
	@if $(HAS_NODE); then $(MAKE) --no-print-directory editor \
	  || echo "The editor could not be built: continuing with the last build, if there is one." >&2; \
	else echo "The editor needs $(NODE_NEEDED): continuing without it." >&2; fi

editor: $(EDITOR) ## build the browser editor, if its sources have changed

test: node redis cfn-lint ## every test
	$(CARGO_BUILD)
	@$(MAKE) --no-print-directory web-test
	cargo test --locked --workspace
	@$(MAKE) --no-print-directory browser-test

soak: ## simulate more seeds, each once (SEEDS=100000 FROM=1)
	cargo test --locked -p inklog-sim --test sim -- --seeds $(or $(SEEDS),100000) --from $(or $(FROM),1) --once $(ARGS)

fuzz: ## every decoder, given what nobody wrote, for SECONDS=60 each (SEED=n: other inputs)
	INKLOG_FUZZ_SECONDS=$(or $(SECONDS),60) INKLOG_SEED=$(or $(SEED),1) \
	  cargo test --locked -p inklog-tests --test fuzz -- targets limits --nocapture

torture: redis ## real faults on the real stack, round after round (ROUNDS=50 SEED=n); as root also of the disk
	INKLOG_ROUNDS=$(or $(ROUNDS),50) $(if $(SEED),INKLOG_SEED=$(SEED)) cargo test --locked -p inklog-tests --test torture

planted: ## plant each bug of crdt/src/planted.rs, and see the simulation find it (ARGS="--bug NAME" for one)
	cargo test --locked -p inklog-sim --features planted --test sim -- $(or $(ARGS),--bugs)

web-test: node web/node_modules/.package-lock.json ## types, unit tests and size limit of the web packages
	@cargo build --locked -p inklog-cli --bin inklog
	$(NPM) run build
	$(NPM) run typecheck
	$(NPM) test
	$(NPM) run size

browser-test: node chromium web/node_modules/.package-lock.json ## the editor in a headless browser on the real stack
	@cargo build --locked -p inklog-cli --bin inklog
	CHROMIUM="$$(command -v chromium)" $(NPM) run e2e

lint: ## rustfmt and clippy, warnings denied
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	cargo fmt --manifest-path bench/Cargo.toml --check
	cargo update --quiet --workspace --locked --manifest-path bench/Cargo.toml

bench: node web/node_modules/.package-lock.json ## compare Inklog with its peers (TRACES=folder of editing-traces; ARGS=--quick: a smoke test)
	@mkdir -p target
	cargo build --locked --release --manifest-path bench/Cargo.toml
	bench/target/release/inklog-bench $(TRACES) --json target/bench.json $(if $(ARGS),$(ARGS),--chart bench/chart.svg)
	$(NPM) run build -w @inklog/client
	npm --prefix bench/e2e ci
	cargo build --locked -p inklog-cli --bin inklog
	node bench/e2e/run.mjs --inklog target/debug/inklog --json target/bench.json $(ARGS)

coverage: ## what of the pipeline the simulator reaches (ARGS="--seeds 5000"; needs LLVM's tools, and says which)
	tools/coverage/measure.sh $(ARGS)

deny: $(CARGO_DENY) ## licences, bans and sources of every crate (deny.toml)
	$(CARGO_DENY) --locked check licenses bans sources

audit: $(CARGO_DENY) node ## known vulnerabilities of crates and npm packages; needs the advisory databases
	$(CARGO_DENY) --locked check advisories
	$(NPM) audit --omit=dev

$(CARGO_DENY):
	cargo install --quiet --locked --debug --root target/tools cargo-deny@0.20.2

cfn-lint: .venv/cfn-lint ## cfn-lint on the template
	.venv/bin/cfn-lint template.yaml

node: # the web packages' tests run in it
	@command -v node >/dev/null || $(MAKE) --no-print-directory .venv/node
	@$(HAS_NODE) || { echo "The tests of the web packages need $(NODE_NEEDED)." >&2; exit 1; }

redis: # the tests start their own redis-server
	@$(call install,redis-server,redis-server)

chromium: # the tests start their own browser
	@$(call install,chromium,chromium)

sam-validate: .venv/sam ## sam validate --lint
	$(SAM) validate --lint

sam-build: .venv/sam ## sam build (ARCH=arm64 or x86_64; default: this machine's)
	@[ -d "$$(rustc --print target-libdir --target $(RUST_TARGET))" ] || { \
	  echo "Rust cannot build for $(ARCH) here. Run: rustup target add $(RUST_TARGET)" >&2; exit 1; }
	$(SAM) build --beta-features --parameter-overrides Architecture=$(ARCH)
	@for function in $$(awk '/^  [A-Za-z]+:$$/ {name = $$1} /Type: AWS::Serverless::Function$$/ {print name}' template.yaml); do \
	  [ -x ".aws-sam/build/$${function%:}/bootstrap" ] || { echo "$$function: no bootstrap was built" >&2; exit 1; }; done

clean: ## remove what was built
	cargo clean
	rm -rf .venv .aws-sam web/node_modules web/*/dist

$(EDITOR): web/node_modules/.package-lock.json $(WEB_SOURCES)
	$(NPM) run build
	@touch $@

web/node_modules/.package-lock.json: web/package-lock.json
	$(NPM) ci
	@touch $@

.venv/cfn-lint: tools/requirements.txt
.venv/node: tools/requirements-node.txt
.venv/sam: tools/requirements.txt tools/requirements-sam.txt
.venv/cfn-lint .venv/node .venv/sam:
	python3 -m venv .venv
	.venv/bin/pip install --quiet $(addprefix -r ,$^)
	@touch $@
