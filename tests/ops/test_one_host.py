"""The steps of `one-host.md`, typed into a bare Debian under systemd; then what the units promise."""

from pathlib import Path

import pytest

from tests.guide.walk import walk
from tests.ops.host import Host, missing

pytestmark = [
    pytest.mark.ops,
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(missing() is not None, reason=str(missing())),
]

BEFORE_BOOT = 2
"""Steps that need the network, and no service."""

PROMISES = r"""
upload() { curl -sS --cacert /etc/lingoloop/tls/fullchain.pem --resolve "$NAME:443:127.0.0.1" "$@"; }
state() { systemctl show --value -p "$2" "lingoloop-$1"; }
becomes() {
  for second in $(seq 120); do [ "$(state "$1" ActiveState)" != "$2" ] || return 0; sleep 1; done
  echo "$1 is $(state "$1" ActiveState), not $2"; return 1
}

echo "= a slot that is killed is replaced, and the service goes on"
main=$(state transcriber@9465 MainPID)
for slot in $(cat "/proc/$main/task/$main/children"); do kill -9 "$slot"; done
run=$(upload -H "Authorization: Bearer $KEY" -F file=@examples/talk.ogg -F force=1 "https://$NAME/api/audios" |
  sed -E 's/.*"runId":"([^"]+)".*/\1/')
upload -N "https://$NAME/api/runs/$run/events?access_token=$KEY" > frames.txt
grep -o '"event":"done"' frames.txt
upload -o words.txt "https://$NAME/api/runs/$run/export?fmt=txt&access_token=$KEY"
[ "$(state transcriber@9465 MainPID)" = "$main" ]
echo "words again: $(wc -w < words.txt)"

echo "= an account without rights, and only folders of its own"
mine=/proc/$main
grep -E '^(Uid|CapEff|CapBnd|NoNewPrivs|Seccomp):' "$mine/status"
nsenter -t "$main" -m -S "$(id -u lingoloop)" -G "$(id -g lingoloop)" sh -c '
  touch /var/lib/lingoloop/blobs/mine && rm /var/lib/lingoloop/blobs/mine
  for place in /etc /opt/lingoloop /var /usr; do ! touch "$place/theirs" 2>/dev/null || exit 1; done
  ! cat /etc/lingoloop.env 2>/dev/null'
[ "$(stat -c %U:%a /var/lib/lingoloop-dumps)" = lingoloop:700 ]

echo "= the token of a stream and of an export is in no log"
grep -c "/api/runs/$run/events" /var/log/nginx/lingoloop.log
! grep -r -e "$KEY" -e access_token /var/log/nginx
! journalctl -o cat | grep -e "$KEY"

echo "= a stop drains and ends with 0; the target stops and starts them all"
systemctl stop lingoloop-transcriber@9465
echo "$(state transcriber@9465 Result) $(state transcriber@9465 ExecMainStatus)"
systemctl stop lingoloop.target
for unit in gateway notifier; do becomes $unit inactive; [ "$(state $unit ExecMainStatus)" = 0 ]; done
systemctl start lingoloop.target
for unit in gateway notifier transcriber@9465; do becomes $unit active; done

echo "= wrong settings give up, instead of trying for ever"
cp /etc/lingoloop.env kept.env
sed -i 's/^AUTH_JWT_SECRET=.*/AUTH_JWT_SECRET=short/' /etc/lingoloop.env
systemctl restart lingoloop-gateway
becomes gateway failed
echo "gave up after $(state gateway NRestarts)"
cp kept.env /etc/lingoloop.env
systemctl reset-failed lingoloop-gateway
systemctl start lingoloop-gateway

echo "= logs in files, and turned over while they are written"
install -D -m 644 ops/systemd/log-to-files.conf /etc/systemd/system/lingoloop-.service.d/20-log-to-files.conf
install -m 644 ops/systemd/logrotate.conf /etc/logrotate.d/lingoloop
mkdir /var/log/lingoloop
systemctl daemon-reload
systemctl restart lingoloop.target
for second in $(seq 60); do grep -q '"ready"' /var/log/lingoloop/lingoloop-gateway.log && break; sleep 1; done
logrotate -f /etc/logrotate.d/lingoloop
upload -o /dev/null -H "Authorization: Bearer $KEY" "https://$NAME/api/runs"
grep -c '"path": "/api/runs"' /var/log/lingoloop/lingoloop-gateway.log
ls -l /var/log/lingoloop

echo "= the one-process mode instead"
rm /etc/systemd/system/lingoloop-.service.d/20-log-to-files.conf
systemctl daemon-reload
systemctl start lingoloop-up
becomes gateway inactive
for second in $(seq 120); do journalctl -u lingoloop-up -o cat | grep -q '^ready http' && break; sleep 1; done
journalctl -u lingoloop-up -o cat | grep '^ready http'
systemctl stop lingoloop-up
echo "$(state up Result) $(state up ExecMainStatus)"
"""


def test_a_bare_machine_becomes_one_that_transcribes(tmp_path: Path) -> None:
    blocks = [block.code for block in walk("operations/one-host.md")]
    host = Host(tmp_path)
    host.make()
    host.install("\n".join(blocks[:BEFORE_BOOT]))
    said = host.boot("\n".join(blocks[BEFORE_BOOT:]) + PROMISES)
    print(said)
    assert int(said.partition("words again: ")[2].split()[0]) > 100
    assert "CapEff:\t0000000000000000\nCapBnd:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t2\n" in said
    assert '"event":"done"' in said
    assert said.count("success 0") == 2
    assert "gave up after " in said
