"""Recordings are fetched in slices, from where what came ends, and never put together from two files."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from typing import Any

import pytest

from lingoloop_common.blobs import audio_blob, import_blob
from lingoloop_common.lifecycle import running
from lingoloop_common.store.ids import new_id
from lingoloop_common.store.runs import Fenced
from lingoloop_gateway.deletions import Deletions
from lingoloop_gateway.removals import Removals
from lingoloop_transcriber import fetch, worker
from lingoloop_transcriber.claims import Claims
from lingoloop_transcriber.imports import Imports
from tests.origin import Origin, serving
from tests.rows import AddedRun, add_import, add_run
from tests.rules.workshop import LANE, HandDelivery, HandSlots, Transcriber, Workshop, claimed, settled
from tests.waiting import eventually

DATA = os.urandom(3 * 2**20)


@pytest.fixture
async def origin() -> AsyncIterator[Origin]:
    async with serving(Origin(DATA)) as origin:
        yield origin


@pytest.fixture
def one_part_a_slice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each slice ends when something has come, and that is enough."""
    monkeypatch.setattr(fetch, "SLICE", 0.0)
    monkeypatch.setattr(fetch, "LEAST", 1)


async def step(shop: Workshop, transcriber: Transcriber, run: AddedRun) -> dict[str, Any]:
    """Let the run's import be claimed and return its unit when that claim has ended."""
    unit_id = run.unit_ids[0]
    await shop.database.pool.execute(
        "UPDATE unit SET state = 'ready', due_at = NULL WHERE id = $1 AND state = 'waiting'", unit_id
    )
    attempt = (await shop.unit(unit_id))["attempt"]
    delivery = HandDelivery()
    transcriber.worker.receive(delivery)
    assert await settled(delivery) == "ack"
    await eventually(lambda: not transcriber.worker.held())
    unit = await shop.unit(unit_id)
    assert unit["attempt"] == attempt + 1
    return unit


async def fetched(shop: Workshop, run: AddedRun, data: bytes = DATA) -> dict[str, Any]:
    """Check that a recording is whole, that its plan is next, and that nothing else is left; return its row."""
    audio = await shop.database.pool.fetchrow("SELECT * FROM audio WHERE id = $1", run.audio_id)
    assert audio is not None
    assert (audio["size_bytes"], audio["sha256"]) == (len(data), hashlib.sha256(data).digest())
    assert (shop.folder / "blobs" / audio["blob"]).read_bytes() == data
    units = await shop.database.pool.fetch(
        "SELECT kind, state FROM unit WHERE run_id = $1 ORDER BY id", run.run_id
    )
    assert [tuple(unit) for unit in units] == [("import", "done"), ("plan", "ready")]
    assert (await shop.run(run.run_id))["units_left"] == 1
    assert await shop.value("SELECT count(*) FROM import") == 0
    return dict(audio)


async def part_of(shop: Workshop, run: AddedRun) -> str:
    return import_blob(await shop.value("SELECT part FROM import WHERE audio_id = $1", run.audio_id))


async def test_a_file_comes_in_one_go_without_a_slot(shop: Workshop, origin: Origin) -> None:
    run = await add_import(shop.database.pool, origin.url)
    slots = HandSlots(1)
    transcriber = shop.transcriber(slots)
    async with running(transcriber.parts):
        tokens = await shop.tokens()
        await step(shop, transcriber, run)
        assert slots.waiting == 0
    audio = await fetched(shop, run)
    assert (audio["filename"], audio["content_type"]) == ("talk.ogg", "audio/wav")
    assert await shop.tokens() == tokens + 1
    assert (await shop.run(run.run_id))["status"] == "processing"
    assert await shop.value("SELECT served FROM owner_service") == 1.0


async def test_the_server_may_name_it(shop: Workshop, origin: Origin) -> None:
    origin.headers["Content-Disposition"] = "attachment; filename*=UTF-8''..%2Fk%C3%B6ln.wav"
    run = await add_import(shop.database.pool, origin.url)
    transcriber = shop.transcriber(HandSlots(1))
    async with running(transcriber.parts):
        await step(shop, transcriber, run)
    assert (await fetched(shop, run))["filename"] == "köln.wav"


@pytest.mark.usefixtures("one_part_a_slice")
@pytest.mark.parametrize("says_length", [True, False])
async def test_it_comes_slice_by_slice_each_from_where_the_last_one_ended(
    shop: Workshop, origin: Origin, says_length: bool
) -> None:
    origin.says_length = says_length
    run = await add_import(shop.database.pool, origin.url)
    slices = 0
    while await shop.value("SELECT count(*) FROM import"):
        transcriber = shop.transcriber(HandSlots(1))  # another each time
        async with running(transcriber.parts):
            unit = await step(shop, transcriber, run)
        slices += 1
        assert (unit["failures"], unit["lost"]) == (0, 0)
    await fetched(shop, run)
    assert slices > 2
    assert len(origin.asked) == slices
    assert origin.starts[0] is None
    assert all(headers["If-Range"] == '"v1"' for headers in origin.asked[1:])
    positions = [int(start.removeprefix("bytes=").removesuffix("-")) for start in origin.starts if start]
    assert positions == sorted(set(positions))
    assert await shop.value("SELECT served FROM owner_service") == 1.0


async def test_a_line_that_breaks_off_costs_nothing_when_enough_had_come(
    shop: Workshop, origin: Origin
) -> None:
    origin.cuts = [2**20, 2**20]
    run = await add_import(shop.database.pool, origin.url)
    transcriber = shop.transcriber(HandSlots(1))
    async with running(transcriber.parts):
        for _ in range(2):
            unit = await step(shop, transcriber, run)
            assert (unit["state"], unit["failures"]) == ("waiting", 0)
        await step(shop, transcriber, run)
    await fetched(shop, run)
    assert origin.starts[0] is None
    assert None not in origin.starts[1:]


async def test_a_line_that_breaks_off_at_once_is_a_failure(shop: Workshop, origin: Origin) -> None:
    origin.cuts = [0, 0]
    run = await add_import(shop.database.pool, origin.url)
    transcriber = shop.transcriber(HandSlots(1), max_retries=1)
    async with running(transcriber.parts):
        assert (await step(shop, transcriber, run))["failures"] == 1
        unit = await step(shop, transcriber, run)
    assert (unit["state"], unit["error_code"], unit["failures"]) == ("failed", "import_failed", 2)
    assert (await shop.run(run.run_id))["status"] == "failed"
    assert await shop.value("SELECT count(*) FROM removal") == 1


@pytest.mark.usefixtures("one_part_a_slice")
async def test_a_file_that_changes_is_fetched_from_its_beginning(shop: Workshop, origin: Origin) -> None:
    run = await add_import(shop.database.pool, origin.url)
    transcriber = shop.transcriber(HandSlots(1))
    async with running(transcriber.parts):
        await step(shop, transcriber, run)
        old = await part_of(shop, run)
        origin.data, origin.etag = os.urandom(2**20), '"v2"'
        unit = await step(shop, transcriber, run)
    assert (unit["state"], unit["failures"]) == ("done", 0)
    await fetched(shop, run, origin.data)
    assert [row["name"] for row in await shop.database.pool.fetch("SELECT name FROM removal")] == [old]


@pytest.mark.usefixtures("one_part_a_slice")
async def test_the_rest_of_another_file_is_never_put_behind(shop: Workshop, origin: Origin) -> None:
    run = await add_import(shop.database.pool, origin.url)
    transcriber = shop.transcriber(HandSlots(1))
    async with running(transcriber.parts):
        await step(shop, transcriber, run)
        origin.data, origin.etag, origin.heeds_if_range = os.urandom(3 * 2**20), '"v2"', False
        unit = await step(shop, transcriber, run)
        assert (unit["state"], unit["error_code"]) == ("waiting", "import_failed")
        await step(shop, transcriber, run)
    await fetched(shop, run, origin.data)


@pytest.mark.usefixtures("one_part_a_slice")
async def test_without_ranges_it_comes_in_one_go(shop: Workshop, origin: Origin) -> None:
    origin.ranges = False
    run = await add_import(shop.database.pool, origin.url)
    transcriber = shop.transcriber(HandSlots(1))
    async with running(transcriber.parts):
        await step(shop, transcriber, run)
    await fetched(shop, run)


async def test_without_ranges_it_begins_anew_a_few_times_and_then_no_more(
    shop: Workshop, origin: Origin
) -> None:
    origin.ranges, origin.cuts = False, [2**20] * 5
    run = await add_import(shop.database.pool, origin.url)
    transcriber = shop.transcriber(HandSlots(1))
    async with running(transcriber.parts):
        for _ in range(4):
            assert (await step(shop, transcriber, run))["state"] == "waiting"
        unit = await step(shop, transcriber, run)
    assert (unit["state"], unit["error_code"]) == ("failed", "import_refused")


@pytest.mark.parametrize(
    ("server", "code"),
    [
        ({"status": 404}, "import_refused"),
        ({"headers": {"Content-Encoding": "gzip"}}, "import_refused"),
        ({"data": b""}, "not_audio"),
        ({"data": b"x" * 2001}, "too_large"),
        ({"data": b"x" * 2001, "says_length": False}, "too_large"),
    ],
)
async def test_what_cannot_be_had_fails_at_once_and_leaves_nothing(
    shop: Workshop, origin: Origin, server: dict[str, Any], code: str
) -> None:
    for name, value in {"data": b"x" * 2000, **server}.items():
        setattr(origin, name, value)
    run = await add_import(shop.database.pool, origin.url)
    part = await part_of(shop, run)
    transcriber = shop.transcriber(HandSlots(1), largest_recording=2000)
    async with running(transcriber.parts):
        unit = await step(shop, transcriber, run)
    assert (unit["state"], unit["error_code"], unit["failures"]) == ("failed", code, 1)
    assert await shop.value("SELECT name FROM removal") == part
    assert not (shop.folder / "blobs" / audio_blob(run.audio_id)).exists()


async def stored_beside(shop: Workshop, owner: str = "ann") -> None:
    """Add another recording of an owner, of 1000 bytes, that is done."""
    await add_run(shop.database.pool, owner=owner, units=0, status="succeeded")


async def has_found_no_room(shop: Workshop, run: AddedRun) -> None:
    """Check that an import failed at once for its owner's storage, and that nothing of it will be left."""
    unit = await shop.unit(run.unit_ids[0])
    assert (unit["state"], unit["error_code"], unit["failures"]) == ("failed", "storage_quota", 1)
    assert "bytes together, and 1000 are taken" in (await shop.run(run.run_id))["error_message"]
    await Removals(shop.database, shop.blobs).remove_due()
    left = [path for path in (shop.folder / "blobs").rglob("*") if path.is_file()]
    assert left == []


@pytest.mark.parametrize("says_length", [True, False])
async def test_what_finds_no_room_in_its_owners_storage_is_not_taken_to_its_end(
    shop: Workshop, origin: Origin, says_length: bool
) -> None:
    origin.holds, origin.says_length = 2**20, says_length
    await stored_beside(shop)
    run = await add_import(shop.database.pool, origin.url)
    transcriber = shop.transcriber(HandSlots(1), owner_storage=1000 + 2**19)
    async with running(transcriber.parts):
        await step(shop, transcriber, run)
    await has_found_no_room(shop, run)


async def test_what_fits_beside_its_owners_others_is_taken(shop: Workshop, origin: Origin) -> None:
    origin.data = b"x" * 2000
    await stored_beside(shop)
    await stored_beside(shop, "bob")
    run = await add_import(shop.database.pool, origin.url)
    transcriber = shop.transcriber(HandSlots(1), owner_storage=3000)
    async with running(transcriber.parts):
        await step(shop, transcriber, run)
    assert (await shop.unit(run.unit_ids[0]))["state"] == "done"


async def test_what_has_no_room_any_more_when_all_has_come_is_dropped(shop: Workshop, origin: Origin) -> None:
    origin.holds = 2**20
    run = await add_import(shop.database.pool, origin.url)
    transcriber = shop.transcriber(HandSlots(1), owner_storage=len(DATA) + 999)
    async with running(transcriber.parts):
        transcriber.worker.receive(HandDelivery())
        await under_way(shop, origin, run)
        await stored_beside(shop)
        origin.go.set()
        await eventually(lambda: not transcriber.worker.held())
    await has_found_no_room(shop, run)


async def test_of_two_that_come_at_once_one_finds_room(shop: Workshop, origin: Origin) -> None:
    origin.holds = 2**20
    runs = [await add_import(shop.database.pool, origin.url) for _ in range(2)]
    transcriber = shop.transcriber(HandSlots(2), owner_storage=2 * len(DATA) - 1)
    async with running(transcriber.parts):
        for _ in runs:
            transcriber.worker.receive(HandDelivery())
        await eventually(lambda: len(origin.asked) == 2)
        origin.go.set()
        await eventually(lambda: len(transcriber.worker.held()) == 0)
    states = [(await shop.unit(run.unit_ids[0]))["state"] for run in runs]
    assert sorted(states) == ["done", "failed"]


async def test_a_server_that_has_trouble_is_asked_again(shop: Workshop, origin: Origin) -> None:
    origin.status = 503
    run = await add_import(shop.database.pool, origin.url)
    transcriber = shop.transcriber(HandSlots(1))
    async with running(transcriber.parts):
        unit = await step(shop, transcriber, run)
        assert (unit["state"], unit["error_code"], unit["failures"]) == ("waiting", "import_failed", 1)
        origin.status = 200
        await step(shop, transcriber, run)
    await fetched(shop, run)


async def under_way(shop: Workshop, origin: Origin, run: AddedRun) -> None:
    """Wait until all that the server sends before it waits is stored."""

    async def has_come() -> bool:
        path = shop.folder / "blobs" / await part_of(shop, run)
        return path.exists() and path.stat().st_size > 0

    await eventually(has_come)


async def test_its_token_is_acknowledged_while_it_waits_and_slots_do_other_work(
    shop: Workshop, origin: Origin
) -> None:
    origin.holds = 2**20
    run = await add_import(shop.database.pool, origin.url)
    slots = HandSlots(1)
    transcriber = shop.transcriber(slots)
    async with running(transcriber.parts):
        first, second = HandDelivery(), HandDelivery()
        transcriber.worker.receive(first)
        assert await settled(first) == "ack"
        await under_way(shop, origin, run)
        await shop.add_run(owner="bob")
        transcriber.worker.receive(second)
        call = await slots.call()
        await transcriber.heartbeat.beat()
        assert await shop.value("SELECT busy FROM worker") == 1
        call.finish()
        assert await settled(second) == "ack"
        origin.go.set()
        await eventually(lambda: not transcriber.worker.held())
    await fetched(shop, run)


async def test_a_shutdown_hands_it_back_at_once_with_a_new_token(shop: Workshop, origin: Origin) -> None:
    origin.holds = 2**20
    run = await add_import(shop.database.pool, origin.url)
    transcriber = shop.transcriber(HandSlots(1), grace=60.0)
    async with running(transcriber.parts):
        transcriber.worker.receive(HandDelivery())
        await under_way(shop, origin, run)
        tokens = await shop.tokens()
        begin = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - begin < 10
    unit = await shop.unit(run.unit_ids[0])
    assert (unit["state"], unit["failures"], unit["lost"]) == ("ready", 0, 0)
    assert await shop.tokens() == tokens + 1
    origin.go.set()
    transcriber = shop.transcriber(HandSlots(1))
    async with running(transcriber.parts):
        await step(shop, transcriber, run)
    await fetched(shop, run)
    assert origin.starts[1] is not None


async def test_a_worker_fetches_so_many_at_a_time_and_puts_the_others_off(
    shop: Workshop, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "IMPORTS", 1)
    origin.holds = 2**20
    first = await add_import(shop.database.pool, origin.url)
    transcriber = shop.transcriber(HandSlots(2))
    async with running(transcriber.parts):
        transcriber.worker.receive(HandDelivery())
        await under_way(shop, origin, first)
        second = await add_import(shop.database.pool, origin.url)
        transcriber.worker.receive(delivery := HandDelivery())
        assert await settled(delivery) == "ack"
        await eventually(lambda: len(transcriber.worker.held()) == 1)
        unit = await shop.unit(second.unit_ids[0])
        assert (unit["state"], unit["failures"]) == ("waiting", 0)
        assert unit["due_at"] is not None
        assert len(origin.asked) == 1
        assert await shop.value("SELECT served FROM owner_service") == 1.0


async def test_one_that_was_taken_back_is_fenced(shop: Workshop, origin: Origin) -> None:
    run = await add_import(shop.database.pool, origin.url)
    imports = Imports(shop.database)
    first = await claimed(Claims(shop.database, new_id(), LANE))
    row = await imports.get(first)
    await shop.database.pool.execute("UPDATE unit SET attempt = attempt + 1")
    with pytest.raises(Fenced):
        await imports.finish(first, row, size=1, sha256=b"x" * 32, owner_storage=0)
    with pytest.raises(Fenced):
        await imports.renew(first, run.audio_id)
    answer = {"validator": "x", "total": 1, "content_type": "a/b", "filename": None}
    with pytest.raises(Fenced):
        await imports.note(first, row, owner_storage=0, **answer)
    await imports.put_off(first, 1.0)
    assert (await shop.unit(run.unit_ids[0]))["state"] == "running"
    assert await imports.get(first) == row


async def test_what_was_whole_when_the_database_was_not_told_is_not_fetched_again(
    shop: Workshop, origin: Origin
) -> None:
    run = await add_import(shop.database.pool, origin.url)
    await shop.blobs.write(audio_blob(run.audio_id), DATA)
    transcriber = shop.transcriber(HandSlots(1))
    async with running(transcriber.parts):
        await step(shop, transcriber, run)
    assert origin.asked == []
    assert await shop.value("SELECT sha256 FROM audio") == hashlib.sha256(DATA).digest()


async def test_an_end_and_a_deletion_at_once_never_deadlock(shop: Workshop) -> None:
    imports, claims = Imports(shop.database), Claims(shop.database, new_id(), LANE)
    deletions = Deletions(shop.database, shop.relay, Removals(shop.database, shop.blobs))
    outcomes: set[type] = set()
    for _ in range(40):
        run = await add_import(shop.database.pool, "http://example.com/")
        claim = await claimed(claims)
        row = await imports.get(claim)
        found = await asyncio.gather(
            imports.finish(claim, row, size=1, sha256=b"x" * 32, owner_storage=0),
            deletions.delete(run.audio_id, run.owner),
            return_exceptions=True,
        )
        outcomes |= {type(one) for one in found if isinstance(one, BaseException)}
        assert await shop.value("SELECT count(*) FROM audio") == 0
    assert outcomes <= {Fenced, LookupError}
