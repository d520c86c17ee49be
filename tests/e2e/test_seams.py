"""At a cut between two chunks no word is lost or doubled that direct decoding of the whole recording has right."""

import json
import re
from collections.abc import Sequence
from pathlib import Path

import jiwer
import pytest
from faster_whisper import WhisperModel

from lingoloop_transcriber.engines.models import default_cache, find_model
from tests.e2e.test_fleet import transcribe
from tests.fleet import Fleet, running_fleet
from tests.ledger import check_ledger
from tests.speech import RATE, Clip, join, librivox_clips, word_error_rate, write_wav

pytestmark = pytest.mark.slow

NEAR = 2.0
"""Seconds around a cut in which words are compared."""

Timed = tuple[str, float]


def plain(word: str) -> str:
    """A word as it is compared."""
    word = re.sub(r"[^a-z0-9']", "", word.lower())
    return {"mr": "mister"}.get(word, word)


def heard_directly(path: Path) -> list[Timed]:
    model = WhisperModel(
        str(find_model("base", default_cache())), device="cpu", compute_type="int8", cpu_threads=2
    )
    segments, _ = model.transcribe(str(path), language="en", word_timestamps=True, temperature=0)
    return [
        (plain(word.word), (word.start + word.end) / 2)
        for segment in segments
        for word in segment.words or ()
    ]


async def heard_in_chunks(fleet: Fleet, path: Path) -> tuple[str, list[Timed]]:
    run_id, _, _ = await transcribe(fleet, path)
    async with fleet.client() as client:
        exported = json.loads(b"".join([part async for part in client.export(run_id, "json")]))
    words = [word for segment in exported["segments"] for word in segment["words"]]
    return run_id, [(plain(word["word"]), (word["start"] + word["end"]) / 2) for word in words]


def right_words(reference: Sequence[str], heard: Sequence[Timed]) -> dict[int, int]:
    """Return which words of the reference were heard right: index in the reference to index in what was heard."""
    found = jiwer.process_words(" ".join(reference), " ".join(word for word, _ in heard))
    return {
        part.ref_start_idx + step: part.hyp_start_idx + step
        for part in found.alignments[0]
        if part.type == "equal"
        for step in range(part.ref_end_idx - part.ref_start_idx)
    }


def spoiled(clip: Clip, cuts: Sequence[float], ours: Sequence[Timed], direct: Sequence[Timed]) -> list[str]:
    """Return the words near a cut that direct decoding has right and we have not, or have one more time."""
    reference = [plain(word) for word in clip.words.split()]
    mine, theirs = right_words(reference, ours), right_words(reference, direct)
    wrong = []
    for place, at in theirs.items():
        if all(abs(direct[at][1] - cut) > NEAR for cut in cuts):
            continue
        if place not in mine:
            wrong.append(f"{reference[place]} at {direct[at][1]:.1f} s is lost")
        elif place + 1 in mine and place + 1 in theirs and mine[place + 1] != mine[place] + 1:
            wrong.append(f"something was added after {reference[place]} at {direct[at][1]:.1f} s")
    return wrong


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
    assert spoiled(clip, cuts, ours, direct) == []
    # As a whole, too, it is no worse than direct decoding, but for one word in a hundred.
    error, direct_error = (
        word_error_rate(clip.words, " ".join(w for w, _ in said)) for said in (ours, direct)
    )
    assert error <= direct_error + 0.01, (error, direct_error)
