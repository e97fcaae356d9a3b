#!/usr/bin/env bash
# Runs every test there is. Nothing is skipped: what cannot run here says why
# and fails.
set -uo pipefail
cd "$(dirname "$0")/.."
failed=()
passed=0
printed=$(mktemp -d)
trap 'rm -rf "$printed"' EXIT
step() { # name, command…
  local name=$1 start=$SECONDS
  shift
  printf '\n\033[1m== %s\033[0m\n' "$name"
  if "$@" 2>&1 | tee "$printed/$name"; then passed=$((passed + 1)); echo "-- $name: passed in $((SECONDS - start)) s"
  else failed+=("$name"); echo "-- $name: FAILED after $((SECONDS - start)) s"; fi
}

export CARREL_BIN=$PWD/bin/carrel
[ "$(id -u)" = 0 ] || { echo "The sandbox tests need root: containers with limits cannot be made otherwise. Run: sudo make test" >&2; exit 1; }

step "formatting" bash -c 'test -z "$(gofmt -l cmd internal bench e2e 2>/dev/null | tee /dev/stderr)"'
step "go vet" go vet ./...
# The page's types come from the API as it is.
bin/carrel openapi > web/src/api/openapi.json || exit 1
step "page: types, lint, unit tests" bash -c 'cd web && npm run --silent check'
step "go test -race" go test -race -shuffle=on -timeout 15m $(go list ./... | grep -v /e2e)
step "end to end: real CLI, real sandbox, real browser" go test -timeout 20m -v ./e2e/...
step "demo" bin/carrel demo

echo
# Once more at the end, in short: above it is among thousands of lines.
for name in "${failed[@]}"; do echo "FAILED: $name"; awk -f scripts/failures.awk "$printed/$name" | head -40; done
echo "$passed passed, ${#failed[@]} failed"
[ ${#failed[@]} -eq 0 ]
