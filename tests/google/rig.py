"""A worker of Google's engine, and a run that it works on: the test hands out its tokens."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np

from lingoloop_common.lifecycle import running
from lingoloop_common.store.ids import new_id
from lingoloop_transcriber.claim import Claim, Result
from lingoloop_transcriber.claims import Claims
from lingoloop_transcriber.elsewhere import Elsewhere
from lingoloop_transcriber.engines.google.batch import Batch
from lingoloop_transcriber.operations import OperationRows, Pending
from tests.google.fake import left_objects
from tests.rows import AddedRun
from tests.rules.workshop import LANE, EchoSlots, HandDelivery, Transcriber, Workshop, claimed, settled
from tests.speech import RATE, write_wav

SECONDS = 90


def sound_of(folder: Path, seconds: int = SECONDS) -> bytes:
    """Return a WAV of noise in bursts of two seconds, with pauses of half a second."""
    luck = np.random.default_rng(9)
    samples = luck.normal(0, 3000, seconds * RATE).astype(np.int16)
    for at in range(2 * RATE, samples.size, 5 * RATE // 2):
        samples[at : at + RATE // 2] = 0
    path = folder / "sound.wav"
    write_wav(path, samples)
    return path.read_bytes()


class Rig:
    """A worker of the engine, whose tokens the test hands out, and the run that it works on."""

    def __init__(self, shop: Workshop, run: AddedRun) -> None:
        self.shop, self.run = shop, run
        self.engine = Batch("chirp_3", None)
        self.elsewhere = self.another_worker()
        self.slots = EchoSlots()
        self.transcriber: Transcriber = shop.transcriber(self.slots, elsewhere=self.elsewhere)

    def another_worker(self) -> Elsewhere:
        """Return what another worker has, over the same engine."""
        return Elsewhere(OperationRows(self.shop.database), self.engine, self.shop.blobs, lane=LANE, poll=2.0)

    async def step(self) -> dict[str, Any]:
        """Let the worker take one token to its end; what waits is made due first. Return the run's row."""
        return await self.each(1)

    async def each(self, count: int) -> dict[str, Any]:
        """Let the worker take as many tokens as there are units; return the run's row."""
        await self.shop.database.pool.execute(
            "UPDATE unit SET state = 'ready', due_at = NULL WHERE state = 'waiting'"
        )
        for _ in range(count):
            delivery = HandDelivery()
            self.transcriber.worker.receive(delivery)
            assert await settled(delivery) == "ack"
        return await self.shop.run(self.run.run_id)

    async def steps(self, count: int) -> dict[str, Any]:
        """Take several; return the run's row."""
        for _ in range(count):
            row = await self.step()
        return row

    async def unit(self) -> dict[str, Any]:
        """Return the only operation's unit."""
        rows = await self.shop.database.pool.fetch("SELECT * FROM unit WHERE kind = 'operation'")
        assert len(rows) == 1
        return dict(rows[0])

    async def claim(self) -> Claim:
        """Claim the unit that is ready, as some worker does."""
        await self.shop.database.pool.execute(
            "UPDATE unit SET state = 'ready', due_at = NULL WHERE state = 'waiting'"
        )
        return await claimed(Claims(self.shop.database, new_id(), LANE))

    async def carry_on(self, claim: Claim) -> Result | Pending:
        """Do an attempt's work, without the end that writes it down."""
        async with self.slots.borrow() as slot:
            return await self.elsewhere.carry_on(claim, slot)

    async def lose_holder(self) -> None:
        """Let the sweep take back what a dead worker held."""
        await self.shop.database.pool.execute(
            "UPDATE unit SET state = 'ready', lost = lost + 1, message_id = NULL, holder = NULL"
            " WHERE state = 'running'"
        )

    async def nothing_left(self) -> None:
        """Check that Google and the database keep nothing of what has ended."""
        await self.elsewhere.end_left()
        assert await self.shop.value("SELECT count(*) FROM operation") == 0
        assert await asyncio.to_thread(left_objects) == []


@contextlib.asynccontextmanager
async def at_work(shop: Workshop, folder: Path) -> AsyncIterator[Rig]:
    """Give a rig at work, on a run whose plan is still to be made."""
    run = await shop.add_run(
        sound=sound_of(folder), units=0, planned=False, duration_ms=SECONDS * 1000, status="queued"
    )
    rig = Rig(shop, run)
    async with running([rig.elsewhere, *rig.transcriber.parts]):
        yield rig
