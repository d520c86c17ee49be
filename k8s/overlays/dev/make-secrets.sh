#!/bin/sh
# Makes secrets.env for this overlay, once.
set -eu
cd "$(dirname "$0")"
[ ! -e secrets.env ] || { echo "secrets.env is there already; remove it to make another" >&2; exit 1; }
umask 077
database=$(openssl rand -hex 24)
broker=$(openssl rand -hex 24)
cat >secrets.env <<EOF
POSTGRES_PASSWORD=$database
RABBITMQ_DEFAULT_PASS=$broker
DATABASE_URL=postgresql://lingoloop:$database@postgres:5432/lingoloop
BROKER_URL=amqp://lingoloop:$broker@rabbitmq:5672/
AUTH_JWT_SECRET=$(openssl rand -hex 32)
EOF
