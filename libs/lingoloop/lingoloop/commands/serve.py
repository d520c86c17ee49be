"""`up`, and the services one by one: `gateway`, `transcriber`, `notifier`; `migrate` before them."""

import asyncio
import os
import secrets
import signal
import sys
from typing import Annotated

import typer

from lingoloop.command import EXIT_DONE, EXIT_WRONG_USE, Data, data_folder, fail, run
from lingoloop.folder import DataFolder
from lingoloop.server import LOCAL, SCOPE
from lingoloop_common.lifecycle import exit_code
from lingoloop_common.store.migrate import migrate_at
from lingoloop_gateway.sign_in import SignInLink


def up(
    port: Annotated[int, typer.Option(help="Where to listen; 0 takes a free port.")] = 3002, data: Data = None
) -> None:
    """Run everything in this process: services, slots, and a PostgreSQL of its own.

    Example: lingoloop up --port 3002
    """
    run(_up(data_folder(data), port))


async def _up(folder: DataFolder, port: int) -> int:
    from lingoloop.one_process import Options, one_process  # noqa: PLC0415  (all services, which other commands need not wait for)

    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    code = secrets.token_urlsafe(32)
    link = SignInLink(code, owner=LOCAL, scope=SCOPE)
    with folder:
        async with one_process(folder, Options(port=port, ops=True, link=link)) as url:
            folder.announce(url)
            print(f"ready {url}", flush=True)
            # Behind the #, where no browser sends it and no server logs it.
            print(f"open {url}/sign-in#code={code}", file=sys.stderr)
            print("(good once, within an hour; a token: lingoloop token --sub local)", file=sys.stderr)
            await stop.wait()
    return exit_code()


def migrate() -> None:
    """Apply the migrations that the database at DATABASE_URL lacks, and print their names.

    Example: DATABASE_URL=postgresql://lingoloop@db/lingoloop lingoloop migrate
    """
    url = os.environ.get("DATABASE_URL")
    if not url:
        fail("DATABASE_URL is not set", EXIT_WRONG_USE)
    run(_migrate(url))


async def _migrate(url: str) -> int:
    for name in await migrate_at(url):
        print(name)
    return EXIT_DONE


def gateway() -> None:
    """Run a gateway in this process; settings come from the environment.

    Example: GATEWAY_PORT=3002 lingoloop gateway
    """
    from lingoloop_gateway.__main__ import main as serve  # noqa: PLC0415  (a service loads only its own parts)

    raise typer.Exit(serve())


def transcriber() -> None:
    """Run a transcriber in this process; settings come from the environment.

    Example: MAX_CONCURRENT_JOBS=4 lingoloop transcriber
    """
    from lingoloop_transcriber.__main__ import main as serve  # noqa: PLC0415

    raise typer.Exit(serve())


def notifier() -> None:
    """Run a notifier in this process; settings come from the environment.

    Example: NOTIFIER_PORT=3003 lingoloop notifier
    """
    from lingoloop_notifier.__main__ import main as serve  # noqa: PLC0415

    raise typer.Exit(serve())
