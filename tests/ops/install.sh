#!/usr/bin/env bash
# What the tests of the operators' files need from the system, besides what tests/servers/install.sh brings.
# Installs what is missing where that is possible (root on Debian).
set -euo pipefail

missing=()
command -v prometheus >/dev/null || missing+=(prometheus)
command -v amtool >/dev/null || missing+=(prometheus-alertmanager)
command -v debootstrap >/dev/null || missing+=(debootstrap)
command -v systemd-nspawn >/dev/null || missing+=(systemd-container)
command -v logrotate >/dev/null || missing+=(logrotate)
command -v buildah >/dev/null || missing+=(buildah)
[ ${#missing[@]} -gt 0 ] || exit 0

if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
  echo "The tests need these packages (Debian's names): ${missing[*]}" >&2
  echo "Install them, e.g.: sudo apt-get install --no-install-recommends ${missing[*]}" >&2
  exit 1
fi

echo "installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -qq --no-install-recommends "${missing[@]}"

# The tests start servers of their own; those of the packages need not run.
for service in "${missing[@]}"; do
  if [[ "$service" == prometheus* ]] && command -v systemctl >/dev/null; then
    systemctl --quiet disable --now "$service" || true
  fi
done
