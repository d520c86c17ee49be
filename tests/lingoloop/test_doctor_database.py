"""What `lingoloop doctor` finds in PostgreSQL's connections, in clocks, and in RabbitMQ's version."""

from pathlib import Path

import pytest

from lingoloop.doctor import broker
from lingoloop.doctor_database import check_clock, check_connections, clock, connections
from lingoloop.finding import Setup, State
from lingoloop.folder import DataFolder
from lingoloop_common.lifecycle import running
from lingoloop_common.store.database import Database


@pytest.mark.parametrize(
    ("processes", "others", "state"),
    [(0, 0, State.OK), (7, 9, State.OK), (7, 10, State.WRONG), (8, 0, State.WRONG)],
)
def test_all_pools_one_more_and_others_must_find_room(processes: int, others: int, state: State) -> None:
    found = connections(pool=10, processes=processes, others=others, room=97)
    assert found.state is state
    assert f"{processes} processes of LingoLoop may open 11 each" in found.says


def test_it_is_said_how_many_connections_are_missing() -> None:
    assert "max_connections by 13" in connections(pool=10, processes=9, others=0, room=97).do[0]


async def test_processes_are_counted_by_their_guards(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    setup = Setup.here(DataFolder(tmp_path))
    alone = await check_connections(setup)
    assert "0 processes of LingoLoop may open 11 each" in alone.says
    services = [
        Database(database_url, pool_max=2, startup_timeout=5, exclusive=False),
        Database(database_url, pool_max=2, startup_timeout=5, exclusive=False),
    ]
    async with running(services):
        two = await check_connections(setup)
        monkeypatch.setenv("DB_POOL_MAX", "149")
        full = await check_connections(setup)
    assert (two.state, "2 processes of" in two.says) == (State.OK, True)
    assert (full.state, "lower DB_POOL_MAX" in full.do[0]) == (State.WRONG, True)
    monkeypatch.setenv("DB_POOL_MAX", "many")
    assert (await check_connections(setup)).state is State.SKIPPED


@pytest.mark.parametrize(
    ("most", "least", "state", "says"),
    [
        (0.1, -0.1, State.OK, "within 5 s"),
        (5.2, 4.9, State.OK, "within"),
        (8.0, -2.0, State.OK, "within"),  # a slow answer proves nothing
        (7.2, 7.1, State.WRONG, "7 s behind PostgreSQL's"),
        (-9.0, -9.1, State.WRONG, "9 s ahead of PostgreSQL's"),
    ],
)
def test_clocks_that_differ_by_more_than_an_answer_takes_are_named(
    most: float, least: float, state: State, says: str
) -> None:
    found = clock(most, least)
    assert (found.state, says in found.says) == (state, True), found


async def test_one_machine_agrees_with_itself(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    assert (await check_clock(Setup.here(DataFolder(tmp_path)))).state is State.OK


@pytest.mark.parametrize(
    ("version", "state"),
    [
        ("3.9.29", State.WRONG),
        ("3.10.8", State.OK),
        ("3.13.7", State.OK),
        ("4.1.0+rc.1", State.OK),
        ("4.2.0-beta.3", State.OK),
    ],
)
def test_a_rabbitmq_that_is_too_old_is_named(version: str, state: State) -> None:
    found = broker(version, "mq:5672/lingoloop")
    assert found.state is state
    assert f"RabbitMQ {version} at mq:5672/lingoloop" in found.says
