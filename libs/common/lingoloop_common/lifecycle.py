"""One start and one stop for every long-lived part; a service is the list of its parts, in the order they start."""

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from typing import Protocol

import structlog

from lingoloop_common.settings import SettingsError

log = structlog.get_logger(__name__)


class Part(Protocol):
    """Something that lives as long as its service."""

    async def start(self) -> None:
        """Be ready when this returns; raise when that cannot be."""

    async def stop(self) -> None:
        """End what `start` began, within a bounded time."""


@contextlib.asynccontextmanager
async def running(parts: Sequence[Part]) -> AsyncIterator[None]:
    """Start parts in order; stop those that were started in reverse order, whatever happens."""
    started: list[Part] = []
    try:
        for part in parts:
            started.append(part)
            await part.start()
        yield
    finally:
        for part in reversed(started):
            try:
                await part.stop()
            except Exception:
                log.exception("a part did not stop cleanly", part=type(part).__name__)


async def end_task(task: "asyncio.Task[None] | None") -> None:
    """Cancel a task and wait for its end, without taking the caller's own cancellation for the task's."""
    if task:
        task.cancel()
        await asyncio.wait([task])


async def serve(name: str, parts: Sequence[Part]) -> None:
    """Run a service until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with running(parts):
        log.info("ready", service=name)
        await stop.wait()
        log.info("stopping", service=name)


def main(name: str, parts: Sequence[Part]) -> int:
    """Run a service to its end and return the exit code: 0, or 1 when it could not start."""
    try:
        asyncio.run(serve(name, parts))
    except (SettingsError, TimeoutError, RuntimeError, OSError) as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 1
    return 0
