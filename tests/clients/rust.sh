#!/usr/bin/env bash
# clients/examples/rust.
. "$(dirname "$0")/harness.sh"
need cargo cc protoc
stage rust
cargo --version

cargo build --locked --quiet
cargo test --locked --quiet
check_client target/debug/specula-example
