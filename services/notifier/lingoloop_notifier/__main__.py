"""`python -m lingoloop_notifier`: one notifier in this process."""

import sys

from lingoloop_common import lifecycle, plumbing
from lingoloop_common.http import HttpServer, ops_app
from lingoloop_common.settings import SettingsError, read_settings
from lingoloop_common.tracing import Tracing
from lingoloop_notifier.app import parts
from lingoloop_notifier.settings import NotifierSettings


def main() -> int:
    """Run until SIGTERM; return the exit code."""
    try:
        settings = read_settings(NotifierSettings)
        shared = plumbing.connect(settings)
    except SettingsError as error:
        print(f"notifier: {error}", file=sys.stderr)
        return 1
    own, _ = parts(settings, database=shared.database, broker=shared.broker, relay=shared.relay)
    ops = HttpServer(ops_app("notifier", shared.checks), host=settings.ops_host, port=settings.ops_port)
    return lifecycle.main("notifier", [Tracing("notifier"), *shared.parts, ops, *own])


if __name__ == "__main__":
    sys.exit(main())
