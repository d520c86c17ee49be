"""`GET /api/runs?q=`: runs are found by what is said in them, in any script, and by their recordings' names."""

import asyncio
import random
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lingoloop_common.contracts.transcript import SEGMENTS_PER_CHUNK
from lingoloop_common.errors import Problem
from lingoloop_gateway import indexing, search_words
from lingoloop_gateway.indexing import BLOCK, Indexing
from lingoloop_gateway.search import SQL
from lingoloop_gateway.search_words import JoinedText, read_query, vector
from tests import media
from tests.gateway.world import World
from tests.rows import add_run
from tests.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def add_text(
    world: World, owner: str, *texts: str, status: str = "succeeded", name: str = "talk.ogg", step: int = 1
) -> str:
    """Add a run of segments of 2 s, and let it be indexed."""
    pool = world.database.pool
    async with pool.acquire() as connection, connection.transaction():
        run = await add_run(connection, owner=owner, units=0, status=status)
        await connection.execute("UPDATE audio SET filename = $2 WHERE id = $1", run.audio_id, name)
        await connection.execute(
            "UPDATE transcript_run SET completed_at = clock_timestamp(), error_code = 'x', error_message = 'x' WHERE id = $1",
            run.run_id,
        )
        await connection.executemany(
            "INSERT INTO segment (run_id, index, start_s, end_s, text, confidence) VALUES ($1, $2, $3, $4, $5, 1)",
            [
                (run.run_id, place * step, place * 2.0, place * 2.0 + 2, text)
                for place, text in enumerate(texts)
            ],
        )
    await world.index(run.run_id)
    return str(run.run_id)


async def search(world: World, owner: str, q: str, **query: str) -> dict[str, Any]:
    answer = await world.http.get("/api/runs", params={"q": q, **query}, headers=world.bearer(owner))
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def found(world: World, owner: str, q: str, **query: str) -> list[str]:
    return [item["id"] for item in (await search(world, owner, q, **query))["items"]]


HOLDS = [
    ("The budget was agreed.", "budget"), ("The budget was agreed.", "AGREED the"), ("Ｔｈｅ ＢＵＤＧＥＴ", "budget"),
    ("the budget", "ＢＵＤＧＥＴ"), ("STRASSE", "straße"), ("transcription", "transcri"), ("I don’t know", "don't"),
    ("one two three", '"two three"'), ("one two three", "three one"), ("a, b; c", '"a b"'), ("3.14", "3.14"),
    ("café", "cafe\u0301"), ("हिन्दी भाषा", "हिन्दी"), ("안녕하세요 여러분", "안녕하"), ("Müller-Lüdenscheidt", "lüden"),
    ("我们在北京大学开会。", "北京大学"), ("我们在北京大学开会。", "大学"), ("我们在北京大学开会。", "京"),
    ("我们在北京大学开会。", "会"), ("我们在北京大学开会。", "开会 北京"), ("东京タワーへ行った", "タワー"), ("ﾀﾜｰ", "タワー"),
    ("買了iPhone手機回家", "iphone手機"), ("買了iPhone手機回家", "了iPhone"), ("買了iPhone手機回家", "iPhone"), ("買了 iPhone 手機", "iPhone手機"),
    ("ภาษาไทยง่าย", "ไทย"), ("say “hello world” now", "“hello world”"), ("one two", '"one two'), ("snake_case_name", "case"),
]  # fmt: skip

HOLDS_NOT = [
    ("The budget was agreed.", "udget"), ("the budgets", '"budget"'), ("an apple", "ap"), ("one two three", '"one three"'),
    ("one two three", '"two thr"'), ("one", "one two"), ("北京有大学", "北京大学"), ("京北", "北京"), ("ガス", "カス"),
    ("this", "his"), ("買了iPhone手機", "iphon手機"), ("I do not", "don't"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "q", "holds"), [(*case, True) for case in HOLDS] + [(*case, False) for case in HOLDS_NOT]
)
async def test_what_holds_what(world: World, text: str, q: str, holds: bool) -> None:
    """The index and the pattern that finds what to show agree."""
    joined, terms = JoinedText([text]), read_query("ann", q)
    ask = "SELECT bool_and($1::text::tsvector @@ query::tsquery) FROM unnest($2::text[]) AS query"
    queries = [term.query for term in terms]
    assert await world.database.pool.fetchval(ask, vector("ann", joined.text), queries) is holds
    assert all(list(joined.holding(term)) for term in terms) is holds


async def test_a_run_is_found_by_its_words_its_name_and_both_and_never_by_anothers(world: World) -> None:
    ann, bob = world.new_owner(), world.new_owner()
    run = await add_text(world, ann, "The budget", "was agreed.", name="Board meeting 董事会.wav")
    other = await add_text(world, bob, "The budget")
    for q in ("budget", "agreed budget", '"budget was"', "board", "董事会", "meeting agreed", "wav"):
        assert await found(world, ann, q) == [run], q
    assert await found(world, ann, "budget refused") == []
    assert await found(world, bob, "budget") == [other]


async def test_owners_whose_marks_are_alike_do_not_find_each_others(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_words, "_mark", lambda owner: "same")
    ann, bob = world.new_owner(), world.new_owner()
    run = await add_text(world, ann, "unheard of")
    assert await found(world, ann, "unheard") == [run]
    assert await found(world, bob, "unheard") == []


async def test_a_hit_shows_up_to_three_segments_that_hold_the_most_in_time_order(world: World) -> None:
    owner = world.new_owner()
    texts = ["red", "green", "the red", "Red, green!", "blue", "red"]
    run = await add_text(world, owner, *texts, step=SEGMENTS_PER_CHUNK, name="red.wav")
    [item] = (await search(world, owner, "red green"))["items"]
    assert item["id"] == run
    assert item["matches"] == [
        {"index": 0, "start": 0.0, "text": "red"},
        {"index": 1000, "start": 2.0, "text": "green"},
        {"index": 3000, "start": 6.0, "text": "Red, green!"},
    ]
    one = (await world.get(owner, f"/api/runs/{run}")).json()
    changing = {"timeElapsed", "matches"}
    assert {k: v for k, v in item.items() if k not in changing} == {
        k: v for k, v in one.items() if k not in changing
    }
    assert (await search(world, owner, "wav"))["items"][0]["matches"] == []


async def test_what_spans_segments_and_blocks_is_found(world: World) -> None:
    owner = world.new_owner()
    run = await add_text(world, owner, "in the long", "run we", "在北", "京见", "end", step=BLOCK)
    for q, index in (('"long run"', 0), ("北京", 2 * BLOCK), ('"见 end"', 3 * BLOCK)):
        [item] = (await search(world, owner, q))["items"]
        assert (item["id"], [match["index"] for match in item["matches"]]) == (run, [index]), q


async def test_a_long_run_is_found_by_words_that_stand_hours_apart(world: World) -> None:
    owner = world.new_owner()
    run = await add_text(world, owner, "alpha", *["noise"] * 50, "omega", step=BLOCK // 3)
    assert await found(world, owner, "omega alpha") == [run]
    assert await found(world, owner, '"omega alpha"') == []


async def test_an_edit_is_found_at_once_and_what_it_replaced_no_more(world: World) -> None:
    owner = world.new_owner()
    run = await add_text(world, owner, "the recieved wisdom", "stays", step=BLOCK)
    target = f"/api/runs/{run}/segments/{BLOCK}"
    await world.http.patch(target, json={"text": "wisdom received"}, headers=world.bearer(owner))
    assert await found(world, owner, "stays") == []
    [item] = (await search(world, owner, '"wisdom wisdom received"'))[
        "items"
    ]  # over the border of two blocks
    assert item["matches"] == [{"index": 0, "start": 0.0, "text": "the recieved wisdom"}]
    [item] = (await search(world, owner, "received"))["items"]
    assert item["matches"] == [{"index": BLOCK, "start": 2.0, "text": "wisdom received"}]
    await world.http.patch(target, json={"text": None}, headers=world.bearer(owner))
    assert await found(world, owner, "stays") == [run]


async def test_pages_of_hits_hold_each_once_and_only_the_states_asked_for(world: World) -> None:
    owner = world.new_owner()
    ids = [
        await add_text(world, owner, f"word {number}", status="failed" if number % 3 == 0 else "succeeded")
        for number in range(7)
    ]
    await add_text(world, owner, "nothing")
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = await search(world, owner, "word", limit="2", **cursor)
        seen += [item["id"] for item in page["items"]]
        await add_text(world, owner, "word too")
        if page["nextCursor"] is None:
            break
        cursor = {"cursor": page["nextCursor"]}
    assert seen == ids[::-1]
    assert await found(world, owner, "word", status="failed") == [ids[6], ids[3], ids[0]]
    assert await found(world, owner, "word", status="queued") == []


async def test_a_run_is_found_soon_after_it_begins_by_name_and_after_it_ends_by_text(world: World) -> None:
    owner = world.new_owner()
    body = await world.accepted(owner, media.wav_of_ms(61_000), filename="Hörprobe.wav")

    async def is_found(q: str) -> bool:
        return await found(world, owner, q) == [body["runId"]]

    await eventually(lambda: is_found("hörprobe"))
    await eventually(lambda: is_found("simulated hörprobe"))


async def test_a_run_that_a_crash_or_an_older_service_left_out_is_indexed_and_one_that_ends_again(
    world: World,
) -> None:
    owner = world.new_owner()
    run = await add_text(world, owner, "before")
    pool = world.database.pool
    await pool.execute("DELETE FROM run_text WHERE run_id = $1", UUID(run))
    await pool.execute("UPDATE transcript_run SET searchable = NULL WHERE id = $1", UUID(run))
    await eventually(lambda: found(world, owner, "before"))
    again = "UPDATE transcript_run SET completed_at = {} WHERE id = $1"
    await pool.execute(again.format("NULL"), UUID(run))
    await pool.execute("UPDATE segment SET text = 'after' WHERE run_id = $1", UUID(run))
    await Indexing(world.database).index_due()
    assert await found(world, owner, "after") == []  # its end is still to come
    await pool.execute(again.format("now()"), UUID(run))
    await eventually(lambda: found(world, owner, "after"))


async def test_a_run_that_cannot_be_indexed_keeps_no_other_waiting(
    idle_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner, make = idle_world.new_owner(), vector

    def fails(owner: str, folded: str) -> str:
        return "'" if "broken" in folded else make(owner, folded)

    monkeypatch.setattr(indexing, "vector", fails)
    await add_text(idle_world, owner, "this is broken")
    run = await add_text(idle_world, owner, "this is whole")
    await eventually(lambda: found(idle_world, owner, "this"))
    assert await found(idle_world, owner, "this") == [run]
    monkeypatch.undo()
    await Indexing(idle_world.database).index_due()
    assert len(await found(idle_world, owner, "this")) == 2


async def test_two_gateways_and_edits_at_once_leave_the_index_as_the_text_is(world: World) -> None:
    owner = world.new_owner()
    run = await add_text(world, owner, *["word"] * 20)
    again = "UPDATE transcript_run SET searchable = NULL WHERE id = $1"

    async def edit(number: int) -> None:
        target = f"/api/runs/{run}/segments/{number}"
        await world.http.patch(target, json={"text": f"edit{number}"}, headers=world.bearer(owner))

    async def index() -> None:
        await world.database.pool.execute(again, UUID(run))
        await Indexing(world.database).index_due()

    await asyncio.gather(*(edit(number) for number in range(20)), *(index() for _ in range(5)))
    due = "SELECT count(*) FROM transcript_run WHERE searchable IS NULL"

    async def is_done() -> bool:
        return bool(await world.database.pool.fetchval(due) == 0)

    await eventually(is_done)
    for number in range(20):
        assert await found(world, owner, f'"edit{number}"') == [run]
    assert await found(world, owner, "word") == []


@pytest.mark.parametrize(
    "q", ["x" * 201, "%", "_", "&|!():*<->", "\x00", "'", "😀", '""', " ".join("abcdefghijklmnopq")]
)
async def test_a_query_of_nothing_or_too_much_is_refused(world: World, q: str) -> None:
    answer = await world.http.get("/api/runs", params={"q": q}, headers=world.bearer("ann"))
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_value")
    assert "q " in answer.json()["detail"]


@pytest.mark.parametrize(
    "q",
    ["a & b", "a:*", "!a", "a <-> b", "'a' || 'b'", "a\\", "a\x00b", "100%", "a_b", "'; DROP TABLE run_text; --", "(a", "北" * 200, "a" * 200, "\u0301", "۱۲", "ſ"],
)  # fmt: skip
async def test_a_hostile_query_is_harmless(world: World, q: str) -> None:
    answer = await world.http.get("/api/runs", params={"q": q}, headers=world.bearer("nobody"))
    assert (answer.status_code, answer.json()) == (200, {"items": [], "nextCursor": None})


@pytest.mark.parametrize("q", ["", "  "])
async def test_an_empty_query_is_none(world: World, q: str) -> None:
    owner = world.new_owner()
    run = await add_text(world, owner, "x")
    assert await found(world, owner, q) == [run]


ANYTHING = st.text(
    alphabet=st.one_of(st.characters(exclude_categories=["Cs"]), st.sampled_from("ab 北京'\"\\:")),
    max_size=40,
)


@settings(deadline=None)
@given(ANYTHING, ANYTHING)
async def test_no_text_and_no_query_is_more_than_the_database_takes(world: World, text: str, q: str) -> None:
    joined = JoinedText([text])
    try:
        queries = [term.query for term in read_query("ann", q)]
    except Problem:
        queries = []
    ask = "SELECT bool_and($1::text::tsvector @@ query::tsquery) FROM unnest($2::text[]) AS query"
    await world.database.pool.fetchval(ask, vector("ann", joined.text), queries)


async def test_a_block_that_was_edited_into_a_book_is_found_by_its_beginning(world: World) -> None:
    owner, luck = world.new_owner(), random.Random(1)
    for letters in ("一丁七万", "abcdefgh"):
        book = "".join(luck.choice(letters) if luck.random() < 0.9 else " " for _ in range(400_000))
        run = await add_text(world, owner, "begin " + book)
        assert await found(world, owner, "begin", limit="1") == [run]
    many = " ".join(chr(0x10400 + number % 40) * 39 + str(number) for number in range(9_000))
    run = await add_text(world, owner, "begin " + many)
    assert await found(world, owner, "begin", limit="1") == [run]


async def test_the_index_is_used(world: World) -> None:
    """Where there is enough to be worth it, which a test's database has not."""
    async with world.database.pool.acquire() as connection, connection.transaction():
        for way in ("seqscan", "indexscan", "indexonlyscan"):
            await connection.execute(f"SET LOCAL enable_{way} = off")
        queries = [term.query for term in read_query("ann", "budget transcri")]
        plan = await connection.fetch("EXPLAIN " + SQL["runs_found"], "ann", None, None, None, 51, queries)
    assert any("idx_run_text_lexemes" in row[0] for row in plan)
