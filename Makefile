# One profile and one selection of packages for everything, so that nothing is built twice.
CARGO_BUILD := cargo build --locked --workspace --all-targets
ARGS ?=

.PHONY: help run test lint cfn-lint redis sam-validate sam-build clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: ## build and run the whole pipeline on this machine (ARGS="--port 9000" …); Ctrl-C ends it
	@cargo build --locked -p inklog-cli --bin inklog
	@exec target/debug/inklog dev $(ARGS)

test: redis cfn-lint ## everything that must hold
	$(CARGO_BUILD)
	cargo test --locked --workspace

lint: ## rustfmt and clippy, warnings denied
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings

cfn-lint: .venv/cfn-lint ## cfn-lint on the template
	.venv/bin/cfn-lint template.yaml

redis: # the tests start their own redis-server
	@command -v redis-server >/dev/null || { \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends redis-server; \
	  else echo "The tests need redis-server: install it, for example with: sudo apt-get install redis-server" >&2; exit 1; fi; }

sam-validate: .venv/sam ## sam validate --lint
	PATH="$(CURDIR)/.venv/bin:$$PATH" sam validate --lint

sam-build: .venv/sam ## sam build (needs a Rust target for the architecture)
	PATH="$(CURDIR)/.venv/bin:$$PATH" sam build --beta-features

clean: ## remove what was built
	cargo clean
	rm -rf .venv .aws-sam

.venv/cfn-lint: tools/requirements.txt
	python3 -m venv .venv
	.venv/bin/pip install --quiet -r $<
	@touch $@

.venv/sam: tools/requirements-sam.txt tools/requirements.txt
	python3 -m venv .venv
	.venv/bin/pip install --quiet -r tools/requirements.txt -r $<
	@touch $@
