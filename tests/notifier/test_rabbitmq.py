"""The same over a real RabbitMQ, and over a line to it that breaks."""

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest

from lingoloop_common.broker.rabbitmq import RabbitBroker
from tests.notifier.world import World, running_world
from tests.servers.proxy import Proxy
from tests.waiting import eventually


@pytest.fixture
async def proxy(rabbitmq_url: str) -> AsyncIterator[Proxy]:
    """A line to RabbitMQ that can be cut."""
    async with Proxy(urlsplit(rabbitmq_url).port or 0) as proxy:
        yield proxy


@pytest.fixture
async def rabbit_world(migrated_url: str, rabbitmq_url: str, proxy: Proxy) -> AsyncIterator[World]:
    """A notifier on RabbitMQ behind the proxy."""
    url = rabbitmq_url.replace(f":{urlsplit(rabbitmq_url).port}", f":{proxy.port}")
    async with running_world(migrated_url, RabbitBroker(url, startup_timeout=20)) as world:
        yield world


async def send_when_possible(world: World) -> None:
    """Send the outbox as the relay does: again until the broker confirms."""

    async def sent() -> bool:
        try:
            await world.send()
        except Exception:
            return False
        return True

    await eventually(sent)


async def test_events_come_in_order_to_runs_and_owners(rabbit_world: World) -> None:
    world = rabbit_world
    runs = [await world.add_run(owner, units=10) for owner in ("ann", "ben")]
    async with (
        world.listen("ann", runs[0]) as run_of_ann,
        world.listen("ann", None) as all_of_ann,
        world.listen("ben", None) as all_of_ben,
    ):
        for listener in (run_of_ann, all_of_ann, all_of_ben):
            await listener.next()
        for index in range(10):
            for run in runs:
                await world.finish_chunk(run, index)
        numbers = [str(number) for number in range(2, 12)]
        assert [frame.id for frame in await run_of_ann.rest()] == numbers
        assert [frame.id for frame in await all_of_ann.take(10)] == numbers
        of_ben = await all_of_ben.take(10)
    assert {frame.data["runId"] for frame in of_ben} == {str(runs[1].run_id)}


async def test_events_of_the_time_without_a_broker_are_read_after_it_is_back(
    rabbit_world: World, proxy: Proxy
) -> None:
    world = rabbit_world
    run = await world.add_run("ann", units=10)
    async with world.listen("ann", run) as listener, world.listen("ann", None) as all_runs:
        await listener.next()
        await all_runs.next()
        await proxy.refuse()
        for _ in range(3):
            await world.write(run)
        # They were published by a process that could reach the broker, which this one could not.
        await world.database.pool.execute("DELETE FROM outbox")
        await proxy.allow()
        assert [frame.id for frame in await listener.take(3)] == ["2", "3", "4"]
        assert [frame.id for frame in await all_runs.take(3)] == ["2", "3", "4"]
        await world.write(run)
        await send_when_possible(world)
        assert (await listener.next()).id == "5"


async def test_streams_open_at_once_while_the_broker_is_away_and_hear_of_events_when_it_is_back(
    rabbit_world: World, proxy: Proxy
) -> None:
    world = rabbit_world
    owners = [f"owner {number}" for number in range(5)]
    runs = [await world.add_run(owner) for owner in owners]
    await proxy.refuse()
    begin = asyncio.get_running_loop().time()
    opened = [world.listen(owner, run) for owner, run in zip(owners, runs, strict=True)]
    listeners = [await context.__aenter__() for context in opened]
    for listener in listeners:
        await listener.next()
    assert asyncio.get_running_loop().time() - begin < 8
    for run in runs:
        await world.write(run)
    await proxy.allow()
    await send_when_possible(world)
    for listener in listeners:
        assert (await listener.next()).id == "2"
    for context in opened:
        await context.__aexit__(None, None, None)
