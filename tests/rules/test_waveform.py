"""The plan stores the waveform as it goes, beside its ledger: no gap and nothing twice, however often it is cut off."""

from typing import Any

import numpy as np
import pytest

from lingoloop_common.contracts.units import SAMPLE_RATE, WAVEFORM_SAMPLES
from lingoloop_common.lifecycle import running
from lingoloop_common.store.ids import new_id
from lingoloop_common.store.runs import Fenced
from lingoloop_transcriber.claims import Claims
from lingoloop_transcriber.waveform import pairs_of, silent_pairs
from tests.rules.test_planning import (
    KilledSlots,
    add_recording,
    cuts,
    finish_chunks,
    hand_over,
    plan_of,
    speech_like,
)
from tests.rules.workshop import LANE, EchoSlots, Workshop, claimed, simulated_slots
from tests.speech import Samples


async def stored(shop: Workshop) -> tuple[list[int], bytes]:
    """Return where the pieces begin, and all of them joined."""
    rows = await shop.database.pool.fetch("SELECT * FROM waveform ORDER BY start_sample")
    return [row["start_sample"] for row in rows], b"".join(row["pairs"] for row in rows)


def expected(samples: Samples) -> bytes:
    """Return the waveform, made the slow way."""
    pairs = bytearray()
    for at in range(0, samples.size, WAVEFORM_SAMPLES):
        piece = samples[at : at + WAVEFORM_SAMPLES]
        pairs += np.array([int(piece.min() / 256), int(piece.max() / 256)], np.int8).tobytes()
    return bytes(pairs)


def test_pairs_are_the_least_and_the_greatest_and_full_scale_fits() -> None:
    samples = np.zeros(2 * WAVEFORM_SAMPLES + 1, np.int16)
    samples[[0, 1, WAVEFORM_SAMPLES, 2 * WAVEFORM_SAMPLES]] = -32768, 32767, -255, 512
    assert np.frombuffer(pairs_of(samples), np.int8).tolist() == [-128, 127, 0, 0, 2, 2]
    assert silent_pairs(samples.size) == bytes(6)
    assert silent_pairs(0) == b""


async def test_the_waveform_of_speech_and_silence_is_that_of_the_recording(shop: Workshop) -> None:
    quiet = np.zeros(60 * SAMPLE_RATE, np.int16)
    samples = np.concatenate([speech_like(50), quiet, speech_like(50)[:-77]])
    await add_recording(shop, samples)
    await hand_over(shop.transcriber(EchoSlots()))
    begins, pairs = await stored(shop)
    assert begins == [start for start, _ in await cuts(shop)]
    assert pairs == expected(samples)


async def test_a_plan_that_is_handed_back_and_goes_on_elsewhere_stores_the_rest(shop: Workshop) -> None:
    samples = speech_like(28 * 60)
    await add_recording(shop, samples)
    await hand_over(shop.transcriber(EchoSlots()))
    assert (await plan_of(shop))["state"] == "waiting"
    begun, first = await stored(shop)
    assert len(begun) == 64
    await finish_chunks(shop, 32)
    await hand_over(shop.transcriber(EchoSlots()))
    begins, pairs = await stored(shop)
    assert pairs[: len(first)] == first == expected(samples)[: len(first)]
    assert begins == [start for start, _ in await cuts(shop)]
    assert pairs == expected(samples)


async def test_a_plan_that_is_killed_leaves_neither_hole_nor_double(shop: Workshop) -> None:
    samples = speech_like(15 * 60)
    await add_recording(shop, samples)
    transcriber = shop.transcriber(KilledSlots(3), retry_delays=(0.0,))
    async with running([transcriber.slots]):
        await hand_over(transcriber)
        begun, _ = await stored(shop)
        assert begun == [start for start, _ in await cuts(shop)] != []
        await shop.database.pool.execute(
            "UPDATE unit SET state = 'ready', due_at = NULL, position = -1 WHERE kind = 'plan'"
        )
        await hand_over(transcriber)
    _, pairs = await stored(shop)
    assert pairs == expected(samples)


@pytest.mark.parametrize("silent", [False, True])
async def test_an_attempt_that_was_fenced_stores_none(shop: Workshop, silent: bool) -> None:
    await shop.add_run(units=0, planned=False)
    claims = Claims(shop.database, new_id(), LANE)
    claim = await claimed(claims)
    await shop.database.pool.execute("UPDATE unit SET attempt = attempt + 1")
    piece: dict[str, Any] = {"index": 0, "start": 0, "end": WAVEFORM_SAMPLES, "pairs": b"xx"}
    with pytest.raises(Fenced):
        await (
            shop.ledger.add_silence(claim, **piece)
            if silent
            else shop.ledger.add_chunk(claim, unit_id=new_id(), blob=None, language=None, **piece)
        )
    assert await stored(shop) == ([], b"")


async def test_an_engine_that_does_not_listen_leaves_none(shop: Workshop) -> None:
    await shop.add_run(units=0, planned=False, duration_ms=60_000)
    transcriber = shop.transcriber(simulated_slots(1))
    async with running(transcriber.parts):
        await hand_over(transcriber)
    assert len(await cuts(shop)) == 3
    assert await stored(shop) == ([], b"")
