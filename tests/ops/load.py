"""Load for drills: clients that upload recordings of a minute or so, and remember what was acknowledged."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import asyncpg
import httpx

from lingoloop_common.lifecycle import end_task
from tests.chaos import checker
from tests.chaos.checker import Findings
from tests.chaos.facts import LEFT, owner_last, read_runs
from tests.chaos.recordings import make_recording
from tests.waiting import eventually

OWNERS = ("ann", "bob", "cid")
SIDE_BY_SIDE = 4
SETTINGS = {
    "ENGINE": "simulated",
    "SIMULATED_MS_PER_SECOND": "20",
    "MAX_CONCURRENT_JOBS": "2",
    "WORKER_RETRY_DELAYS": "500",
    "DB_POOL_MAX": "8",
    "ALLOW_PRIVATE_ADDRESSES": "1",
}


@dataclass(frozen=True, slots=True)
class Request:
    """An upload that can be sent once more, as by a client that lost the answer."""

    owner: str
    key: str
    length: int
    recording: bytes


class Load:
    """Uploads until it is stopped.

    Args:
        token: gives an owner's token.
        url: called for each upload: the gateway to send it to.
        webhook: who is told of each run's end.
        on_run: called with a run's id and its owner when it is acknowledged.
    """

    def __init__(
        self,
        token: Callable[[str], str],
        url: Callable[[], str],
        webhook: str,
        on_run: Callable[[str, str], None] = lambda *_: None,
    ) -> None:
        self._token, self._url, self._webhook, self._on_run = token, url, webhook, on_run
        self._luck = random.Random(7)
        self._tasks: list[asyncio.Task[None]] = []
        self.acknowledged: dict[str, Request] = {}
        """By the run's id, in the order of the answers."""
        self.refused: Counter[str] = Counter()

    def start(self) -> None:
        """Begin."""
        self._tasks = [asyncio.create_task(self._upload()) for _ in range(SIDE_BY_SIDE)]

    async def stop(self) -> None:
        """End, without the answers that have not come."""
        for task in self._tasks:
            await end_task(task)

    async def until(self, count: int) -> None:
        """Wait until so many more were acknowledged."""
        wanted = len(self.acknowledged) + count
        await eventually(lambda: len(self.acknowledged) >= wanted, seconds=90)

    async def send(self, request: Request) -> httpx.Response:
        """Send an upload to the gateway of the moment."""
        headers = {
            "Authorization": f"Bearer {self._token(request.owner)}",
            "Content-Type": "audio/wav",
            "Idempotency-Key": request.key,
        }
        query = {"filename": "talk.wav", "webhookUrl": self._webhook}
        async with httpx.AsyncClient(base_url=self._url(), headers=headers, timeout=40) as http:
            return await http.post("/api/audios", params=query, content=request.recording)

    async def _upload(self) -> None:
        """Upload one recording after the other; what got no answer, or 503, is sent again."""
        while True:
            length = self._luck.randrange(20_000, 200_000)
            key = f"key-{self._luck.getrandbits(64):x}"
            request = Request(self._luck.choice(OWNERS), key, length, make_recording(self._luck, length))
            while not await self._is_taken(request):  # noqa: ASYNC110
                await asyncio.sleep(0.3)
            await asyncio.sleep(0.1)

    async def _is_taken(self, request: Request) -> bool:
        try:
            answer = await self.send(request)
        except httpx.TransportError as error:
            self.refused[type(error).__name__] += 1
            return False
        if answer.status_code not in (200, 202):
            self.refused[f"{answer.status_code} {answer.json().get('code')}"] += 1
            return False
        run_id = answer.json()["runId"]
        self.acknowledged[run_id] = request
        self._on_run(run_id, request.owner)
        return True


async def comes_to_rest(database_url: str, *, seconds: float = 150) -> None:
    """Wait until no unit, run or message is left to be done, nor a webhook to be sent."""
    sql = f"{LEFT} UNION ALL SELECT 'webhooks', count(*) FROM webhook_delivery WHERE state <> 'delivered'"
    connection: asyncpg.Connection[Any] = await asyncpg.connect(database_url)
    left: dict[str, int] = {}

    async def nothing_is_left() -> bool:
        left.update({row[0]: row[1] for row in await connection.fetch(sql)})
        return not any(left.values())

    try:
        await eventually(nothing_is_left, seconds=seconds)
    except AssertionError as error:
        raise AssertionError(f"left after {seconds} s: {left}") from error
    finally:
        await connection.close()


async def last_numbers(database_url: str) -> dict[str, int]:
    """Return the number of each owner's last event; fail where one is missing."""
    async with asyncpg.create_pool(database_url, min_size=1, max_size=1) as pool:
        return {owner: await owner_last(pool, owner) for owner in OWNERS}


async def check_whole(database_url: str, acknowledged: Mapping[str, Request]) -> set[str]:
    """Check that all that was acknowledged has succeeded once, with its exact ledger, segments, event numbers, and webhook.

    Return the ids of all runs that are there: those of answers that nobody received must be whole too.
    """
    found = Findings()
    async with asyncpg.create_pool(database_url, min_size=1, max_size=2) as pool:
        runs = await read_runs(pool, [])
        checker.check_acknowledged({run: one.length for run, one in acknowledged.items()}, runs, found)
        for run in runs.values():
            checker.check_run(run, found)
        told = Counter(str(row["run_id"]) for row in await pool.fetch("SELECT run_id FROM webhook_delivery"))
    assert found.lines() == []
    await last_numbers(database_url)
    assert all(told[run_id] == 1 for run_id in acknowledged), "one webhook each"
    return set(runs)
