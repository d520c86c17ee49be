"""Whatever clients send, the number of series stays what it is, and no label says who they are or what they sent."""

import re
import secrets
import time
from collections.abc import Iterator
from uuid import uuid4

import pytest
from prometheus_client import REGISTRY

from lingoloop_common import metrics
from lingoloop_common.errors import PROBLEMS, WORK_ERRORS
from lingoloop_common.metrics import METHODS
from tests import media
from tests.gateway.raw_http import exchange
from tests.gateway.world import World
from tests.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

MADE_UP = re.compile(r"[0-9a-f]{8}-|[0-9a-f]{12}|owner-|canary", re.IGNORECASE)
"""Ids, hashes, owners, and what these tests send."""


def series() -> set[tuple[str, tuple[tuple[str, str], ...]]]:
    return {
        (sample.name, tuple(sorted(sample.labels.items())))
        for family in REGISTRY.collect()
        if family.name.startswith("lingoloop_")
        for sample in family.samples
    }


def label_values() -> Iterator[tuple[str, str]]:
    for _, labels in series():
        yield from labels


def canary() -> str:
    """Return what nobody has sent before."""
    return f"canary-{secrets.token_hex(8)}"


async def be_hostile(world: World, owner: str) -> None:
    """Send what could be taken for a label, all of it new each time."""
    bearer, word = world.bearer(owner), canary()
    for target in (
        f"/{word}", f"/api/{word}", f"/api/runs/{word}", f"/api/runs/{uuid4()}", f"/api/runs/{uuid4()}/events", f"/assets/{word}",
        f"/api/audios/{uuid4()}/content?access_token={word}", f"/api/runs?status={word}", f"/v1/models/{word}", f"/{word}/a/b/c?x=1",
        f"/api/runs/{uuid4()}/export?fmt={word}", f"/api/uploads/{uuid4()}", f"/api/admin/dead-letters/{uuid4()}/replay",
    ):  # fmt: skip
        for method in ("GET", "POST", word.upper()):
            await world.http.request(method, target, headers=bearer)
    for options in ({"engine": word}, {"model": word}, {"language": word}, {"filename": word}):
        await world.post(owner, media.unlike_others(), **options)
    await world.post(owner, b"not a recording", kind=f"audio/{word}")
    await world.post_form(owner, media.unlike_others(), engine=word, metadata=f'{{"a": "{word}"}}')
    created = {"Tus-Resumable": "1.0.0", "Upload-Length": "3", "Upload-Metadata": f"filename {word}"}
    await world.http.post("/api/uploads", headers={**bearer, **created, "X-HTTP-Method-Override": word})
    await world.http.get("/api/runs", headers={"Authorization": f"Bearer {word}"})
    await exchange(world.gateway.url, f"{word} /{word} HTTP/1.1\r\nHost: {word}\r\n\r\n".encode())


async def test_hostile_requests_make_no_series_of_their_own(world: World) -> None:
    await be_hostile(world, world.new_owner())
    ended = {"lane": "simulated", "kind": "chunk", "outcome": "done"}
    # What a worker has done it counts after clients are told of it.
    await eventually(lambda: REGISTRY.get_sample_value("lingoloop_units_ended_total", ended))
    before, values = series(), set(label_values())
    for _ in range(5):
        await be_hostile(world, world.new_owner())
    assert set(label_values()) == values
    # Of other series the first may come at any time: the sweep's, when it finds a token missing.
    assert [
        one for one in series() - before if one[0].startswith(("lingoloop_http", "lingoloop_upload"))
    ] == []


async def test_labels_say_nothing_that_clients_made_up(world: World) -> None:
    metrics.HTTP_SECONDS.clear()  # of what other tests serve here
    owner = world.new_owner()
    run = await world.accepted(owner)
    await world.finished(owner, run["runId"])
    await be_hostile(world, owner)
    assert [pair for pair in label_values() if MADE_UP.search(pair[1])] == []
    assert {value for name, value in label_values() if name == "method"} <= {*METHODS, "other"}
    assert {value for name, value in label_values() if name == "code"} <= {*WORK_ERRORS, "none", "other"}
    statuses = {value for name, value in label_values() if name == "status"} - {"succeeded", "failed"}
    known = {int(status) for status in PROBLEMS.values()} | {200, 201, 202, 204, 206, 304, 307, 499}
    assert {int(status) for status in statuses} <= known
    routes = {value for name, value in label_values() if name == "route"}
    served = {route.resource.canonical for route in world.gateway.app.router.routes() if route.resource}
    served |= {route.resource.canonical for route in world.notifier.app.router.routes() if route.resource}
    assert routes <= {*served, "unmatched"}


async def test_a_stream_counts_until_it_began_not_until_it_ended(world: World) -> None:
    """Streams last for hours: in the histogram they would hide what clients wait for."""
    owner = world.new_owner()
    route = {"method": "GET", "route": "/api/runs/events", "status": "200"}

    def value(name: str, **labels: str) -> float:
        return REGISTRY.get_sample_value(f"lingoloop_{name}", labels) or 0.0

    seconds, count, streams = (
        value("http_seconds_sum", **route),
        value("http_seconds_count", **route),
        value("http_in_flight", kind="stream"),
    )
    asked = time.perf_counter()
    async with world.http.stream("GET", "/api/runs/events", headers=world.bearer(owner)) as answer:
        async for line in answer.aiter_lines():
            if "snapshot" in line:
                break
        began = time.perf_counter()
        assert value("http_in_flight", kind="stream") == streams + 1
        while time.perf_counter() - began < 3 * (began - asked):  # what is heard much later
            await world.finished(owner, (await world.accepted(owner))["runId"])
    await eventually(lambda: value("http_in_flight", kind="stream") == streams)
    # By the notifier, which has given the connection away by then, and by the gateway.
    await eventually(lambda: value("http_seconds_count", **route) == count + 2)
    assert value("http_seconds_sum", **route) - seconds < 2 * (began - asked)
    assert value("http_in_flight", kind="request") == 0
