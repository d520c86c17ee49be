#!/usr/bin/env bash
# `rabbitmq4.sh FOLDER`: put Debian's newest RabbitMQ (4.x), with the system that it needs, into FOLDER, and print the program that starts
# it, for LINGOLOOP_TEST_RABBITMQ. Needs root, debootstrap, and rights to mount. 500 MB, a minute.
set -euo pipefail
root=$(realpath "$1")
program=$root/usr/local/bin/rabbitmq-server

if [ ! -x "$program" ]; then
  {
    debootstrap --variant=minbase sid "$root"
    # Debian asks this file before it starts a service (101 = do not).
    printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
    chmod 755 "$root/usr/sbin/policy-rc.d"
    DEBIAN_FRONTEND=noninteractive chroot "$root" apt-get install --yes --no-install-recommends rabbitmq-server
    cp /etc/hosts "$root/etc/hosts"
  } >&2
  # What becomes the broker itself: its process id is the one that was started.
  cat >"$program" <<END
#!/bin/sh
exec unshare --mount sh -ec 'for folder in /proc /dev /sys /tmp; do mount --rbind \$folder $root\$folder; done
exec chroot $root /usr/lib/rabbitmq/bin/rabbitmq-server'
END
  chmod 755 "$program"
fi
echo "$program"
