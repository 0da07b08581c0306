#!/usr/bin/env bash
# Renders the dev overlay into k8s/rendered/dev.yaml, which is committed: what a change of the base
# does to every service is then seen in review. tests/generated.sh checks that it is up to date.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

# kustomize reads nothing above its own folder, so the overlay has a copy.
install -m 755 ../docker/postgres-init.sh overlays/dev/postgres-init.sh
mkdir -p rendered
rendered=$(kubectl kustomize overlays/dev)
{
    echo "# Made by k8s/render.sh from overlays/dev: not edited by hand."
    printf '%s\n' "$rendered"
} >rendered/dev.yaml
