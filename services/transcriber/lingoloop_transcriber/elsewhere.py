"""Carries out units that an engine elsewhere does: begins operations, looks at them, ends those that nobody needs any more."""

import asyncio
import random
import tempfile
from pathlib import Path
from uuid import UUID

import structlog

from lingoloop_common import tracing
from lingoloop_common.blobs import Blobs
from lingoloop_common.contracts.engines import Wishes
from lingoloop_common.contracts.transcript import Segment, merge_channels, place_segments
from lingoloop_common.contracts.units import SAMPLE_RATE, UnitKind
from lingoloop_common.errors import Busy, WorkError
from lingoloop_common.faults import told, unquoted
from lingoloop_common.lifecycle import background, end_task
from lingoloop_common.scratch import Scratch
from lingoloop_common.store.database import BROKEN
from lingoloop_common.store.runs import Row
from lingoloop_transcriber.claim import Claim, Result
from lingoloop_transcriber.engines import EngineError, Look, OperationFailed, Operations, Refused, ServerBusy
from lingoloop_transcriber.operations import OperationRows, Pending
from lingoloop_transcriber.parts import segments_most
from lingoloop_transcriber.slots import Slot

log = structlog.get_logger(__name__)

LONGEST_PAUSE = 60.0
"""Seconds between two looks, at most."""

LONGEST_WAIT = 26 * 3600.0
"""Seconds after which an operation is given up; Google's batches take 24 hours at most."""

TWIN_LOOKS = 4
"""Looks at which one that was begun twice is looked for: the first may fail, and who was taken for dead may go on after it."""

LEFT_PAUSE = 2.0
"""Seconds between looks for operations that nobody needs any more."""

LEFT_LEASE = 60.0
"""Seconds after which the end of one is tried again, here or elsewhere."""

LEFT_LIMIT = 2 * LONGEST_WAIT
"""Seconds after its begin from which one is forgotten that cannot be ended: it has ended by itself."""


PREFIX = "lingoloop-sounds-"
"""Of the folder in which sound is written that is to be brought up."""


def look_pause(looks: int, first: float) -> float:
    """Return the seconds until the next look, after so many: longer each time, and not all at once."""
    pause = min(LONGEST_PAUSE, first * 1.5 ** min(looks, 20))
    return pause * random.uniform(0.8, 1.0)  # noqa: S311  (jitter, not a secret)


class Elsewhere:
    """An engine elsewhere, for one worker. `poll` is the pause, in seconds, before the first look."""

    def __init__(
        self, rows: OperationRows, engine: Operations, blobs: Blobs, *, lane: str, poll: float
    ) -> None:
        self._rows, self._engine, self._blobs, self._lane, self._poll = rows, engine, blobs, lane, poll
        self._scratch = Scratch(PREFIX)
        self._task: asyncio.Task[None] | None = None

    def longest_part(self, claim: Claim) -> tuple[int, UnitKind]:
        """Return how many samples a part of a run's recording has at most, and what kind of unit does it.

        A small run's goes to the engine's slots, which answer at once; who speaks, only operations tell.
        """
        at_once = claim.small and not claim.options.get("diarize")
        seconds = self._engine.shortest if at_once else self._engine.longest
        return int(seconds * SAMPLE_RATE), UnitKind.CHUNK if at_once else UnitKind.OPERATION

    async def start(self) -> None:
        """Let the engine be ready, and begin to look for what is left over."""
        self._scratch.open()
        await self._engine.start()
        self._task = background(self._run(), name="operations")

    async def stop(self) -> None:
        """End; what is under way elsewhere goes on."""
        await end_task(self._task)
        await self._engine.stop()
        self._scratch.close()

    async def carry_on(self, claim: Claim, slot: Slot) -> Result | Pending:
        """Begin a unit's operation, in a slot that writes its sound, or look at it.

        Raises:
            WorkError: it cannot be begun, or has ended without a result. Busy: its engine has too much to do.
            Fenced: the unit is another's.
        """
        row = await self._rows.hold(claim)
        try:
            if row["name"] is None:
                return await self._begin(claim, row, slot)
            return await self._look(claim, row)
        except OperationFailed as failed:
            await self._rows.give_up(claim)
            raise _work_error(failed.cause) from failed
        except EngineError as error:
            raise _work_error(error) from error

    async def wait(self, pending: Pending) -> None:
        """Write down how far an operation is: it is looked at again; may be repeated, and raises Fenced."""
        await self._rows.wait(pending)

    async def _begin(self, claim: Claim, row: Row, slot: Slot) -> Pending:
        assert claim.start_sample is not None
        assert claim.end_sample is not None
        # An attempt before may have begun it, and died before it was stored.
        if row["begins"] > 1 and (found := await self._engine.find(row["id"])):
            log.info("took over an operation whose name was not stored")
            return self._pending(claim, row, found[0])
        wishes = Wishes.model_validate({"language": claim.language, **claim.options})
        with tempfile.TemporaryDirectory(dir=self._scratch.folder) as folder:
            count = 1 if claim.chunk_channels is None else len(claim.chunk_channels)
            sounds = [Path(folder) / f"{number}.flac" for number in range(count)]
            request = {
                "do": "flac",
                "start": claim.start_sample,
                "stop": claim.end_sample,
                "channels": claim.chunk_channels,
                "options": dict(claim.options),
                "to": [str(sound) for sound in sounds],
            }
            async with self._blobs.local_path(claim.audio_blob) as path:
                await slot.ask(request | {"path": str(path)})
            name = await self._engine.begin(row["id"], sounds, wishes)
        return self._pending(claim, row, name)

    async def _look(self, claim: Claim, row: Row) -> Result | Pending:
        try:
            if row["begins"] > 1 and row["looks"] <= TWIN_LOOKS:
                await self._end_twins(row["id"], row["name"])
            look = await self._engine.look(row["name"])
        except Refused:
            raise
        except EngineError as error:
            # The operation goes on all the same: only a look was in vain.
            log.warning("could not look at an operation; will try again", error=unquoted(error))
            look, least = Look(0.0), error.seconds if isinstance(error, ServerBusy) else 0.0
        else:
            least = 0.0
        if look.segments is not None:
            return self._result(claim, row, look)
        if row["age"] > LONGEST_WAIT:
            raise OperationFailed(EngineError(f"it had not ended after {LONGEST_WAIT / 3600:.0f} hours"))
        return self._pending(claim, row, row["name"], progress=look.progress, least=least)

    def _pending(
        self, claim: Claim, row: Row, name: str, *, progress: float = 0.0, least: float = 0.0
    ) -> Pending:
        """Return what an attempt ends with: a look is due after the usual pause, or after `least` seconds."""
        pause = max(least, look_pause(row["looks"], self._poll))
        counted: int = row["counted_samples"]
        samples = int(claim.samples * min(1.0, progress))
        # No more events than a run's progress has steps.
        if samples - counted < claim.samples // 100:
            samples = counted
        return Pending(claim, name, pause, samples, counted)

    def _result(self, claim: Claim, row: Row, look: Look) -> Result:
        assert claim.chunk_index is not None
        assert claim.start_sample is not None
        assert claim.end_sample is not None
        start, end, index = claim.start_sample, claim.end_sample, claim.chunk_index
        most = segments_most(start, end)
        placed = [
            place_segments(
                [_of_part(segment, row["part"]) for segment in segments],
                chunk_index=index,
                start=start,
                end=end,
                most=most,
            )
            for segments in look.segments or ()
        ]
        if claim.chunk_channels is not None:
            placed = [merge_channels(dict(zip(claim.chunk_channels, placed, strict=True)), index, most=most)]
        return Result(
            claim,
            placed[0],
            round(row["age"] * 1000),
            slots=1,
            traceparent=tracing.current().traceparent,
            counted=row["counted_samples"],
            language=look.language,
        )

    async def _end_twins(self, key: UUID, name: str | None) -> None:
        """Cancel what was begun under a key beside the operation whose name is known."""
        for twin in await self._engine.find(key):
            if twin != name:
                await self._engine.cancel(twin)
                log.warning("cancelled an operation that was begun twice")

    async def end_left(self) -> None:
        """End operations that nobody needs any more, and remove what they left."""
        for row in await self._rows.take_left(self._lane, LEFT_LEASE):
            try:
                if row["name"] is not None:
                    await self._engine.cancel(row["name"])
                if row["name"] is None or row["begins"] > 1:
                    await self._end_twins(row["id"], row["name"])
                await self._engine.forget(row["id"])
            except EngineError as error:
                log.warning("an operation cannot be ended yet; will try again", error=unquoted(error))
                if row["age"] < LEFT_LIMIT:
                    continue
            await self._rows.forget(row["id"])

    async def _run(self) -> None:
        while True:
            try:
                await self.end_left()
            except Exception as error:
                unknown = not isinstance(error, BROKEN)
                log.warning(
                    "operations are left to a later pass",
                    error=told(error),
                    exc_info=unknown,
                )
            await asyncio.sleep(LEFT_PAUSE)


def _of_part(segment: Segment, part: int) -> Segment:
    """Name a speaker of a later part apart from those of others: nobody knows who of them is the same."""
    if part == 0 or segment.speaker is None:
        return segment
    return segment.model_copy(update={"speaker": f"{part + 1}-{segment.speaker}"})


def _work_error(error: EngineError) -> WorkError:
    if isinstance(error, ServerBusy):
        return Busy(str(error), error.seconds)
    return WorkError("engine_refused" if isinstance(error, Refused) else "engine_failed", str(error))
