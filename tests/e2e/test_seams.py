"""At a cut between two chunks no word is lost or doubled that direct decoding of the whole recording has right."""

import json
from pathlib import Path

import pytest
from faster_whisper import WhisperModel

from lingoloop_transcriber.engines.models import default_cache, find_model
from tests.e2e.test_fleet import transcribe
from tests.fleet import Fleet, running_fleet
from tests.ledger import check_ledger
from tests.seams import Timed, spoiled
from tests.speech import RATE, join, librivox_clips, word_error_rate, write_wav

pytestmark = pytest.mark.slow

NEAR = 2.0
"""Seconds around a cut in which words are compared."""


def heard_directly(path: Path) -> list[Timed]:
    model = WhisperModel(
        str(find_model("base", default_cache())), device="cpu", compute_type="int8", cpu_threads=2
    )
    segments, _ = model.transcribe(str(path), language="en", word_timestamps=True, temperature=0)
    return [Timed(w.word, w.start, w.end) for segment in segments for w in segment.words or ()]


async def heard_in_chunks(fleet: Fleet, path: Path) -> tuple[str, list[Timed]]:
    run_id, _, _ = await transcribe(fleet, path)
    async with fleet.client() as client:
        exported = json.loads(b"".join([part async for part in client.export(run_id, "json")]))
    words = [word for segment in exported["segments"] for word in segment["words"]]
    return run_id, [Timed(word["word"], word["start"], word["end"]) for word in words]


async def test_no_word_is_lost_or_doubled_at_a_cut(
    tmp_path: Path, database_url: str, rabbitmq_url: str
) -> None:
    # Hardly a pause between the clips: the cuts fall into what pauses the reader makes.
    clip = join(librivox_clips(), least_seconds=200, pause=0.1)
    path = write_wav(tmp_path / "speech.wav", clip.samples)
    async with running_fleet(tmp_path, database_url, rabbitmq_url, MAX_CONCURRENT_JOBS="1") as fleet:
        run_id, ours = await heard_in_chunks(fleet, path)
    chunks = await check_ledger(database_url, run_id)
    cuts = [chunk["end_sample"] / RATE for chunk in chunks[:-1]]
    assert len(cuts) >= 7
    direct = heard_directly(path)
    assert spoiled(clip, cuts, ours, direct, near=NEAR) == []
    # As a whole, too, it is no worse than direct decoding, but for one word in a hundred.
    error, direct_error = (
        word_error_rate(clip.words, "".join(word.word for word in said)) for said in (ours, direct)
    )
    assert error <= direct_error + 0.01, (error, direct_error)
