"""Brokers that misbehave on demand."""

import asyncio
from collections.abc import Mapping
from uuid import UUID

from lingoloop_common.broker import BrokerError
from lingoloop_common.broker.memory import MemoryBroker


class FaultyBroker(MemoryBroker):
    """Refuses the lanes in `refused`, waits for `gate` before each token, answers no question while `mute`.

    Before a token of the lanes in `held` it waits for `release` too; while `away` it fails its check.
    """

    def __init__(self) -> None:
        super().__init__()
        self.refused: set[str] = set()
        self.gate = asyncio.Event()
        self.gate.set()
        self.arrived = asyncio.Event()
        self.mute = False
        self.held: set[str] = set()
        self.release = asyncio.Event()
        self.away = False
        self.checked = asyncio.Event()
        self.sent: list[UUID] = []
        self.recreated: list[str] = []

    async def publish_token(
        self, lane: str, message_id: UUID, headers: Mapping[str, str] | None = None
    ) -> None:
        self.arrived.set()
        await self.gate.wait()
        if lane in self.held:
            await self.release.wait()
        if lane in self.refused:
            raise BrokerError(f"{lane} is refused")
        self.sent.append(message_id)
        await super().publish_token(lane, message_id, headers)

    async def publish_event(
        self, routing_key: str, message_id: UUID, headers: Mapping[str, str | int], body: bytes
    ) -> None:
        self.sent.append(message_id)
        await super().publish_event(routing_key, message_id, headers, body)

    async def check(self) -> None:
        self.checked.set()
        if self.away:
            raise BrokerError("away")

    async def depth(self, lane: str) -> int:
        if self.mute:
            raise BrokerError("no answer")
        return await super().depth(lane)

    async def recreate(self, lane: str) -> None:
        self.recreated.append(lane)
        await super().recreate(lane)
