"""Rule 11 for any work: claims come in the order of a model of a few lines, over the real claim and the real database.

The owner with the least service is next; of its units the most urgent; of those the one of the run with the least
service (its position); of those the first. Each claim is charged to its owner. Ahead of that order go small units, as
long as fewer than a quarter of the lane's slots (and at least one) run some. Tokens that come together get what they would
get one after the other, but that each owner goes ahead once.
"""

import asyncio
import itertools
from dataclasses import dataclass
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lingoloop_common.store.ids import new_id
from lingoloop_transcriber.claims import Claims
from tests.rows import add_run, add_unit, add_worker
from tests.rules.workshop import Workshop, finish

numbers = itertools.count()


@dataclass
class Unit:
    """A unit as the claim sees it; `ends` says whether its holder is done with it before the next claim."""

    id: UUID
    owner: str
    run: int
    state: str
    small: bool
    priority: int
    position: float
    cost: float
    ends: bool


@dataclass
class Lane:
    """A lane's units, the seconds that each owner was served, the slots of its workers, and tokens that come together."""

    units: list[Unit]
    served: dict[str, float]
    slots: list[int]
    hands: list[int]

    def claim(self, tokens: int) -> list[Unit]:
        """Give so many tokens the units that are the fairest to do now."""
        claimed: list[Unit] = []
        running = sum(unit.small for unit in self.units if unit.state == "running")
        room = max(1, sum(self.slots) // 4) - running
        while len(claimed) < min(room, tokens):
            ahead = {unit.owner for unit in claimed}
            if not self._take(
                [unit for unit in self.units if unit.small and unit.owner not in ahead], claimed
            ):
                break
        while len(claimed) < tokens and self._take(self.units, claimed):
            pass
        return claimed

    def _take(self, units: list[Unit], claimed: list[Unit]) -> bool:
        ready = [unit for unit in units if unit.state == "ready"]
        if not ready:
            return False
        unit = min(ready, key=lambda unit: (self.served[unit.owner], -unit.priority, unit.position, unit.id))
        unit.state = "running"
        self.served[unit.owner] += unit.cost
        claimed.append(unit)
        return True


@st.composite
def lanes(draw: st.DrawFn) -> Lane:
    """Up to four owners, each with up to three runs; few values, so that equals are common."""
    owners = "abcd"[: draw(st.integers(1, 4))]
    ids = sorted(new_id() for _ in range(draw(st.integers(0, 20))))
    units = [
        Unit(
            id=unit_id,
            owner=draw(st.sampled_from(owners)),
            run=draw(st.integers(0, 2)),
            state=draw(st.sampled_from(["ready", "ready", "ready", "ready", "waiting", "running"])),
            small=draw(st.integers(0, 3)) == 0,
            priority=draw(st.integers(0, 2)),
            position=20.0 * draw(st.integers(0, 2)),
            cost=draw(st.sampled_from([1.0, 20.0, 28.0])),
            ends=draw(st.booleans()),
        )
        for unit_id in draw(st.permutations(ids))
    ]
    # A hair's breadth apart, for the order of owners with the very same service is left open; costs are whole seconds.
    served = {owner: draw(st.integers(0, 80)) + index / 1000 for index, owner in enumerate(owners)}
    hands = draw(st.lists(st.integers(1, 6), min_size=1, max_size=3))
    return Lane(units, served, draw(st.lists(st.integers(1, 9), max_size=2)), hands)


async def lay_out(shop: Workshop, lane: Lane, name: str) -> None:
    """Write the lane's rows, under a name of its own."""
    async with shop.database.pool.acquire() as connection, connection.transaction():
        runs = {
            key: await add_run(connection, owner=key[0], lane=name, units=0)
            for key in {(unit.owner, unit.run) for unit in lane.units}
        }
        for unit in lane.units:
            await add_unit(
                connection,
                runs[unit.owner, unit.run],
                id=unit.id,
                state=unit.state,
                small=unit.small,
                priority=unit.priority,
                position=unit.position,
                cost=unit.cost,
            )
        for owner, served in lane.served.items():
            await connection.execute(
                "INSERT INTO owner_service (lane, owner, served) VALUES ($1, $2, $3)"
                " ON CONFLICT (lane, owner) DO UPDATE SET served = $3",
                name,
                owner,
                served,
            )
        for slots in lane.slots:
            await add_worker(connection, lane=name, slots=slots)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lane=lanes())
async def test_claims_come_in_the_order_of_the_model(shop: Workshop, lane: Lane) -> None:
    name = f"simulated.{next(numbers)}"
    await lay_out(shop, lane, name)
    claims = Claims(shop.database, new_id(), name)
    hands = itertools.cycle(lane.hands)
    while expected := lane.claim(next(hands)):
        tokens = [claims.claim_unit(new_id(), redelivered=False) for _ in expected]
        got = await asyncio.gather(*tokens)
        assert [claim and claim.unit_id for claim in got] == [unit.id for unit in expected]
        for claim, unit in zip(got, expected, strict=True):
            if claim and unit.ends:
                await finish(claims, claim)
                unit.state = "done"
    assert await claims.claim_unit(new_id(), redelivered=False) is None
    rows = await shop.database.pool.fetch("SELECT owner, served FROM owner_service WHERE lane = $1", name)
    assert {row["owner"]: row["served"] for row in rows} == pytest.approx(lane.served)
