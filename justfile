# Every recipe is one command of cargo or one script that also runs without `just`; .ci/run calls
# the same ones.

# Lists the recipes.
default:
    @just --list --unsorted

# Shows the whole programme with 100 fictive doctors, in one process.
[group('run')]
demo *args:
    cargo run --release -- demo {{ args }}

# Runs the services for real, in one process (see docs/guides/operator.md).
[group('run')]
run *args:
    cargo run --release -- run {{ args }}

# Starts RabbitMQ, PostgreSQL and the six services in containers.
[group('run')]
up *args:
    docker compose -f docker/compose.yaml up --build {{ args }}

# Stops them; their data stays.
[group('run')]
down *args:
    docker compose -f docker/compose.yaml down {{ args }}

# Measures beside the raw broker: hop, latency, relay, footprint, growth, pipeline, diff, tout.
[group('check')]
bench *args:
    cargo run --release -p bench -- {{ args }}

# Everything that a change must pass.
[group('check')]
ci:
    ./.ci/run

# Runs every test, on a private RabbitMQ and PostgreSQL.
[group('check')]
test *args:
    ./tests/run.sh {{ args }}

# Runs the tests of one crate; those that need a server skip it.
[group('check')]
test-crate crate *args:
    cargo test --all-features -p {{ crate }} {{ args }}

# Gives any bytes to what reads from outside until something breaks (`just fuzz rdv-agenda-sync
# webhook -- -max_total_time=60`); needs cargo-fuzz (`cargo install cargo-fuzz`). The stable compiler
# has what it needs, sanitizer included, behind RUSTC_BOOTSTRAP.
[group('check')]
fuzz service='rpps-flux' target='lignes' *args:
    RUSTC_BOOTSTRAP=1 cargo fuzz run --fuzz-dir services/{{ service }}/fuzz {{ target }} {{ args }}

# Checks the format and the lints, as CI does.
[group('check')]
lint:
    cargo fmt --all --check
    cargo clippy --locked --workspace --all-targets --all-features -- -D warnings

# Checks licences, advisories and unwanted crates; needs cargo-deny.
[group('check')]
deny:
    cargo deny --locked --all-features check

# Regenerates schemas and manifests, and says whether they had changed.
[group('check')]
generated:
    ./tests/generated.sh

# Formats the sources.
[group('change')]
fmt:
    cargo fmt --all

# Renders the Kubernetes manifests of the dev overlay.
[group('change')]
render:
    ./k8s/render.sh

# Builds the image of one service.
[group('ship')]
image service:
    docker build -f docker/Dockerfile --build-arg SERVICE={{ service }} -t relais/{{ service }} .
