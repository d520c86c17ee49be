"""The last unit of a run that asks who speaks: what its chunks heard of voices becomes the speakers of its segments."""

import base64

from lingoloop_common.contracts.states import RunStatus
from lingoloop_common.contracts.transcript import SEGMENTS, SPLITS, Segment
from lingoloop_common.store.database import Connection, Database
from lingoloop_common.store.queries import load_queries
from lingoloop_common.store.runs import Change, Row, change_run, lock_run
from lingoloop_transcriber.claim import Claim
from lingoloop_transcriber.fence import end_unit
from lingoloop_transcriber.slots import Slot
from lingoloop_transcriber.turns import Labels

SQL = load_queries(__package__, "speakers.sql")

PAGE = 100
"""Segments that are read, written and told of at a time, in one event."""


class Speakers:
    """Carries out units that tell speakers apart. All is written in one transaction, so a crash leaves nothing of it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def label(self, claim: Claim, slot: Slot) -> bool:
        """Give the run's segments their speakers; return whether this closed the run.

        Raises:
            WorkError: the slot died.
            Fenced: the unit is another's.
        """
        rows = await self._database.pool.fetch(SQL["voices"], claim.run_id)
        windows = base64.b64encode(b"".join(row["windows"] for row in rows)).decode()
        answer = await slot.ask({"do": "speakers", "windows": windows})
        async with self._database.pool.acquire() as connection, connection.transaction():
            run = await lock_run(connection, claim.run_id)
            if not await end_unit(connection, claim):
                return False
            run = await self._write(connection, run, Labels(answer.fields["turns"]))
            await connection.execute(SQL["forget_voices"], claim.run_id)
        return RunStatus(run["status"]).is_final

    async def _write(self, connection: Connection, run: Row, labels: Labels) -> Row:
        """Write the segments with their speakers, a page and its event after the other; the last one ends the unit."""
        page: list[Segment] = []
        # The cursor sees them as they were, whatever is written meanwhile.
        async for row in connection.cursor(SQL["segments"], run["id"], prefetch=PAGE):
            if len(page) >= PAGE:
                run = await self._write_page(connection, run, page, Change(segments=page))
                page = []
            most = 1 if row["reworded"] else min(SPLITS, row["room"])
            page += labels.label(Segment.model_validate(dict(row)), most=most)
        return await self._write_page(connection, run, page, Change(units_ended=1, segments=page))

    async def _write_page(self, connection: Connection, run: Row, page: list[Segment], change: Change) -> Row:
        await connection.execute(SQL["write_segments"], run["id"], SEGMENTS.dump_json(page).decode())
        return await change_run(connection, run, change)
