#!/usr/bin/env bash
# Regenerates every file that is made from another one and fails when one was not up to date: the
# JSON Schemas of the messages, and the rendered Kubernetes manifests (where kubectl is present).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

generated=(contracts/schemas)
cargo run --quiet --locked -p contracts --example schemas
if command -v kubectl >/dev/null; then
    k8s/render.sh
    generated+=(k8s/rendered k8s/overlays/dev/postgres-init.sh)
else
    echo "generated: kubectl is missing, manifests not checked" >&2
fi

status=0
git diff --exit-code -- "${generated[@]}" || status=1
new=$(git ls-files --others --exclude-standard -- "${generated[@]}")
if [ -n "$new" ]; then
    printf 'generated: not committed:\n%s\n' "$new" >&2
    status=1
fi
if [ "$status" != 0 ]; then
    echo "generated: files changed: commit what this script has just made" >&2
fi
exit "$status"
