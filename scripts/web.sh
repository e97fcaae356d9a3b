#!/usr/bin/env bash
# Builds the page into internal/webui/dist when one of its sources, or the API
# that its types come from, is newer than it.
set -euo pipefail
cd "$(dirname "$0")/.."
out=internal/webui/dist
sources=(web/src web/messages web/public web/index.html web/package.json web/package-lock.json web/vite.config.ts web/worker-build.ts web/tsconfig.json internal/api)
if [ -f "$out/index.html" ] && [ -z "$(find "${sources[@]}" -newer "$out/index.html" -type f \
  -not -path web/src/i18n/paraglide/\* -not -path web/src/api/openapi.json -not -path web/src/api/schema.d.ts -not -name \*_test.go -print -quit)" ]; then
  exit 0
fi
if [ ! -f web/node_modules/.package-lock.json ] || [ web/package-lock.json -nt web/node_modules/.package-lock.json ]; then
  echo "Installing the page's npm packages"
  (cd web && npm ci --no-audit --no-fund >/dev/null)
fi
echo "Building the page"
go run ./cmd/carrel openapi > web/src/api/openapi.json
(cd web && npm run --silent generate >/dev/null && npm run --silent build)
find "$out" -mindepth 1 -not -name .gitkeep -delete
cp -r web/dist/. "$out/"
touch "$out/index.html"
