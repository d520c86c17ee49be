#!/usr/bin/env bash
# `ops/env.sh [FILE]`: give docker-compose.yml its secrets, in .env, which only its owner can read. What is there already stays as it is.
set -euo pipefail
umask 077
file=${1:-$(dirname "$0")/../.env}
touch "$file"
chmod 600 "$file"

for name in POSTGRES_PASSWORD RABBITMQ_PASSWORD AUTH_JWT_SECRET GRAFANA_PASSWORD GRAFANA_DB_PASSWORD; do
  if ! grep -q "^$name=." "$file"; then
    # 256 bits, in letters that need no quoting in an address.
    secret=$(head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n')
    printf '%s=%s\n' "$name" "$secret" >>"$file"
    echo "made $name"
  fi
done
