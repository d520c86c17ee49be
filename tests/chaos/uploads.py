"""Uploads: keep the fleet at work, and remember what it has acknowledged."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable

import httpx
import orjson

from lingoloop_common.lifecycle import end_task
from tests.chaos.recordings import OWNERS, draw_length, make_recording, post, run_id
from tests.chaos.stage import Stage

AHEAD = 500
"""Seconds of audio that should wait at least: a few seconds of the fleet's work."""
SIDE_BY_SIDE = 4

OPEN_AUDIO = """
SELECT coalesce(sum(a.duration_ms / 1000.0 - r.done_samples / 16000.0), 0)::float
FROM transcript_run r JOIN audio a ON a.id = r.audio_id WHERE r.status IN ('queued', 'processing')
"""


class Uploads:
    """Uploads recordings, drawn from the seed, while the stage is under way."""

    def __init__(self, stage: Stage, seed: int, on_run: Callable[[str, str], None]) -> None:
        self._stage, self._luck, self._on_run = stage, random.Random(seed + 1), on_run
        self.acknowledged: dict[str, int] = {}
        """Runs by id, with the lengths of their recordings in ms."""
        self.refused: Counter[str] = Counter()
        self._wanted = 0
        self._busy: set[asyncio.Task[None]] = set()
        self._task: asyncio.Task[None] | None = None
        stage.acknowledge = self._acknowledge

    def _acknowledge(self, run_id: str, owner: str, length: int) -> None:
        self.acknowledged[run_id] = length
        self._on_run(run_id, owner)

    def begin(self, wanted: int) -> None:
        """Upload until `wanted` runs are acknowledged, and as long as too little work waits; until `end`."""
        self._wanted = wanted
        self._task = asyncio.create_task(self._feed())

    async def end(self) -> None:
        """Begin no more; wait for the answers of those that are under way."""
        await end_task(self._task)
        while self._short or self._busy:
            await (asyncio.wait(self._busy) if self._busy else self._one())

    async def _feed(self) -> None:
        while True:
            if len(self._busy) < SIDE_BY_SIDE and (
                self._short or await self._stage.value(OPEN_AUDIO) < AHEAD
            ):
                task = asyncio.create_task(self._one())
                self._busy.add(task)
                task.add_done_callback(self._busy.discard)
            await asyncio.sleep(0.3)

    @property
    def _short(self) -> bool:
        return len(self.acknowledged) + len(self._busy) < self._wanted

    async def _one(self) -> None:
        """Upload one recording; after an error again, as a client would."""
        length, owner = draw_length(self._luck), self._luck.choice(OWNERS)
        recording = make_recording(self._luck, length)
        gateways = self._stage.places["gateway"]
        for attempt in range(self._luck.randrange(2), 100):
            gateway = gateways[attempt % len(gateways)]
            answer = await post(gateway.url, self._stage.fleet.token(owner), recording)
            if found := run_id(answer):
                self._acknowledge(found, owner, length)
                return
            self.refused["no answer" if answer is None else _why(answer)] += 1
            await asyncio.sleep(0.5)


def _why(answer: httpx.Response) -> str:
    try:
        return f"{answer.status_code} {orjson.loads(answer.content)['code']}"
    except (ValueError, KeyError, TypeError):
        return str(answer.status_code)
