#!/usr/bin/env bash
# Installs what is missing and says what it does. On a system that is not
# Debian or Ubuntu, or without root, it names what is missing and the command.
#   setup.sh run|test|claude
set -euo pipefail
cd "$(dirname "$0")/.."
what=${1:-run}
claude_version=2.1.331

say() { printf '\033[1m%s\033[0m\n' "$*"; }

# Pairs of a program and the Debian package that has it.
needed=(runc:runc mkfs.ext4:e2fsprogs losetup:mount git:git gcc:build-essential)
if [ "$what" = test ]; then
  [ -n "${CHROMIUM:-}" ] || needed+=(chromium:chromium)
  [ -n "${FIREFOX:-}" ] || needed+=(firefox-esr:firefox-esr)
fi

missing=()
for pair in "${needed[@]}"; do
  PATH=$PATH:/usr/sbin:/sbin command -v "${pair%%:*}" >/dev/null || missing+=("${pair##*:}")
done
# The letters that the views are drawn with.
if [ "$what" = test ]; then
  fonts=$(fc-list 2>/dev/null || true)
  [[ $fonts == *NotoSansCJK* ]] || missing+=(fonts-noto-cjk fontconfig)
  [[ $fonts == *DejaVuSansMono* ]] || missing+=(fonts-dejavu-core)
fi

if [ "$what" != claude ] && [ ${#missing[@]} -gt 0 ]; then
  if command -v apt-get >/dev/null && { [ "$(id -u)" = 0 ] || command -v sudo >/dev/null; }; then
    as_root=(); [ "$(id -u)" = 0 ] || as_root=(sudo)
    say "Installing Debian packages: ${missing[*]}"
    "${as_root[@]}" apt-get update -qq
    DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
  else
    echo "Missing on this system: ${missing[*]} (names of Debian packages)." >&2
    echo "On Debian or Ubuntu: apt-get install ${missing[*]}. Elsewhere install the same programs with your package manager." >&2
    exit 1
  fi
fi

for program in go node npm; do
  command -v $program >/dev/null || { echo "Missing: $program. Install Go 1.26 or later and Node 20 or later, with npm." >&2; exit 1; }
done

case "$(uname -m)" in
  x86_64) platform=linux-x64 ;;
  aarch64) platform=linux-arm64 ;;
  *) echo "The Claude CLI is not made for $(uname -m)." >&2; exit 1 ;;
esac
[[ $(ldd --version 2>&1) != *musl* ]] || platform+=-musl
package=@anthropic-ai/claude-code-$platform
cli=.cache/claude/node_modules/$package/claude
if [ -n "${CARREL_CLAUDE_PATH:-}" ]; then
  say "Using the Claude CLI at $CARREL_CLAUDE_PATH"
elif [ ! -x "$cli" ] || ! grep -q "\"version\": *\"$claude_version\"" "$(dirname "$cli")/package.json"; then
  say "Installing the Claude CLI $claude_version (185 MB) under .cache/claude"
  mkdir -p .cache/claude
  [ -f .cache/claude/package.json ] || echo '{"private":true}' > .cache/claude/package.json
  npm install --prefix .cache/claude --no-audit --no-fund --save-exact "$package@$claude_version" >/dev/null
fi
