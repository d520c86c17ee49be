"""The last unit of a run that asks who speaks: when it begins, what it writes, and that nothing can cut it in half."""

import base64
from collections.abc import Mapping
from typing import Any

import pytest

from lingoloop_common.contracts.transcript import SPLITS, Segment, Word
from lingoloop_common.errors import WorkError
from lingoloop_common.store.ids import new_id
from lingoloop_common.store.runs import Fenced, Row
from lingoloop_gateway.control import Control
from lingoloop_transcriber.claim import Claim, Result
from lingoloop_transcriber.claims import Claims
from lingoloop_transcriber.speakers import PAGE, Speakers
from tests.ledger import check_ledger
from tests.rows import AddedRun
from tests.rules.workshop import LANE, HandDelivery, HandSlots, Workshop, claimed, settled

TURNS = [[0.0, 10.0, 5], [10.0, 40.0, 2]]


async def add_run(shop: Workshop, chunks: int = 2) -> AddedRun:
    """A run that asks who speaks, with all its chunks cut and its plan not yet ended."""
    run = await shop.add_run(units=chunks, planned=False)
    await shop.database.pool.execute(
        "UPDATE transcript_run SET options = $2, planned_samples = $3, chunks_total = $4 WHERE id = $1",
        run.run_id,
        {"diarize": True},
        chunks * 16_000,
        chunks,
    )
    return run


def said(index: int, *moments: float) -> Segment:
    words = [Word(word=f" {at:g}", start=at, end=at + 0.5, confidence=1) for at in moments]
    text = "".join(word.word for word in words).strip()
    return Segment(index=index, start=moments[0], end=words[-1].end, text=text, confidence=1, words=words)


async def finish_chunk(claims: Claims, claim: Claim, *segments: Segment) -> bool:
    assert claim.chunk_index is not None
    voices = f"heard {claim.chunk_index};".encode()
    found = list(segments) or [said(claim.chunk_index * 1000, 8.0 + claim.chunk_index * 4)]
    return await claims.finish_chunk(Result(claim, found, engine_ms=1, slots=1, voices=voices))


async def chunks_and_plan(shop: Workshop, *of_first: Segment) -> Claims:
    """Let the two chunks be done and the plan end; the first chunk's segments as given."""
    claims = Claims(shop.database, new_id(), LANE)
    first, second, plan = [await claimed(claims) for _ in range(3)]
    await shop.ledger.finish(plan, speakers=True)
    await finish_chunk(claims, second)
    await finish_chunk(claims, first, *of_first)
    return claims


async def speakers_unit(shop: Workshop) -> dict[str, Any]:
    return await shop.unit(await shop.value("SELECT id FROM unit WHERE kind = 'speakers'"))


async def told(shop: Workshop) -> list[tuple[int, str, str | None]]:
    rows = await shop.database.pool.fetch("SELECT index, text, speaker FROM segment ORDER BY index")
    return [(row["index"], row["text"], row["speaker"]) for row in rows]


async def label(shop: Workshop, transcriber: Any = None, slots: HandSlots | None = None) -> HandDelivery:
    """Hand a worker the last unit, and answer for its slot."""
    slots = slots or HandSlots(1)
    transcriber = transcriber or shop.transcriber(slots)
    await transcriber.heartbeat.beat()
    token = HandDelivery()
    transcriber.worker.receive(token)
    (await slots.call()).answer(end=True, turns=TURNS)
    await settled(token)
    return token


@pytest.mark.parametrize("last", ["plan", "chunk"])
async def test_it_begins_when_nothing_else_is_left(shop: Workshop, last: str) -> None:
    run = await add_run(shop)
    claims = Claims(shop.database, new_id(), LANE)
    first, second, plan = [await claimed(claims) for _ in range(3)]
    await finish_chunk(claims, first)
    if last == "chunk":
        await shop.ledger.finish(plan, speakers=True)
        assert (await speakers_unit(shop))["state"] == "waiting"
    tokens = await shop.tokens()
    await finish_chunk(claims, second)
    if last == "plan":
        assert await shop.tokens() == tokens
        assert not await shop.ledger.finish(plan, speakers=True)
    assert (await speakers_unit(shop))["state"] == "ready"
    assert await shop.tokens() == tokens + 1
    assert (await shop.run(run.run_id))["status"] == "processing"


async def test_a_recording_in_which_nobody_speaks_has_it_too(shop: Workshop) -> None:
    run = await add_run(shop, chunks=0)
    claims = Claims(shop.database, new_id(), LANE)
    assert not await shop.ledger.finish(await claimed(claims), speakers=True)
    slots = HandSlots(1)
    token = HandDelivery()
    transcriber = shop.transcriber(slots)
    transcriber.worker.receive(token)
    call = await slots.call()
    assert call.fields["windows"] == ""
    call.answer(end=True, turns=[])
    await settled(token)
    assert (await shop.run(run.run_id))["status"] == "succeeded"


async def test_a_run_that_does_not_ask_has_none(shop: Workshop) -> None:
    run = await shop.add_run(units=0, planned=False)
    claims = Claims(shop.database, new_id(), LANE)
    assert await shop.ledger.finish(await claimed(claims))
    assert (await shop.run(run.run_id))["status"] == "succeeded"
    assert await shop.value("SELECT count(*) FROM unit WHERE kind = 'speakers'") == 0


async def test_segments_get_their_speakers_split_where_they_change_and_the_run_ends(
    shop: Workshop, migrated_url: str
) -> None:
    run = await add_run(shop)
    await chunks_and_plan(shop, said(0, 7.0), said(SPLITS, 8.0, 9.0, 10.5, 11.5))
    slots = HandSlots(1)
    transcriber = shop.transcriber(slots)
    await transcriber.heartbeat.beat()
    token = HandDelivery()
    transcriber.worker.receive(token)
    call = await slots.call()
    assert base64.b64decode(call.fields["windows"]) == b"heard 0;heard 1;"
    call.answer(end=True, turns=TURNS)
    assert await settled(token) == "ack"
    assert await told(shop) == [(0, "7", "1"), (5, "8 9", "1"), (6, "10.5 11.5", "2"), (1000, "12", "2")]
    assert await shop.value("SELECT count(*) FROM voice") == 0
    await check_ledger_of(shop, run, migrated_url)


async def check_ledger_of(shop: Workshop, run: AddedRun, url: str) -> None:
    await check_ledger(url, str(run.run_id))
    assert (await shop.run(run.run_id))["status"] == "succeeded"


async def test_clients_are_told_of_all_segments_again_under_their_indexes(shop: Workshop) -> None:
    count = 2 * PAGE + 7
    await add_run(shop)
    await chunks_and_plan(shop, *(said(place, place / 100) for place in range(count)))
    before = await shop.value("SELECT max(seq) FROM run_event")
    await label(shop)
    rows = await shop.database.pool.fetch(
        "SELECT data::jsonb AS data FROM run_event WHERE seq > $1 ORDER BY seq", before
    )
    events: list[dict[str, Any]] = [row["data"] for row in rows]
    assert [event["event"] for event in events] == ["update", "update", "done"]
    assert max(len(event["segments"]) for event in events) == PAGE
    again = [(one["index"], one["text"], one["speaker"]) for event in events for one in event["segments"]]
    assert again == await told(shop)
    assert [event["status"] for event in events] == ["processing", "processing", "succeeded"]


async def test_what_a_person_wrote_is_not_split(shop: Workshop) -> None:
    run = await add_run(shop)
    await chunks_and_plan(shop, said(0, 8.0, 9.0, 10.5, 11.5))
    await shop.database.pool.execute(
        "INSERT INTO segment_edit (run_id, index, text) VALUES ($1, 0, 'eight to twelve')", run.run_id
    )
    await label(shop)
    assert (await told(shop))[0] == (0, "8 9 10.5 11.5", "1")


async def test_what_a_worker_of_before_stored_without_room_is_not_split(shop: Workshop) -> None:
    await add_run(shop)
    await chunks_and_plan(shop, said(0, 8.0, 9.0, 10.5, 11.5), said(1, 12.0), said(3, 13.0))
    await label(shop)
    assert (await told(shop))[:3] == [(0, "8 9 10.5 11.5", "1"), (1, "12", "2"), (3, "13", "2")]


async def test_when_other_work_failed_it_waits_for_the_retry_that_brings_the_rest(shop: Workshop) -> None:
    run = await add_run(shop)
    claims = Claims(shop.database, new_id(), LANE)
    first, second, plan = [await claimed(claims) for _ in range(3)]
    await shop.ledger.finish(plan, speakers=True)
    await finish_chunk(claims, first)
    await claims.report_failure(second, WorkError("not_audio", "no"), retry_delays=(), max_retries=0)
    failed = await shop.run(run.run_id)
    assert (failed["status"], failed["error_code"], failed["units_left"]) == ("failed", "not_audio", 0)
    assert (await speakers_unit(shop))["state"] == "canceled"

    await Control(shop.database, shop.relay).retry(run.run_id, run.owner)
    assert (await speakers_unit(shop))["state"] == "waiting"
    assert (await shop.run(run.run_id))["units_left"] == 2
    await finish_chunk(claims, await claimed(claims))
    await label(shop)
    assert [speaker for *_, speaker in await told(shop)] == ["1", "2"]
    assert (await shop.run(run.run_id))["status"] == "succeeded"


@pytest.mark.parametrize("chunks_done", [0, 1, 2])
async def test_a_cancelled_run_that_is_tried_again_tells_its_speakers_at_its_end(
    shop: Workshop, chunks_done: int
) -> None:
    run = await add_run(shop)
    claims = Claims(shop.database, new_id(), LANE)
    *chunks, plan = [await claimed(claims) for _ in range(3)]
    await shop.ledger.finish(plan, speakers=True)
    for chunk in chunks[:chunks_done]:
        await finish_chunk(claims, chunk)
    control = Control(shop.database, shop.relay)
    await control.cancel(run.run_id, run.owner)
    await control.retry(run.run_id, run.owner)
    assert (await speakers_unit(shop))["state"] == ("ready" if chunks_done == 2 else "waiting")
    for _ in chunks[chunks_done:]:
        await finish_chunk(claims, await claimed(claims))
    await label(shop)
    assert [speaker for *_, speaker in await told(shop)] == ["1", "2"]


async def test_replaying_one_of_two_failed_chunks_ends_with_the_other_one_failed(shop: Workshop) -> None:
    run = await add_run(shop)
    claims = Claims(shop.database, new_id(), LANE)
    first, second, plan = [await claimed(claims) for _ in range(3)]
    await shop.ledger.finish(plan, speakers=True)
    for chunk in (first, second):
        await claims.report_failure(chunk, WorkError("not_audio", "no"), retry_delays=(), max_retries=0)
    control = Control(shop.database, shop.relay)
    assert await control.replay(run.run_id, [first.unit_id]) == 1
    await finish_chunk(claims, await claimed(claims))
    assert (await shop.run(run.run_id))["status"] == "failed"
    assert await control.replay(run.run_id, [first.unit_id]) == 0
    assert await control.replay(run.run_id, [second.unit_id]) == 1
    await finish_chunk(claims, await claimed(claims))
    await label(shop)
    assert (await shop.run(run.run_id))["status"] == "succeeded"


async def test_one_that_fails_for_good_fails_the_run_and_a_retry_redoes_it_alone(shop: Workshop) -> None:
    run = await add_run(shop)
    await chunks_and_plan(shop)
    slots = HandSlots(1)
    transcriber = shop.transcriber(slots, max_retries=0)
    await transcriber.heartbeat.beat()
    token = HandDelivery()
    transcriber.worker.receive(token)
    (await slots.call()).fail("slot_died")
    await settled(token)
    assert (await shop.run(run.run_id))["status"] == "failed"
    assert await shop.value("SELECT error_code FROM dead_letter") == "slot_died"
    await Control(shop.database, shop.relay).retry(run.run_id, run.owner)
    states = await shop.database.pool.fetch("SELECT kind, state FROM unit WHERE state <> 'done'")
    assert [(row["kind"], row["state"]) for row in states] == [("speakers", "ready")]
    await label(shop, transcriber, slots)
    assert [speaker for *_, speaker in await told(shop)] == ["1", "2"]
    assert (await shop.run(run.run_id))["status"] == "succeeded"


class Answers:
    """A slot that has told the speakers apart."""

    async def ask(self, fields: Mapping[str, Any]) -> Any:
        return type("Message", (), {"fields": {"turns": TURNS}})


async def untold(shop: Workshop) -> bool:
    """Whether nothing of it is written, and all that it needs is there."""
    voices = await shop.value("SELECT count(*) FROM voice")
    events = await shop.value("SELECT count(*) FROM run_event WHERE data LIKE '%\"speaker\"%'")
    return (voices, events) == (2, 0) and all(speaker is None for *_, speaker in await told(shop))


async def test_a_worker_that_vanishes_with_it_costs_nothing_but_its_time(shop: Workshop) -> None:
    run = await add_run(shop)
    claims = await chunks_and_plan(shop)
    token = new_id()
    lost = await claimed(claims, message_id=token)
    other = Claims(shop.database, new_id(), LANE)
    taken_back = await claimed(other, message_id=token, redelivered=True)
    assert (taken_back.unit_id, taken_back.attempt) == (lost.unit_id, lost.attempt + 1)
    with pytest.raises(Fenced):
        await Speakers(shop.database).label(lost, Answers())  # type: ignore[arg-type]
    assert await untold(shop)
    assert await Speakers(shop.database).label(taken_back, Answers())  # type: ignore[arg-type]
    assert (await shop.run(run.run_id))["status"] == "succeeded"


async def test_a_slot_that_dies_with_it_leaves_nothing_and_it_is_tried_again(shop: Workshop) -> None:
    await add_run(shop)
    await chunks_and_plan(shop)
    slots = HandSlots(1)
    transcriber = shop.transcriber(slots)
    await transcriber.heartbeat.beat()
    token = HandDelivery()
    transcriber.worker.receive(token)
    (await slots.call()).fail("slot_died")
    await settled(token)
    unit = await speakers_unit(shop)
    assert (unit["state"], unit["failures"], unit["error_code"]) == ("waiting", 1, "slot_died")
    assert await untold(shop)
    await shop.database.pool.execute("UPDATE unit SET state = 'ready', due_at = NULL WHERE kind = 'speakers'")
    await label(shop, transcriber, slots)
    assert [speaker for *_, speaker in await told(shop)] == ["1", "2"]


async def test_a_database_that_goes_away_in_the_middle_has_written_nothing(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await add_run(shop)
    await chunks_and_plan(shop, *(said(place, place / 100) for place in range(PAGE + 1)))
    write, pages = Speakers._write_page, 0

    async def cut_off(self: Speakers, connection: Any, row: Row, *rest: Any) -> Row:
        nonlocal pages
        pages += 1
        if pages == 2:
            await shop.value("SELECT pg_terminate_backend($1)", connection.get_server_pid())
        return await write(self, connection, row, *rest)

    monkeypatch.setattr(Speakers, "_write_page", cut_off)
    slots = HandSlots(1)
    transcriber = shop.transcriber(slots)
    await transcriber.heartbeat.beat()
    token = HandDelivery()
    transcriber.worker.receive(token)
    (await slots.call()).answer(end=True, turns=TURNS)
    assert await settled(token) == "reject"
    assert pages == 2
    assert await untold(shop)
    unit = await speakers_unit(shop)
    assert (unit["state"], unit["failures"]) == ("ready", 0)
    await label(shop, transcriber, slots)
    assert all(speaker for *_, speaker in await told(shop))
    assert (await shop.run(run.run_id))["status"] == "succeeded"


async def test_a_commit_whose_answer_was_lost_is_found_done(shop: Workshop, migrated_url: str) -> None:
    run = await add_run(shop)
    claim = await claimed(await chunks_and_plan(shop))
    speakers = Speakers(shop.database)
    assert await speakers.label(claim, Answers())  # type: ignore[arg-type]
    first, seq = await told(shop), (await shop.run(run.run_id))["seq"]
    assert not await speakers.label(claim, Answers())  # type: ignore[arg-type]
    assert (await told(shop), (await shop.run(run.run_id))["seq"]) == (first, seq)


async def test_a_cancel_in_the_middle_wins(shop: Workshop) -> None:
    run = await add_run(shop)
    claim = await claimed(await chunks_and_plan(shop))
    await Control(shop.database, shop.relay).cancel(run.run_id, run.owner)
    with pytest.raises(Fenced):
        await Speakers(shop.database).label(claim, Answers())  # type: ignore[arg-type]
    assert await untold(shop)


async def test_what_voices_are_like_goes_with_the_run(shop: Workshop) -> None:
    run = await add_run(shop)
    await chunks_and_plan(shop)
    assert await shop.value("SELECT count(*) FROM voice") == 2
    async with shop.database.pool.acquire() as connection, connection.transaction():
        for table in ("run_event", "chunk", "unit", "job"):
            await connection.execute(f"DELETE FROM {table} WHERE run_id = $1", run.run_id)
        await connection.execute("DELETE FROM transcript_run WHERE id = $1", run.run_id)
    assert await shop.value("SELECT count(*) FROM voice") == 0
