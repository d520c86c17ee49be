"""A connection to RabbitMQ that is made again, with everything on it, whenever it breaks."""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable
from typing import Any

import aio_pika
import structlog
from aio_pika.abc import AbstractChannel, AbstractConnection
from aio_pika.exceptions import AMQPError, ChannelInvalidStateError

from lingoloop_common import metrics
from lingoloop_common.faults import told
from lingoloop_common.lifecycle import background, end_task

log = structlog.get_logger(__name__)

BROKEN = (AMQPError, ChannelInvalidStateError, OSError, asyncio.TimeoutError, RuntimeError)
"""What an operation raises when its connection or channel is gone, or does not answer."""

SET_UP_TIMEOUT = 10.0
"""Seconds in which a connection must be made, and again in which all on it must be set up."""


class Link:
    """A connection that is made again whenever it, or a channel on it, breaks."""

    def __init__(self, url: str, name: str, on_up: Callable[[AbstractConnection], Awaitable[None]]) -> None:
        self._url, self._name, self._on_up = url, name, on_up
        self._standing = metrics.BROKER_CONNECTIONS.labels(name.split(" ", 1)[0])
        self.up = asyncio.Event()
        self._broken = asyncio.Event()  # of the present connection; late news of an older one goes to its own
        self._task: asyncio.Task[None] | None = None

    async def start(self, timeout: float) -> None:
        """Connect for the first time; raise TimeoutError when that does not work in `timeout` seconds."""
        self._task = background(self._keep_up(), name=f"link {self._name}")
        try:
            await asyncio.wait_for(self.up.wait(), timeout)
        except TimeoutError:
            await self.stop()
            raise TimeoutError("RabbitMQ (BROKER_URL) cannot be reached") from None

    async def stop(self) -> None:
        """Disconnect for good."""
        await end_task(self._task)

    async def open_channel(self, connection: AbstractConnection, **options: Any) -> AbstractChannel:
        """Open a channel whose end ends the connection too, so that everything on it is set up again.

        So does the end of a consumer that the broker cancels, because its queue was deleted.
        """
        channel = await connection.channel(**options)
        breaks = self._breaker()
        channel.close_callbacks.add(breaks)
        (await channel.get_underlay_channel()).on_consumer_cancel_callbacks.add(breaks)
        return channel

    def breaks(self) -> None:
        """Connect again."""
        self._broken.set()

    def _breaker(self) -> Callable[..., None]:
        broken = self._broken
        return lambda *_: broken.set()

    async def _keep_up(self) -> None:
        said = False
        while True:
            connection: AbstractConnection | None = None
            try:
                self._broken = asyncio.Event()
                connection = await aio_pika.connect(
                    self._url,
                    timeout=SET_UP_TIMEOUT,
                    heartbeat=10,
                    client_properties={"connection_name": self._name},
                )
                connection.close_callbacks.add(self._breaker())
                async with asyncio.timeout(SET_UP_TIMEOUT):
                    await self._on_up(connection)
                self.up.set()
                self._standing.inc()
                said = False
                await self._broken.wait()
                log.warning("connection to RabbitMQ broke", link=self._name)
            except Exception as error:
                if not said:
                    log.warning("waiting for RabbitMQ", link=self._name, error=told(error))
                    said = True
            finally:
                if self.up.is_set():
                    self.up.clear()
                    self._standing.dec()
                if connection is not None:
                    with contextlib.suppress(*BROKEN):
                        await asyncio.wait_for(connection.close(), 2)
            await asyncio.sleep(random.uniform(0.1, 0.6))  # noqa: S311  (spreads reconnects, not a secret)
