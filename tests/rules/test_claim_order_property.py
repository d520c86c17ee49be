"""Rule 11 for any work: claims come in the order of a model of a few lines, over the real claim and the real database.

The owner with the least service is next; of its units the most urgent; of those the one of the run with the least
service (its position); of those the first. Each claim is charged to its owner. Ahead of that order go small units, as
long as fewer than a quarter of the lane's slots (and at least one) run some.
"""

import itertools
from dataclasses import dataclass
from uuid import UUID

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
    """A lane's units, the seconds that each owner was served, and the slots of its workers."""

    units: list[Unit]
    served: dict[str, float]
    slots: list[int]

    def next(self) -> Unit | None:
        """Return the unit that is the fairest to do now."""
        ready = [unit for unit in self.units if unit.state == "ready"]
        if sum(unit.small for unit in self.units if unit.state == "running") < max(1, sum(self.slots) // 4):
            ready = [unit for unit in ready if unit.small] or ready
        return min(
            ready,
            key=lambda unit: (self.served[unit.owner], -unit.priority, unit.position, unit.id),
            default=None,
        )


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
    return Lane(units, served, draw(st.lists(st.integers(1, 9), max_size=2)))


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
    claims = Claims(shop.database, new_id())
    while expected := lane.next():
        claim = await claims.claim_unit(name, new_id(), redelivered=False)
        assert claim is not None
        assert claim.unit_id == expected.id
        expected.state = "running"
        lane.served[expected.owner] += expected.cost
        if expected.ends:
            await finish(claims, claim)
            expected.state = "done"
    assert await claims.claim_unit(name, new_id(), redelivered=False) is None
    rows = await shop.database.pool.fetch("SELECT owner, served FROM owner_service WHERE lane = $1", name)
    assert {row["owner"]: row["served"] for row in rows} == lane.served
