"""Channels transcribed each alone: one ledger for all, each channel's sound to the sample, its cost and its words."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lingoloop_common.contracts.transcript import Segment
from lingoloop_common.contracts.units import SAMPLE_RATE
from lingoloop_common.errors import WorkError
from lingoloop_common.lifecycle import running
from lingoloop_common.store.ids import new_id
from lingoloop_gateway.control import Control
from lingoloop_transcriber.claims import Claims
from lingoloop_transcriber.engines import Piece
from lingoloop_transcriber.waveform import pairs_of
from tests import media
from tests.ledger import check_ledger
from tests.rows import AddedRun
from tests.rules.test_planning import KilledSlots, hand_over, plan_of, speech_like
from tests.rules.test_waveform import stored
from tests.rules.workshop import LANE, EchoSlots, Workshop, as_heard, claimed
from tests.speech import Samples

SEPARATE = {"channels": "separate"}


def call(seconds: int = 60) -> Samples:
    """Two voices that do not pause together."""
    voice = speech_like(seconds)
    return np.stack([voice, np.roll(voice, 11_111) // 2])


async def add_recording(
    shop: Workshop, channels: Samples, options: dict[str, Any] = SEPARATE, *, sound: bytes | None = None
) -> AddedRun:
    run = await shop.add_run(
        sound=sound or media.wav_of_channels(channels),
        units=0,
        planned=False,
        status="queued",
        duration_ms=channels.shape[1] * 1000 // SAMPLE_RATE,
    )
    await shop.database.pool.execute("UPDATE transcript_run SET options = $1, language = 'en'", options)
    return run


async def chunks(shop: Workshop) -> list[dict[str, Any]]:
    rows = await shop.database.pool.fetch(
        "SELECT c.*, u.cost FROM chunk c LEFT JOIN unit u ON u.id = c.unit_id ORDER BY c.index"
    )
    return [dict(row) for row in rows]


@pytest.mark.parametrize("what", ["kept", "missing", "half-written"])
async def test_each_channel_is_heard_alone_and_charged_for_also_when_a_blob_is_lost(
    shop: Workshop, migrated_url: str, what: str
) -> None:
    channels = call()
    run = await add_recording(shop, channels)
    slots = EchoSlots()
    transcriber = shop.transcriber(slots)
    await hand_over(transcriber)
    ledger = await chunks(shop)
    assert len(ledger) > 2
    for chunk in ledger:
        path = shop.folder / "blobs" / chunk["blob"]
        assert path.stat().st_size == 4 * (chunk["end_sample"] - chunk["start_sample"])
        if what == "missing":
            path.unlink()
        elif what == "half-written":  # as long as one channel
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    for _ in ledger:
        await hand_over(transcriber)
    expected = [
        (channel, channels[channel, chunk["start_sample"] : chunk["end_sample"]])
        for chunk in ledger
        for channel in (0, 1)
    ]
    assert len(slots.engine.heard) == len(expected)
    for (_, samples), heard in zip(expected, slots.engine.heard, strict=True):
        np.testing.assert_array_equal(heard, as_heard(samples))
    assert sum(chunk["cost"] for chunk in ledger) == pytest.approx(2 * channels.shape[1] / SAMPLE_RATE)
    await check_ledger(migrated_url, str(run.run_id))
    assert (await shop.run(run.run_id))["done_samples"] == channels.shape[1]


async def test_a_silent_channel_costs_nothing(shop: Workshop, migrated_url: str) -> None:
    voice = speech_like(60)
    channels = np.stack([np.concatenate([voice, 0 * voice]), np.zeros(2 * voice.size, np.int16)])
    run = await add_recording(shop, channels)
    slots = EchoSlots()
    transcriber = shop.transcriber(slots)
    await hand_over(transcriber)
    ledger = await chunks(shop)
    spoken = [chunk for chunk in ledger if chunk["unit_id"]]
    assert {tuple(chunk["channels"]) for chunk in spoken} == {(0,)}
    assert all(
        chunk["cost"] == (chunk["end_sample"] - chunk["start_sample"]) / SAMPLE_RATE for chunk in spoken
    )
    assert len(spoken) < len(ledger)
    for _ in spoken:
        await hand_over(transcriber)
    assert len(slots.engine.heard) == len(spoken)
    await check_ledger(migrated_url, str(run.run_id))


async def test_the_waveform_is_that_of_all_channels_mixed(shop: Workshop) -> None:
    channels = call()
    await add_recording(shop, channels)
    await hand_over(shop.transcriber(EchoSlots()))
    _, pairs = await stored(shop)
    mixed = ((channels[0].astype(int) + channels[1]) / 2).astype(np.int16)
    assert pairs == pairs_of(mixed)


async def test_one_channel_is_channel_0(shop: Workshop) -> None:
    await add_recording(shop, call()[:1])
    await hand_over(shop.transcriber(EchoSlots()))
    assert all(chunk["channels"] == [0] for chunk in await chunks(shop))


class Talkative:
    """Says how loud each second is, so that both channels say something at once."""

    def __init__(self, slots: EchoSlots) -> None:
        slots.engine.transcribe = self.transcribe  # type: ignore[method-assign]

    def transcribe(self, piece: Piece) -> list[Segment]:
        assert piece.samples is not None
        seconds = range(int(piece.seconds))
        return [
            Segment(
                index=0,
                start=second + 0.1 * float(piece.samples.max()),
                end=second + 0.9,
                text=f"{piece.samples.max():.2f}",
                confidence=1.0,
                words=[],
            )
            for second in seconds
        ]


async def test_words_of_all_channels_are_in_one_order_of_time_each_with_its_channel(shop: Workshop) -> None:
    await add_recording(shop, call())
    slots = EchoSlots()
    Talkative(slots)
    transcriber = shop.transcriber(slots)
    await hand_over(transcriber)
    for _ in await chunks(shop):
        await hand_over(transcriber)
    rows = await shop.database.pool.fetch("SELECT * FROM segment ORDER BY index")
    assert [row["start_s"] for row in rows] == sorted(row["start_s"] for row in rows)
    assert {row["channel"] for row in rows} == {0, 1}
    loudest = {
        channel: max(float(row["text"]) for row in rows if row["channel"] == channel) for channel in (0, 1)
    }
    assert loudest[0] > 1.5 * loudest[1]
    events = await shop.database.pool.fetch("SELECT data FROM run_event ORDER BY seq")
    assert any('"channel":1' in event["data"] for event in events)


async def test_a_plan_that_goes_on_after_a_kill_gives_the_ledger_of_one_that_was_not(shop: Workshop) -> None:
    channels = call(8 * 60)
    channels[1, : 200 * SAMPLE_RATE] = 0
    ledgers = []
    for kills in (3, None):
        await shop.database.pool.execute("TRUNCATE transcript_run CASCADE")
        await add_recording(shop, channels)
        transcriber = shop.transcriber(KilledSlots(kills), retry_delays=(0.0,))
        async with running([transcriber.slots]):
            await hand_over(transcriber)
            if kills:
                assert (await plan_of(shop))["error_code"] == "slot_died"
                assert 0 < len(await chunks(shop)) < 15
                await shop.database.pool.execute(
                    "UPDATE unit SET state = 'ready', due_at = NULL, position = -1 WHERE kind = 'plan'"
                )
                await hand_over(transcriber)
        ledgers.append([(c["start_sample"], c["end_sample"], c["channels"]) for c in await chunks(shop)])
    assert ledgers[0] == ledgers[1]
    assert ledgers[0][-1][1] == channels.shape[1]
    assert [0] in [channels for _, _, channels in ledgers[0]]
    assert [0, 1] in [channels for _, _, channels in ledgers[0]]


async def test_a_retry_does_the_failed_unit_alone_and_all_its_channels(
    shop: Workshop, migrated_url: str
) -> None:
    run = await add_recording(shop, call())
    slots = EchoSlots()
    transcriber = shop.transcriber(slots)
    await hand_over(transcriber)
    claims = Claims(shop.database, new_id(), LANE)
    error = WorkError("engine_failed", "it did not work")
    await claims.report_failure(await claimed(claims), error, retry_delays=(), max_retries=0)
    for _ in (await chunks(shop))[1:]:
        await hand_over(transcriber)
    assert (await shop.run(run.run_id))["status"] == "failed"
    slots.engine.heard.clear()
    await Control(shop.database, shop.relay).retry(run.run_id, run.owner)
    await hand_over(transcriber)
    assert (await shop.run(run.run_id))["status"] == "succeeded"
    assert len(slots.engine.heard) == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"track": 1}, "there is no sound track 1, counted from 0; the file has 1 sound track"),
        (SEPARATE, "the sound has 9 channels; one by one it may have 8"),
    ],
)
@pytest.mark.parametrize("known", [True, False], ids=["of an upload", "of an import"])
async def test_a_sound_that_is_not_there_ends_the_run_with_what_is_wrong(
    shop: Workshop, options: dict[str, Any], message: str, known: bool
) -> None:
    run = await add_recording(shop, np.zeros((9, 16_000), np.int16), options)
    if not known:
        await shop.database.pool.execute("UPDATE audio SET duration_ms = NULL")
    await hand_over(shop.transcriber(EchoSlots()))
    row = await shop.run(run.run_id)
    assert (row["status"], row["error_code"], row["error_message"]) == ("failed", "unfit_audio", message)
    assert (await plan_of(shop))["failures"] == 1


async def test_another_track_is_planned_and_cut_again(shop: Workshop, tmp_path: Path) -> None:
    tracks = [speech_like(40), speech_like(40)[::-1].copy()]
    await add_recording(shop, tracks[0][np.newaxis], {"track": 1}, sound=media.tracks(*tracks))
    slots = EchoSlots()
    transcriber = shop.transcriber(slots)
    await hand_over(transcriber)
    ledger = await chunks(shop)
    (shop.folder / "blobs" / ledger[0]["blob"]).unlink()
    for _ in ledger:
        await hand_over(transcriber)
    for chunk, heard in zip(ledger, slots.engine.heard, strict=True):
        own = tracks[1][chunk["start_sample"] : chunk["end_sample"]]
        np.testing.assert_array_equal(heard, as_heard(own))
