#!/usr/bin/env bash
# Builds the page into internal/webui/dist when a source is newer than it.
set -euo pipefail
cd "$(dirname "$0")/.."
out=internal/webui/dist/index.html
if [ -f "$out" ] && [ -z "$(find web internal/api -newer "$out" -type f -not -path '*/node_modules/*' -not -path 'web/dist/*' -not -name openapi.json -not -name schema.d.ts -print -quit)" ]; then
  exit 0
fi
if [ ! -f web/node_modules/.package-lock.json ] || [ web/package-lock.json -nt web/node_modules/.package-lock.json ]; then
  echo "Installing the page's npm packages"
  (cd web && npm ci --no-audit --no-fund)
fi
echo "Building the page"
go run ./cmd/carrel openapi > web/src/api/openapi.json
(cd web && npm run generate && npm run build)
touch "$out"
