"""One run's stream: `init`, `update`s, `done`, and then its end."""

import pytest

from lingoloop_common.contracts.transcript import Segment
from tests.notifier.world import World

pytestmark = pytest.mark.asyncio(loop_scope="module")

ALWAYS = {"event", "runId", "audioId", "status", "progress", "timeElapsed", "chunksDone"}


async def test_the_first_frame_is_init_with_the_whole_state(world: World) -> None:
    owner = world.new_owner()
    run = await world.add_run(owner, units=3, duration_ms=3000)
    await world.finish_chunk(run, texts=("one", "two"))
    async with world.listen(owner, run) as listener:
        init = await listener.next()
    assert init.id == "2"
    elapsed = init.data.pop("timeElapsed")
    assert isinstance(elapsed, int)
    assert elapsed >= 0
    assert init.data == {
        "event": "init",
        "runId": str(run.run_id),
        "audioId": str(run.audio_id),
        "status": "processing",
        "progress": 33,
        "chunksDone": 1,
        "chunksTotal": 3,
        "filename": "talk.ogg",
        "durationMs": 3000,
        "segments": [
            {"index": 0, "start": 0.0, "end": 1.0, "text": "one", "confidence": 0.9},
            {"index": 1, "start": 1.0, "end": 2.0, "text": "two", "confidence": 0.9},
        ],
        "truncated": False,
    }


async def test_updates_and_done_follow_with_the_next_numbers_and_then_the_stream_ends(world: World) -> None:
    owner = world.new_owner()
    run = await world.add_run(owner, units=3)
    async with world.listen(owner, run) as listener:
        init = await listener.next()
        for index in range(3):
            await world.finish_chunk(run, index)
        frames = await listener.rest()
    assert init.id == "1"
    assert [(frame.id, frame.kind) for frame in frames] == [("2", "update"), ("3", "update"), ("4", "done")]
    assert [frame.data["progress"] for frame in frames] == [33, 66, 100]
    assert frames[-1].data["status"] == "succeeded"


async def test_an_update_brings_the_new_segments_only(world: World) -> None:
    owner = world.new_owner()
    run = await world.add_run(owner, units=3)
    await world.finish_chunk(run, 0, ("old",))
    async with world.listen(owner, run) as listener:
        await listener.next()
        await world.finish_chunk(run, 2, ("new", "newer"))
        update = await listener.next()
    assert [segment["text"] for segment in update.data["segments"]] == ["new", "newer"]
    assert [segment["index"] for segment in update.data["segments"]] == [2000, 2001]
    assert set(update.data) >= ALWAYS


async def test_a_failed_run_is_done_with_its_cause(world: World) -> None:
    owner = world.new_owner()
    run = await world.add_run(owner)
    async with world.listen(owner, run) as listener:
        await listener.next()
        await world.fail(run, "too_long", "longer than a day")
        [done] = await listener.rest()
    assert (done.kind, done.data["status"]) == ("done", "failed")
    assert done.data["error"] == {"code": "too_long", "message": "longer than a day"}


@pytest.mark.parametrize("ends", ["succeeded", "failed"])
async def test_whoever_comes_after_the_end_gets_init_and_done(world: World, ends: str) -> None:
    owner = world.new_owner()
    run = await world.add_run(owner)
    await (world.finish(run) if ends == "succeeded" else world.fail(run))
    async with world.listen(owner, run) as listener:
        init, done = await listener.rest()
    assert (init.kind, done.kind) == ("init", "done")
    assert init.id == done.id == "2"
    assert init.data["status"] == done.data["status"] == ends
    assert ("error" in done.data) == (ends == "failed")


async def test_init_holds_at_most_a_thousand_segments_and_says_so(world: World) -> None:
    owner = world.new_owner()
    run, short = await world.add_run(owner), await world.add_run(owner)
    segments = [
        Segment(index=number, start=float(number), end=number + 1.0, text="x", confidence=1.0)
        for number in range(1001)
    ]
    await world.add_segments(run.run_id, segments)
    await world.add_segments(short.run_id, segments[:1000])
    async with world.listen(owner, run) as listener:
        init = await listener.next()
    async with world.listen(owner, short) as listener:
        whole = await listener.next()
    assert init.data["truncated"] is True
    assert [segment["index"] for segment in init.data["segments"]] == list(range(1000))
    assert whole.data["truncated"] is False
    assert len(whole.data["segments"]) == 1000


async def test_segments_are_in_time_order_however_their_chunks_came(world: World) -> None:
    owner = world.new_owner()
    run = await world.add_run(owner, units=3)
    await world.finish_chunk(run, 2, ("third",))
    await world.finish_chunk(run, 0, ("first",))
    async with world.listen(owner, run) as listener:
        init = await listener.next()
    assert [segment["text"] for segment in init.data["segments"]] == ["first", "third"]


async def test_by_default_no_frame_has_an_event_line(world: World) -> None:
    owner = world.new_owner()
    run = await world.add_run(owner)
    await world.finish(run)
    async with world.listen(owner, run) as listener:
        frames = await listener.rest()
    assert [frame.event for frame in frames] == [None, None]


async def test_named_adds_the_event_line_and_keeps_the_data(world: World) -> None:
    owner = world.new_owner()
    run = await world.add_run(owner, units=2)
    async with world.listen(owner, run, query="?named=1") as listener:
        init = await listener.next()
        await world.finish_chunk(run)
        await world.finish(run)
        frames = [init, *await listener.rest()]
    assert [frame.event for frame in frames] == ["init", "update", "done"]
    assert [frame.kind for frame in frames] == ["init", "update", "done"]


async def test_all_listeners_of_a_run_get_the_same_bytes(world: World) -> None:
    owner = world.new_owner()
    run = await world.add_run(owner)
    async with world.listen(owner, run) as one, world.listen(owner, run) as other:
        await one.next()
        await other.next()
        await world.finish_chunk(run)
        assert (await one.next()).raw == (await other.next()).raw


async def test_the_documents_query_is_taken(world: World) -> None:
    """`/api/runs/{runId}/events?runId={runId}&access_token={accessToken}`, as in its client."""
    owner = world.new_owner()
    run = await world.add_run(owner)
    target = f"/api/runs/{run.run_id}/events?runId={run.run_id}&access_token={world.token(owner)}"
    async with world.open(target) as listener:
        assert (await listener.next()).kind == "init"


async def test_the_headers_keep_proxies_from_buffering_caching_and_compressing(world: World) -> None:
    owner = world.new_owner()
    run = await world.add_run(owner)
    async with world.listen(owner, run, headers={"Accept-Encoding": "gzip, deflate, br"}) as listener:
        headers = listener.response.headers
        await listener.next()
    assert headers["Content-Type"] == "text/event-stream"
    assert headers["Cache-Control"] == "no-store, no-transform"
    assert headers["X-Accel-Buffering"] == "no"
    assert "Content-Encoding" not in headers
    assert headers["X-Request-Id"]


async def test_the_stream_begins_by_telling_how_long_to_wait_before_a_reconnect(world: World) -> None:
    owner = world.new_owner()
    run = await world.add_run(owner)
    async with world.listen(owner, run) as listener:
        await listener.next()
    assert listener.retries == [2000]
