"""The plan: a recording is decoded in a stream and cut; each chunk can be claimed as soon as it is cut."""

import base64
import contextlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from lingoloop_common.blobs import Blobs, chunk_blob, chunks_folder
from lingoloop_common.child import Message
from lingoloop_common.contracts.units import SAMPLE_RATE, UnitKind, chunks_ahead
from lingoloop_common.errors import WorkError
from lingoloop_common.relay import Relay
from lingoloop_common.store.ids import new_id
from lingoloop_common.store.runs import Fenced
from lingoloop_transcriber.claim import Claim
from lingoloop_transcriber.elsewhere import Elsewhere
from lingoloop_transcriber.ledger import Ledger
from lingoloop_transcriber.slots import Slot


class Planner:
    """Carries out plan units of recordings of at most `longest` seconds."""

    def __init__(
        self,
        ledger: Ledger,
        blobs: Blobs,
        relay: Relay,
        fleet_slots: Callable[[], int],
        elsewhere: Elsewhere | None,
        *,
        longest: float,
    ) -> None:
        self._ledger, self._blobs, self._relay = ledger, blobs, relay
        self._fleet_slots, self._elsewhere, self._longest = fleet_slots, elsewhere, longest

    async def plan(self, claim: Claim, slot: Slot) -> None:
        """Go on where the ledger ends, until the recording ends or enough chunks are ahead of the work.

        Raises:
            WorkError: the recording cannot be decoded, or is too long, or its slot died.
            BlobMissing: the recording is gone.
            Fenced: another attempt plans this run.
        """
        index = claim.chunks_total
        room = chunks_ahead(self._fleet_slots(), claim.chunks_total) - claim.chunks_open
        # A plan that was taken back may be as far ahead as it may be already.
        if room <= 0 and await self._ledger.withhold(claim, self._fleet_slots()):
            return
        async with self._blobs.local_path(claim.audio_blob) as path:
            if claim.duration_ms is None and index == 0:  # of an upload, the gateway has asked already
                claim = await self._measured(claim, slot, path)
            kind = UnitKind.CHUNK
            request: dict[str, object] = {
                "do": "plan",
                "path": str(path),
                "start": claim.planned_samples,
                "duration_ms": claim.duration_ms,
                "language": claim.language,
                "options": dict(claim.options),
                "chunks": max(1, room),
            }
            if self._elsewhere is not None:
                longest, kind = self._elsewhere.longest_part(claim)
                # Few enough to be planned at once.
                request |= {"do": "parts", "longest": longest, "keep": kind is UnitKind.CHUNK}
            while True:
                index, end = await self._cut(claim, slot, request, index, kind)
                if end.get("complete"):
                    speakers = end.get("speakers", False) and claim.options.get("diarize", False)
                    if await self._ledger.finish(claim, speakers=speakers):
                        await self._blobs.delete_below(chunks_folder(claim.run_id))
                    return
                if await self._ledger.withhold(claim, self._fleet_slots()):
                    return
                request = {"do": "more", "chunks": chunks_ahead(self._fleet_slots(), index) // 2}

    async def _measured(self, claim: Claim, slot: Slot, path: Path) -> Claim:
        """Ask the container of an imported recording how long it is, so that progress and the time left can be told."""
        answer = await slot.ask({"do": "look", "path": str(path), "options": dict(claim.options)})
        length: int | None = answer.fields["duration_ms"]
        if length is None:
            return claim
        if length > self._longest * 1000:
            raise self._too_long()
        await self._ledger.note_length(claim, length)
        return replace(claim, duration_ms=length)

    async def _cut(
        self, claim: Claim, slot: Slot, request: dict[str, object], index: int, kind: UnitKind
    ) -> tuple[int, Mapping[str, Any]]:
        """Take cuts as they come; return the next chunk's index, and what is said at the end."""
        end: Mapping[str, Any] = {}
        async with contextlib.aclosing(slot.call(request)) as answers:
            async for answer in answers:
                cut = answer.fields
                if "end" in cut:
                    end = cut
                    break
                if cut["stop"] > self._longest * SAMPLE_RATE:  # its container had not said so
                    raise self._too_long()
                index = cut.get("index", index)
                if cut["silent"]:
                    await self._ledger.add_silence(
                        claim, index=index, start=cut["start"], end=cut["stop"], pairs=_pairs(answer)
                    )
                else:
                    await self._add(claim, index, answer, kind)
                self._relay.tell()
                index += 1
        return index, end

    def _too_long(self) -> WorkError:
        return WorkError("too_long", f"the recording is longer than {self._longest:.0f} s, the limit")

    async def _add(self, claim: Claim, index: int, cut: Message, kind: UnitKind) -> None:
        unit_id = new_id()
        blob = chunk_blob(claim.run_id, unit_id, claim.attempt) if cut.raw else None
        if blob is not None:
            try:
                await self._blobs.write(blob, cut.raw, labels={"run": str(claim.run_id)})
            except OSError as error:
                raise WorkError("storage_failed", f"a chunk cannot be stored: {error.strerror}") from error
        try:
            await self._ledger.add_chunk(
                claim,
                index=index,
                start=cut.fields["start"],
                end=cut.fields["stop"],
                unit_id=unit_id,
                blob=blob,
                channels=cut.fields["channels"],
                language=cut.fields["language"],
                pairs=_pairs(cut),
                kind=kind,
            )
        except Fenced:
            if blob is not None:
                # Nobody will ever name it, and of a recording that was deleted nothing may stay.
                await self._blobs.delete(blob)
            raise


def _pairs(cut: Message) -> bytes | None:
    """Return a cut's part of the waveform; None from an engine that does not listen."""
    return base64.b64decode(cut.fields["pairs"]) if "pairs" in cut.fields else None
