#!/usr/bin/env bash
# `sbom.sh FOLDER`: a bill of materials (CycloneDX) of each image's Python packages and a host's, from what is pinned, and of
# the web app's. What the base image brings stands in the base image's own.
set -euo pipefail
mkdir -p "$1"
folder=$(realpath "$1")
cd "$(dirname "$0")/../.."

for lock in gateway notifier transcriber model cuda lingoloop; do
  .venv-ops/bin/cyclonedx-py requirements --output-reproducible -o "$folder/$lock.json" "ops/images/$lock.lock"
done
.venv-ops/bin/cyclonedx-py requirements --output-reproducible -o "$folder/host.json" ops/systemd/install.lock
if command -v npm >/dev/null; then
  # What is pinned, not what is installed; tools that only build it are marked `cdx:npm:package:development`.
  npm --prefix web sbom --package-lock-only --sbom-format cyclonedx --sbom-type application >"$folder/web.json"
else
  echo "without web.json: npm is missing" >&2
fi
