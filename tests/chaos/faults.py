"""The kinds of faults, in a table: each strikes, undoes what lasts, and says whether it hit.

It hit if a unit was running at the moment it struck, by the database's own word.
"""

import asyncio
import contextlib
import os
import random
import shutil
import signal
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import aio_pika
from aio_pika.exceptions import AMQPError

from lingoloop_common.broker import WORK, queue_name
from tests.chaos.recordings import OWNERS, make_recording, post, run_id
from tests.chaos.schedule import Planned
from tests.chaos.stage import LANE, Line, Place, Stage, say

Strike = Callable[[Stage, Planned], Awaitable[bool]]

FROZEN = 12.0
"""Seconds: more than a lease lasts."""

SOME_TOKENS = 8

UPLOADS = 6
"""Sent through a gateway whose relay is about to die."""


OLDEST_UNSENT = """
    SELECT extract(epoch FROM least(
        now(),
        (SELECT min(created_at) FROM outbox),
        (SELECT min(xact_start) FROM pg_stat_activity WHERE datname = current_database())))
"""
"""When the oldest event that is not sent yet was written: it bears the time at which its transaction began, which may be open."""


def _victim(stage: Stage, kind: str, planned: Planned) -> Place:
    places = stage.places[kind]
    return places[planned.victim % len(places)]


async def kill_service(kind: str, stage: Stage, planned: Planned) -> bool:
    """SIGKILL a service; the next fault of this kind waits until it is back."""
    place = _victim(stage, kind, planned)
    async with place.lock:
        hit = await stage.at_work()
        place.kill()
        await asyncio.sleep(1)
    return hit


async def kill_slot(stage: Stage, planned: Planned) -> bool:
    """SIGKILL the process of a transcriber's slot."""
    place = _victim(stage, "transcriber", planned)
    async with place.lock:
        hit = await stage.at_work()
        pid = place.service.process.pid
        with contextlib.suppress(OSError):
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
            if not children:
                return False  # it is only just starting
            os.kill(int(children[planned.victim % len(children)]), signal.SIGKILL)
            return hit
    return False


async def kill_relay(kind: str, stage: Stage, planned: Planned) -> bool:
    """Let a service commit but not publish: its broker swallows all; then SIGKILL it over its locked rows."""
    place = _victim(stage, kind, planned)
    line = place.lines["broker"]
    async with place.lock, line.lock:
        go = asyncio.Event()
        uploads = []
        if kind == "gateway":  # its rows are those of uploads; these are on their way when the line goes dead
            uploads = [asyncio.create_task(_upload(stage, place, n, go)) for n in range(UPLOADS)]
            await asyncio.sleep(0.5)
        await stage.at_work()
        line.proxy.hold()
        try:
            go.set()
            held = await _rows_in_hand(stage)
            hit = await stage.at_work()
            place.kill()
        finally:
            line.proxy.cut()
            line.proxy.release()
        await asyncio.gather(*uploads)
        await asyncio.sleep(1)
    return hit and held


async def _upload(stage: Stage, gateway: Place, number: int, go: asyncio.Event | None = None) -> bool:
    """Upload a minute or so; what is acknowledged is held to it."""
    owner, length = OWNERS[number % len(OWNERS)], 61_000 + 1_000 * number
    recording = make_recording(random.Random(), length)
    answer = await post(gateway.url, stage.fleet.token(owner), recording, go=go)
    if found := run_id(answer):
        stage.acknowledge(found, owner, length)
    return found is not None


async def _rows_in_hand(stage: Stage) -> bool:
    """Wait until rows of the outbox are committed, not sent, and locked by a relay that waits for its confirms."""
    sql = (
        "SELECT count(*) FROM outbox WHERE created_at < clock_timestamp() - interval '0.4 s' AND id NOT IN"
        " (SELECT id FROM outbox FOR UPDATE SKIP LOCKED)"
    )
    for _ in range(60):
        if await stage.value(sql):
            return True
        await asyncio.sleep(0.1)
    return False


async def restart_postgres(number: int, stage: Stage, planned: Planned) -> bool:
    """Stop PostgreSQL cleanly, or kill it; start it again."""
    server = stage.postgres
    async with stage.postgres_lock:
        hit = await stage.at_work()
        await asyncio.to_thread(server.stop if number == signal.SIGTERM else server.kill)
        await asyncio.sleep(planned.seconds / 5)
        server.launch()  # here, not in the thread: it dies with the thread that starts it
        await asyncio.to_thread(server.wait_ready)
    return hit


async def restart_rabbitmq(number: int, stage: Stage, planned: Planned) -> bool:
    """Stop RabbitMQ cleanly, or kill it; start it again."""
    server = stage.rabbit
    async with stage.rabbit_lock:
        oldest = await stage.value(OLDEST_UNSENT)
        hit = await stage.at_work()
        stage.tap.loses(float(oldest))
        await asyncio.to_thread(server.stop if number == signal.SIGTERM else server.kill)
        server.launch()
        await asyncio.to_thread(server.wait_ready)
    return hit


async def cut(stage: Stage, line: Line, planned: Planned) -> bool:
    """Reset all connections of a line."""
    hit = await stage.at_work()
    line.proxy.cut()
    return hit


async def delay(stage: Stage, line: Line, planned: Planned) -> bool:
    """Let everything on a line come up to 0.3 s late."""
    luck = random.Random(planned.victim)
    hit = await stage.at_work()
    end = asyncio.get_running_loop().time() + planned.seconds
    while asyncio.get_running_loop().time() < end:
        line.proxy.hold()
        await asyncio.sleep(luck.uniform(0.1, 0.3))
        line.proxy.release()
        await asyncio.sleep(0.02)
    return hit


async def black_hole(stage: Stage, line: Line, planned: Planned) -> bool:
    """Swallow all on a line, then reset its connections."""
    hit = await stage.at_work()
    line.proxy.hold()
    await asyncio.sleep(planned.seconds)
    line.proxy.cut()
    line.proxy.release()
    return hit


async def on_line(
    how: Callable[[Stage, Line, Planned], Awaitable[bool]],
    kind: str,
    server: str,
    stage: Stage,
    planned: Planned,
) -> bool:
    """Do something to the line between a service and a server."""
    line = _victim(stage, kind, planned).lines[server]
    async with line.lock:
        try:
            return await how(stage, line, planned)
        finally:
            line.proxy.release()


async def full_disk(stage: Stage, planned: Planned) -> bool:
    """Fill the blobs' disk to its last byte, upload, and make room again: what is acknowledged must still be whole."""
    big = stage.blobs / "big"
    hit = await stage.at_work()
    try:
        with big.open("wb") as file, contextlib.suppress(OSError):
            while free := shutil.disk_usage(stage.blobs).free:
                os.posix_fallocate(file.fileno(), os.fstat(file.fileno()).st_size, free)
        if await _upload(stage, _victim(stage, "gateway", planned), planned.victim):
            say("an upload found room on the full disk")  # what another one gave up at that moment
        await asyncio.sleep(planned.seconds / 2)
    finally:
        big.unlink(missing_ok=True)
    return hit


async def double_tokens(stage: Stage, planned: Planned) -> bool:
    """Publish tokens that wait, and those of running units, once more, the last first; put back the others in disorder."""
    async with stage.rabbit_lock:
        hit = await stage.at_work()
        rows = await stage.ask(lambda pool: pool.fetch("SELECT message_id FROM unit WHERE state = 'running'"))
        with contextlib.suppress(AMQPError, OSError):
            connection = await aio_pika.connect(stage.broker_url, timeout=10)
            async with connection:
                await _copy_tokens(connection, [str(row["message_id"]) for row in rows])
            return hit
    return False


async def _copy_tokens(connection: Any, ids: list[str]) -> None:
    channel = await connection.channel()
    queue = await channel.get_queue(queue_name(LANE))
    work = await channel.get_exchange(WORK)
    waiting = [token for _ in range(10) if (token := await queue.get(fail=False)) is not None]
    for message_id in [token.message_id or "" for token in reversed(waiting)] + ids:
        copy = aio_pika.Message(b"", message_id=message_id, delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
        await work.publish(copy, queue_name(LANE))
    for token in reversed(waiting):
        await token.reject(requeue=True)


async def purge_queue(stage: Stage, planned: Planned) -> bool:
    """Drop all tokens that wait, as soon as there are some."""
    async with stage.rabbit_lock:
        for _ in range(20):
            hit = await stage.at_work()
            with contextlib.suppress(AMQPError, OSError):
                async with await aio_pika.connect(stage.broker_url, timeout=10) as connection:
                    queue = await (await connection.channel()).get_queue(queue_name(LANE))
                    if (queue.declaration_result.message_count or 0) >= SOME_TOKENS:
                        await queue.purge()
                        return hit
            await asyncio.sleep(0.3)
    return False


async def freeze_worker(stage: Stage, planned: Planned) -> bool:
    """SIGSTOP a transcriber until its lease has ended, then let it go on."""
    place = _victim(stage, "transcriber", planned)
    async with place.lock:
        hit = await stage.at_work()
        frozen = place.service
        frozen.send(signal.SIGSTOP)
        await asyncio.sleep(FROZEN)
        frozen.send(signal.SIGCONT)
    return hit


KINDS: dict[str, Strike] = {
    "kill gateway": partial(kill_service, "gateway"),
    "kill transcriber": partial(kill_service, "transcriber"),
    "kill notifier": partial(kill_service, "notifier"),
    "kill slot": kill_slot,
    "kill gateway's relay": partial(kill_relay, "gateway"),
    "kill transcriber's relay": partial(kill_relay, "transcriber"),
    "stop postgres": partial(restart_postgres, signal.SIGTERM),
    "kill postgres": partial(restart_postgres, signal.SIGKILL),
    "stop rabbitmq": partial(restart_rabbitmq, signal.SIGTERM),
    "kill rabbitmq": partial(restart_rabbitmq, signal.SIGKILL),
    "full disk": full_disk,
    "double tokens": double_tokens,
    "purge queue": purge_queue,
    "freeze worker": freeze_worker,
}
KINDS.update(
    (f"{name} {kind}-{server}", partial(on_line, how, kind, server))
    for name, how in (("cut", cut), ("delay", delay), ("hold", black_hole))
    for kind in ("gateway", "transcriber", "notifier")
    for server in ("database", "broker")
)


def possible(stage: Stage) -> list[str]:
    """Return the kinds that can be done here."""
    return [kind for kind in KINDS if stage.disk or kind != "full disk"]
