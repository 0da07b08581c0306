#!/usr/bin/env bash
# Runs every test of the workspace, on a private RabbitMQ and PostgreSQL (tests/servers.sh).
#
#   tests/run.sh [ARGS...]     ARGS go to cargo nextest when it is installed, else to cargo test
#
# Ends with the exit code of the tests.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
# shellcheck source=tests/servers.sh
. tests/servers.sh

finish() {
    local status=$1
    if [ "$status" = 0 ]; then
        echo "tests: PASSED in ${SECONDS} s"
    else
        echo "tests: FAILED (exit code $status) after ${SECONDS} s"
    fi
    exit "$status"
}

if ! command -v cargo >/dev/null; then
    echo "tests: cargo is missing: install Rust (https://rustup.rs)" >&2
    finish 69
fi

# The end-to-end tests run the binaries as separate processes.
# With the tests, so that what both need is compiled once.
cargo build --workspace --all-features --bins --tests || finish $?
if cargo nextest --version >/dev/null 2>&1; then
    runner=(cargo nextest run --workspace --all-features)
else
    runner=(cargo test --workspace --all-features)
fi
# Compiled before the servers start, which have better things to do than to wait.
"${runner[@]}" --no-run || finish $?

trap servers_stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
servers_start || finish $?
# A test that needs a server fails without it, instead of being skipped.
export RELAIS_REQUIRE_SERVERS=1
"${runner[@]}" "$@"
finish $?
