"""Slots without processes: they plan as real ones do, and their engine is a pause of a second for 20 s of audio."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import Any

from lingoloop_common.child import Message
from lingoloop_common.contracts.transcript import SEGMENTS_PER_CHUNK
from lingoloop_common.contracts.units import SAMPLE_RATE
from lingoloop_common.errors import WorkError
from lingoloop_transcriber.slot import SlotProcess
from lingoloop_transcriber.slots import Slot, Slots

CHUNK = 20.0
"""Seconds of audio in a chunk."""

CHUNK_TIME = 1.0
"""Seconds that a slot's engine takes for a chunk."""


class PausingSlot(Slot):
    """Sixty-four processes would be too much for two cores, and all that they would do here is sleep.

    So a slot is a coroutine. It plans with the real slot's own code, which cuts blindly for an engine without sound.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number, {})
        self._process = SlotProcess({"engine": "simulated", "model": None})

    async def call(self, fields: Mapping[str, Any]) -> AsyncGenerator[Message, None]:
        if fields["do"] == "chunk":
            yield await _pause(fields)
            return
        answers: list[Message] = []

        def keep(found: dict[str, Any], raw: bytes = b"") -> None:
            answers.append(Message(found, raw))

        self._process.handle(Message(dict(fields)), keep)
        for answer in answers:
            if "error" in answer.fields:
                raise WorkError(answer.fields["error"], answer.fields["message"])
            yield answer


async def _pause(fields: Mapping[str, Any]) -> Message:
    """Take a chunk's time, then say one word."""
    begin, end = fields["start"] / SAMPLE_RATE, fields["stop"] / SAMPLE_RATE
    took = (end - begin) / CHUNK * CHUNK_TIME
    await asyncio.sleep(took)
    index = fields["index"] * SEGMENTS_PER_CHUNK
    segment = {"index": index, "start": begin, "end": end, "text": "a word", "confidence": 1.0, "words": []}
    return Message({"end": True, "segments": [segment], "engine_ms": round(took * 1000)})


class PausingSlots(Slots):
    """The slots of one worker."""

    def __init__(self, count: int) -> None:
        super().__init__(count, {})
        self._pausing: asyncio.Queue[Slot] = asyncio.Queue()
        for number in range(count):
            self._pausing.put_nowait(PausingSlot(number))

    async def start(self) -> None:
        """Nothing to start."""

    @contextlib.asynccontextmanager
    async def borrow(self) -> AsyncIterator[Slot]:
        slot = await self._pausing.get()
        try:
            yield slot
        finally:
            self._pausing.put_nowait(slot)
