"""The waveform of a recording, as its plan has heard it: nothing is decoded for it."""

import asyncio
from array import array
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from aiohttp import web

from lingoloop_common.auth import READ, Callers
from lingoloop_common.contracts.units import SAMPLE_RATE, WAVEFORM_SAMPLES
from lingoloop_common.errors import Problem
from lingoloop_common.http import json_response
from lingoloop_common.store.database import Connection, Database
from lingoloop_common.store.queries import load_queries
from lingoloop_common.store.runs import Row
from lingoloop_gateway.parameters import id_in_path, number_in_query

SQL = load_queries(__package__, "peaks.sql")

POINTS, MOST_POINTS = 2_000, 20_000
"""Pairs in an answer: about a screen's width, unless more are asked for."""

PAGE = 100
"""Chunks that are read at a time: a quarter of a megabyte."""


class Waveform:
    """Pairs of the least and the greatest sample, `each` of the stored ones made one."""

    def __init__(self, each: int) -> None:
        self._each = each
        self._held = array("b")
        self.data = array("b")
        self.count = 0
        """Stored pairs that were added."""
        self.has_gap = False

    def add(self, place: int, pairs: bytes) -> None:
        """Add pairs from a place on; where none were stored before it, as by a worker of before, it is flat."""
        if place > self.count:
            self.has_gap = True
            self._held.frombytes(bytes(2 * (place - self.count)))
        self._held.frombytes(pairs)
        self.count = place + len(pairs) // 2
        whole = len(self._held) // (2 * self._each) * 2 * self._each
        self._merge(whole)

    def close(self) -> None:
        """Add what is left, as a last pair that stands for less time."""
        self._merge(len(self._held))

    def _merge(self, end: int) -> None:
        lows, highs = self._held[0:end:2], self._held[1:end:2]
        for at in range(0, len(lows), self._each):
            self.data.append(min(lows[at : at + self._each]))
            self.data.append(max(highs[at : at + self._each]))
        del self._held[:end]


class Peaks:
    """Handles `GET /api/audios/{id}/peaks`."""

    def __init__(self, callers: Callers, database: Database) -> None:
        self._callers, self._database = callers, database

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [web.get("/api/audios/{audio_id}/peaks", self.get_peaks)]

    async def get_peaks(self, request: web.Request) -> web.Response:
        """Answer with as much of the waveform as was heard so far, in the JSON of BBC's audiowaveform (version 2).

        `complete` says whether that is all; if not, `pending` whether more is to come. An engine that does not listen, such as
        `simulated`, leaves none.
        """
        caller = await self._callers.caller(request, READ)
        audio_id = id_in_path(request, "audio_id", "audio")
        points = number_in_query(request, "points", default=POINTS, least=1, most=MOST_POINTS)
        async with (
            self._database.pool.acquire() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            heard = await connection.fetchrow(SQL["heard"], audio_id, caller.owner)
            if heard is None:
                raise Problem("not_found", "there is no such audio")
            each = pairs_in_one(heard, points)
            etag = f"{heard['run_id']}.{each}"
            headers = {"ETag": f'"{etag}"', "Cache-Control": "private, no-cache"}
            if heard["planned"] and any(given.value in ("*", etag) for given in request.if_none_match or ()):
                return web.Response(status=304, headers=headers)
            waveform = await _read(connection, heard["run_id"], each)
        complete = bool(heard["planned"]) and not waveform.has_gap
        body = {**await asyncio.to_thread(_described, waveform, each), **_length(heard)}
        body |= {"complete": complete, "pending": heard["pending"] and not complete}
        return json_response(body, headers=headers if complete else {"Cache-Control": "no-store"})


def pairs_in_one(heard: Row, points: int) -> int:
    """Return how many stored pairs are one of at most `points`: the same while a recording of known length is heard."""
    samples = heard["planned_samples"] or 0
    if not heard["planned"]:
        samples = max(samples, (heard["duration_ms"] or 0) * SAMPLE_RATE // 1000)
    pairs = -(-samples // WAVEFORM_SAMPLES)
    return max(1, -(-pairs // points))


async def _read(connection: Connection, run_id: UUID | None, each: int) -> Waveform:
    waveform, after = Waveform(each), -1
    while rows := await connection.fetch(SQL["pairs_page"], run_id, after, PAGE):
        await asyncio.to_thread(_add, waveform, rows)
        after = rows[-1]["start_sample"]
    waveform.close()
    return waveform


def _add(waveform: Waveform, rows: Iterable[Row]) -> None:
    for row in rows:
        waveform.add(row["start_sample"] // WAVEFORM_SAMPLES, row["pairs"])


def _described(waveform: Waveform, each: int) -> dict[str, Any]:
    return {
        "version": 2,
        "channels": 1,
        "sample_rate": SAMPLE_RATE,
        "samples_per_pixel": WAVEFORM_SAMPLES * each,
        "bits": 8,
        "length": len(waveform.data) // 2,
        "data": waveform.data.tolist(),
    }


def _length(heard: Row) -> dict[str, Any]:
    planned = heard["planned_samples"] * 1000 // SAMPLE_RATE if heard["planned"] else None
    return {"durationMs": planned or heard["duration_ms"]}
