"""One start and one stop for every long-lived part; a service is the list of its parts, in the order they start."""

import asyncio
import contextlib
import gc
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Coroutine, Sequence
from typing import Any, Protocol, TypeVar

import structlog

from lingoloop_common.settings import SettingsError

log = structlog.get_logger(__name__)

T = TypeVar("T")


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


class Started:
    """The last part of a service: it knows whether all before it have started, and none has been told to stop."""

    def __init__(self) -> None:
        self._up = False

    async def start(self) -> None:
        """All parts before this one are up."""
        self._up = True

    async def stop(self) -> None:
        """They are going to stop."""
        self._up = False

    async def check(self) -> None:
        """Raise RuntimeError until it has started, and from the begin of its stop on."""
        if not self._up:
            raise RuntimeError("not up yet, or stopping")


_crashes: list[str] = []


def background(work: Coroutine[Any, Any, None], *, name: str) -> "asyncio.Task[None]":
    """Start a loop that lives as long as its part; end it with `end_task`.

    If it fails, which only a fault in this code makes it do, the process ends with exit code 1: half a service that
    looks alive is worse than one that is started again.
    """
    task = asyncio.create_task(work, name=name)
    task.add_done_callback(_end_process_if_failed)
    return task


def _end_process_if_failed(task: "asyncio.Task[None]") -> None:
    if task.cancelled() or (error := task.exception()) is None:
        return
    log.critical("a background task failed; stopping", task=task.get_name(), exc_info=error)
    _crashes.append(task.get_name())
    signal.raise_signal(signal.SIGTERM)


def exit_code() -> int:
    """Return 1 if a background task failed, else 0."""
    return 1 if _crashes else 0


async def to_its_end(work: Awaitable[T]) -> T:
    """Wait for work that must not stop half way; a cancellation of the caller, be it the second, is raised when it has ended."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait([task])
        if not task.cancelled():
            task.exception()  # nobody is left to be told
        raise


async def end_task(task: "asyncio.Task[None] | None") -> None:
    """Cancel a task and wait for its end, without taking the caller's own cancellation for the task's.

    Cancelled again each second: until Python 3.12, `asyncio.wait_for` may swallow a cancellation.
    """
    while task and not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=1)


async def serve(name: str, parts: Sequence[Part]) -> None:
    """Run a service until SIGTERM or SIGINT; one that comes before it is ready ends the start. A second changes nothing."""
    stop, ready = asyncio.Event(), False
    loop, serving = asyncio.get_running_loop(), asyncio.current_task()
    assert serving is not None  # this is one

    def end() -> None:
        if not (ready or stop.is_set()):
            serving.cancel()
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end)
    try:
        async with running(parts):
            ready = True
            log.info("ready", service=name)
            await stop.wait()
            log.info("stopping", service=name)
    except asyncio.CancelledError:
        if ready or not stop.is_set():
            raise
        log.info("stopped before it was ready", service=name)


def spare_the_collector() -> None:
    """Look for garbage in cycles less often: requests, events and connections leave nearly none."""
    gc.set_threshold(20_000)


def main(name: str, parts: Sequence[Part]) -> int:
    """Run a service to its end and return the exit code: 0, or 1 when it could not start."""
    spare_the_collector()
    try:
        asyncio.run(serve(name, parts))
    except (SettingsError, TimeoutError, RuntimeError, OSError) as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 1
    return exit_code()
