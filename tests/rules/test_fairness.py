"""Rule 11: the owner with the least service is next, then priority, then the run with the least."""

from dataclasses import dataclass

import pytest

from lingoloop_common.store.ids import new_id
from lingoloop_common.store.runs import SQL as RUN_SQL
from lingoloop_common.sweep import Sweep
from lingoloop_transcriber.claims import Claims
from tests.rows import add_unit, add_worker
from tests.rules.workshop import LANE, Workshop, claimed, finish


@dataclass(frozen=True)
class Waiting:
    """Units of one run that are ready."""

    name: str
    owner: str = "ann"
    priority: int = 0
    positions: tuple[float, ...] = (0.0,)
    cost: float = 20.0
    small: bool = False


ORDERS: dict[str, tuple[list[Waiting], dict[str, float], str]] = {
    "owners take turns": (
        [Waiting("a", positions=(0, 20, 40)), Waiting("b", "bob", positions=(0, 20, 40))],
        {},
        "ababab",
    ),
    "the owner with the least service catches up first": (
        [Waiting("a", positions=(0, 20)), Waiting("b", "bob", positions=(0, 20, 40, 60))],
        {"ann": 50, "bob": 0},
        "bbbaba",
    ),
    "many runs give an owner no larger share": (
        [Waiting("a"), Waiting("c"), Waiting("e"), Waiting("b", "bob", positions=(0, 20, 40))],
        {},
        "abcbeb",
    ),
    "priority decides among an owner's own": (
        [Waiting("a", positions=(0, 20)), Waiting("x", priority=5, positions=(0, 20))],
        {},
        "xxaa",
    ),
    "priority gives nothing against other owners": (
        [Waiting("a", priority=9, positions=(0, 20)), Waiting("b", "bob", positions=(0, 20))],
        {},
        "abab",
    ),
    "an owner's runs progress side by side": (
        [Waiting("a", positions=(0, 20, 40)), Waiting("c", positions=(0, 20, 40))],
        {},
        "acacac",
    ),
    "cost counts, not the number of units": (
        [Waiting("a", positions=(0, 20), cost=40), Waiting("b", "bob", positions=(0, 10, 20, 30), cost=20)],
        {},
        "abbabb",
    ),
}


async def lay_out(shop: Workshop, runs: list[Waiting], served: dict[str, float]) -> dict[object, str]:
    names: dict[object, str] = {}
    await add_runs(shop, names, runs)
    for number, owner in enumerate(sorted({waiting.owner for waiting in runs})):
        # A hair's breadth apart, so that the order of equals is not left to chance.
        await set_served(shop, owner, served.get(owner, 0) + number / 1000)
    return names


async def add_runs(shop: Workshop, names: dict[object, str], runs: list[Waiting]) -> None:
    for waiting in runs:
        run = await shop.add_run(owner=waiting.owner, units=0)
        names[run.run_id] = waiting.name
        async with shop.database.pool.acquire() as connection:
            for position in waiting.positions:
                await add_unit(
                    connection,
                    run,
                    position=position,
                    priority=waiting.priority,
                    cost=waiting.cost,
                    small=waiting.small,
                )


async def set_served(shop: Workshop, owner: str, served: float) -> None:
    await shop.database.pool.execute("UPDATE owner_service SET served = $2 WHERE owner = $1", owner, served)


async def served(shop: Workshop, owner: str) -> float:
    return float(await shop.value("SELECT served FROM owner_service WHERE owner = $1", owner))


async def claim_order(shop: Workshop, names: dict[object, str]) -> str:
    claims, order = Claims(shop.database, new_id(), LANE), ""
    while claim := await claims.claim_unit(new_id(), redelivered=False):
        order += names[claim.run_id]
    return order


@pytest.mark.parametrize("case", ORDERS)
async def test_claims_come_in_the_fair_order(shop: Workshop, case: str) -> None:
    runs, before, order = ORDERS[case]
    assert await claim_order(shop, await lay_out(shop, runs, before)) == order


async def test_one_owner_alone_gets_every_slot(shop: Workshop) -> None:
    names = await lay_out(shop, [Waiting("a", positions=tuple(range(10)))], {"ann": 1e6})
    assert await claim_order(shop, names) == "a" * 10


async def test_a_claim_is_charged_with_the_units_length(shop: Workshop) -> None:
    await lay_out(shop, [Waiting("a", cost=17.5)], {})
    await claimed(Claims(shop.database, new_id(), LANE))
    assert await served(shop, "ann") == 17.5


@pytest.mark.parametrize(
    ("own", "others", "start"),
    [
        (0.0, [300.0, 500.0], 299.999),
        (400.0, [300.0, 500.0], 400.0),
        (7.0, [], 7.0),
        (None, [300.0], 299.999),
    ],
    ids=["starts before the least served", "keeps what it owes", "alone keeps its own", "is new"],
)
async def test_an_owner_that_was_idle_starts_a_hair_before_the_others(
    shop: Workshop, own: float | None, others: list[float], start: float
) -> None:
    insert = "INSERT INTO owner_service (lane, owner, served, active) VALUES ($1, $2, $3, $4)"
    if own is not None:
        await shop.database.pool.execute(insert, LANE, "ann", own, False)
    for number, value in enumerate(others):
        await shop.database.pool.execute(insert, LANE, f"other{number}", value, True)
    await shop.database.pool.execute(insert, LANE, "idle", 1.0, False)
    await shop.database.pool.execute(RUN_SQL["activate_owner"], LANE, "ann")
    assert await served(shop, "ann") == start


async def test_newcomers_are_level_with_each_other_until_they_are_served(shop: Workshop) -> None:
    names = await lay_out(shop, [Waiting("o", "old", positions=(0, 1), cost=20)], {"old": 500})
    for newcomer in ("ann", "bob", "cid"):
        await shop.database.pool.execute(RUN_SQL["activate_owner"], LANE, newcomer)
        assert await served(shop, newcomer) == 499.999
        await add_runs(shop, names, [Waiting(newcomer[0], newcomer, cost=20)])
    assert sorted((await claim_order(shop, names))[:3]) == ["a", "b", "c"]
    await shop.database.pool.execute(RUN_SQL["activate_owner"], LANE, "dan")
    assert await served(shop, "dan") == 519.998


async def test_an_owner_that_is_active_keeps_its_place_when_more_is_uploaded(shop: Workshop) -> None:
    await lay_out(shop, [Waiting("a"), Waiting("b", "bob")], {"ann": 10, "bob": 90})
    await shop.database.pool.execute(RUN_SQL["activate_owner"], LANE, "ann")
    assert await served(shop, "ann") == 10


async def test_the_sweep_notices_who_has_become_idle(shop: Workshop) -> None:
    await lay_out(shop, [Waiting("a"), Waiting("b", "bob")], {})
    claims = Claims(shop.database, new_id(), LANE)
    await finish(claims, await claimed(claims))
    await Sweep(shop.database, shop.broker, shop.relay).sweep()
    rows = await shop.database.pool.fetch("SELECT owner FROM owner_service WHERE active")
    assert [row["owner"] for row in rows] == ["bob"]


@pytest.mark.parametrize(("slots", "ahead"), [(1, 1), (4, 1), (8, 2), (19, 4)])
async def test_small_runs_go_ahead_in_a_quarter_of_the_slots_and_at_least_one(
    shop: Workshop, slots: int, ahead: int
) -> None:
    async with shop.database.pool.acquire() as connection:
        await add_worker(connection, slots=slots)
        await add_worker(connection, slots=100, lease=None)
    large = Waiting("L", "zoe", positions=tuple(range(8)))
    small = [Waiting("s", f"sam{number}", cost=1.0, small=True) for number in range(8)]
    names = await lay_out(shop, [large, *small], {f"sam{number}": 1000 for number in range(8)})
    order = await claim_order(shop, names)
    assert order[: ahead + 1] == "s" * ahead + "L"
    assert order.count("s", 0, ahead + 8) == ahead


async def test_a_place_ahead_is_free_again_when_its_small_run_has_ended(shop: Workshop) -> None:
    small = [Waiting("s", f"sam{number}", small=True) for number in range(2)]
    names = await lay_out(shop, [Waiting("L", positions=(0, 1)), *small], {"sam0": 1000, "sam1": 1000})
    claims = Claims(shop.database, new_id(), LANE)
    first = await claimed(claims)
    second = await claimed(claims)
    await finish(claims, first)
    third = await claimed(claims)
    assert [names[claim.run_id] for claim in (first, second, third)] == ["s", "L", "s"]


async def test_small_runs_are_charged_too(shop: Workshop) -> None:
    await lay_out(shop, [Waiting("s", cost=9.0, small=True)], {})
    await claimed(Claims(shop.database, new_id(), LANE))
    assert await served(shop, "ann") == 9.0


async def test_among_small_runs_the_owner_with_the_least_service_is_next(shop: Workshop) -> None:
    small = [Waiting("x", "ann", small=True), Waiting("y", "bob", small=True)]
    names = await lay_out(shop, small, {"ann": 100, "bob": 50})
    assert names[(await claimed(Claims(shop.database, new_id(), LANE))).run_id] == "y"
