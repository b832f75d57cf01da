#!/usr/bin/env bash
# clients/examples/rust.
. "$(dirname "$0")/harness.sh"
need cargo cc protoc
stage rust
cargo --version
wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
printf '%s\n' "$wanted" "$(cargo --version | cut -d ' ' -f 2)" | sort -CV || skip "cargo is older than $wanted"
obtain cargo fetch --locked --quiet

cargo build --locked --quiet
cargo test --locked --quiet
check_client target/debug/specula-example
