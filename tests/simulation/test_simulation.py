"""Two hundred owners, runs from 20 s to 10 h and 64 slots that come and go: the order is fair, the forecast honest.

Claims, database and broker are the real ones, and so is time: two cores carry 64 chunks a second, so nothing is
compressed. Only the slots are no processes (see `slots.py`).
"""

import asyncio
import itertools
import math
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from tests.simulation.measures import always_in, busy_share, first_full, full_share, jain, median_error
from tests.simulation.slots import CHUNK, CHUNK_TIME
from tests.simulation.stage import Stage, opened
from tests.simulation.watch import watching
from tests.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(150)]

OWNERS = 200
SHORTEST, LONGEST = 20.0, 36_000.0
WORKERS, SLOTS = 8, 64
WINDOW = 60.0
"""Seconds in which workers come and go, after the first plans have been made."""

FLOOD = 60
"""How many newcomers come together once: nearly as many as there are slots, and more than small runs may take ahead of the order
in two rounds, which is 32. The order helps the others: they start before all who have been served."""


@pytest.fixture
async def stage(migrated_url: str, rabbitmq_url: str, tmp_path: Path) -> AsyncIterator[Stage]:
    """A stage with an empty database and broker."""
    async with opened(migrated_url, rabbitmq_url, tmp_path) as stage:
        yield stage


async def test_two_hundred_owners_share_slots_that_come_and_go(stage: Stage) -> None:
    luck = random.Random(20)
    for number in range(OWNERS):
        chunks = math.exp(luck.uniform(0, math.log(LONGEST / SHORTEST)))
        await stage.upload(f"owner{number}", SHORTEST * round(chunks))
    await stage.grow(WORKERS)
    async with watching(stage) as watch, asyncio.TaskGroup() as group:
        arriving = group.create_task(let_newcomers_come(stage))
        await eventually(lambda: all_plans_begun(stage), seconds=60)
        begin, before = time.monotonic(), await stage.done_by_owner()
        await come_and_go(stage, begin)
        end, after = time.monotonic(), await stage.done_by_owner()
        arriving.cancel()
    backlogged = always_in([owners for at, owners in watch.backlogs if begin <= at <= end])
    served = [after[owner] - before[owner] for owner in backlogged]
    share = busy_share(look for look in watch.looks if begin <= look.at <= end)
    new, known = await stage.waits("newcomer%"), await stage.waits("owner%")
    said = await watch.came_true()
    lost, failed = await stage.mishaps()
    print(f"\nJain's index over {end - begin:.0f} s of {len(served)} owners: {jain(served):.4f}")
    print(f"slots busy while work waited: {share:.2%}")
    print(f"{len(new)} newcomers waited for their first chunk's beginning at most {max(new):.2f} s")
    print(f"{len(known)} small runs of owners with a backlog: {max(known):.2f} s")
    print(f"with newcomers, {len(said)} forecasts were wrong by {median_error(said):.1%} (median)")
    assert len(served) >= 80
    assert jain(served) >= 0.98
    assert share >= 0.95
    assert len(new) >= 20 + FLOOD
    assert max(new) <= 2 * CHUNK_TIME
    assert len(known) >= 20
    assert max(known) <= 2 * CHUNK_TIME
    assert lost, "nobody was killed at work"
    assert not failed


async def test_a_lone_run_uses_every_slot(stage: Stage) -> None:
    await stage.grow(WORKERS)
    await eventually(lambda: all(member.settled for member in stage.members))
    async with watching(stage) as watch:
        run = await stage.upload("ann", 3600)
        await eventually(lambda: stage.shop.run_ended(run.run_id), seconds=30)
    begun = next(look.at for look in watch.looks if look.busy)
    full = first_full(watch.looks, SLOTS)
    assert full is not None
    share = full_share(watch.looks, SLOTS)
    print(
        f"\nall {SLOTS} slots busy {full - begun:.2f} s after the plan's beginning, then {share:.1%};"
        f" {watch.looks[-1].at - begun:.1f} s in all"
    )
    assert full - begun <= 3
    assert share >= 0.95


async def test_what_is_said_at_a_quarter_comes_true(stage: Stage) -> None:
    luck = random.Random(5)
    for number in range(40):
        await stage.upload(f"owner{number % 32}", CHUNK * luck.randint(20, 64))
    await stage.grow(WORKERS)
    async with watching(stage) as watch:
        await eventually(lambda: all_ended(stage), seconds=90)
    said = await watch.came_true()
    error = median_error(said)
    print(f"\n{len(said)} forecasts at a quarter were wrong by {error:.1%} (median)")
    assert len(said) >= 30
    assert error <= 0.15
    assert await stage.mishaps() == (0, 0)


async def come_and_go(stage: Stage, begin: float) -> None:
    """Let workers stop, start and be killed, for as long as the window lasts."""
    changes: list[tuple[float, Callable[[], Awaitable[None]]]] = [
        (8, lambda: stage.shrink(1)),
        (14, lambda: stage.grow(1)),
        (22, stage.lose),
        (34, lambda: stage.grow(1)),
        (40, lambda: stage.shrink(2)),
        (46, lambda: stage.grow(2)),
        (51, lambda: let_many_come(stage)),
    ]
    for at, change in changes:
        await asyncio.sleep(begin + at - time.monotonic())
        await change()
    await asyncio.sleep(begin + WINDOW - time.monotonic())


async def let_newcomers_come(stage: Stage) -> None:
    """Let somebody new come with 20 s every two seconds, and an owner with a backlog with as much."""
    for number in itertools.count():
        await stage.upload(f"newcomer{number}", SHORTEST, small=True)
        await stage.upload(f"owner{number}", SHORTEST, small=True)
        await asyncio.sleep(2)


async def let_many_come(stage: Stage) -> None:
    """Let many newcomers come together."""
    for number in range(FLOOD):
        await stage.upload(f"newcomer-of-many{number}", SHORTEST, small=True)


async def all_plans_begun(stage: Stage) -> bool:
    """Whether each run that is not small has been cut as far ahead as it may be, for the first time."""
    return not await stage.fetch(
        "SELECT FROM unit WHERE kind = 'plan' AND NOT small AND attempt <= 1 AND state IN ('ready', 'running')"
    )


async def all_ended(stage: Stage) -> bool:
    return not await stage.fetch("SELECT FROM transcript_run WHERE completed_at IS NULL")
