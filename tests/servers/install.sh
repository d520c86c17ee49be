#!/usr/bin/env bash
# What the tests need from the system: PostgreSQL's and RabbitMQ's programs, nginx, a browser, real speech, and clients for Node.
# Installs what is missing where that is possible (root on Debian), and leaves no new service running: the tests start
# private servers.
set -euo pipefail

# The clients for Node, and what the web app is made of, where Node is: their tests are left out without them.
for node in "$(dirname "$0")"/../*/*_node "$(dirname "$0")"/../../web; do
  if command -v npm >/dev/null && [ ! -d "$node/node_modules" ]; then
    # In the folder: with --prefix npm would not read the machine's settings (certificates, proxy), which are looked for there.
    (cd "$node" && npm ci --no-audit --no-fund --no-update-notifier --loglevel error --fetch-retries 0 --fetch-timeout 20000 >/dev/null) || echo "without $(basename "$node"): npm ci failed" >&2
  fi
done

missing=()
compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null || command -v postgres >/dev/null || missing+=(postgresql)
[ -x /usr/lib/rabbitmq/bin/rabbitmq-server ] || command -v rabbitmq-server >/dev/null || missing+=(rabbitmq-server)
[ -x /usr/sbin/nginx ] || command -v nginx >/dev/null || missing+=(nginx)
command -v chromium >/dev/null || missing+=(chromium)
[ -d /usr/share/pocketsphinx/test/data ] || missing+=(pocketsphinx-testdata)
[ ${#missing[@]} -gt 0 ] || exit 0

if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
  echo "The tests need these packages (Debian's names): ${missing[*]}" >&2
  echo "Install them, e.g.: sudo apt-get install --no-install-recommends ${missing[*]}" >&2
  exit 1
fi

# Debian asks this file before it starts a service (101 = do not); an existing one is put back afterwards.
guard=/usr/sbin/policy-rc.d
kept=$(mktemp -d)
[ ! -e "$guard" ] || cp -a "$guard" "$kept/"
restore() {
  rm -f "$guard"
  [ ! -e "$kept/policy-rc.d" ] || cp -a "$kept/policy-rc.d" "$guard"
  rm -rf "$kept"
}
trap restore EXIT
rm -f "$guard"
printf '#!/bin/sh\nexit 101\n' >"$guard"
chmod 755 "$guard"

echo "installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -qq --no-install-recommends "${missing[@]}"

# Nor at the next boot.
for service in "${missing[@]}"; do
  if [[ "$service" =~ ^(postgresql|rabbitmq-server|nginx)$ ]] && command -v systemctl >/dev/null; then
    systemctl --quiet disable "$service" || true
  fi
done
