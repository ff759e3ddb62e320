#!/bin/sh
# Cargo's RUSTC_WORKSPACE_WRAPPER: compiles this workspace's crates, and no others, with counters.
# Branches are counted by an option that stable Rust hides.
RUSTC_BOOTSTRAP=1 exec "$@" -C instrument-coverage -Z coverage-options=branch
