"""From a recording to its speakers: plan, chunks and last unit with real voices, and an engine that says when it spoke."""

from importlib.util import find_spec

import numpy as np
import pytest

from lingoloop_common.contracts.transcript import Segment, Word
from lingoloop_transcriber.engines import Piece
from lingoloop_transcriber.voices import Voices, find_model
from tests.conversation import Truth, conversation
from tests.ledger import check_ledger
from tests.rules.test_planning import add_recording, hand_over
from tests.rules.workshop import EchoEngine, EchoSlots, Workshop
from tests.speech import RATE, Samples

pytestmark = pytest.mark.skipif(
    find_spec("lingoloop_voices") is None,
    reason="no model of voices here: install lingoloop-transcriber[speakers]",
)


class Ticking(EchoEngine):
    """Says a word each half second, in segments of 12 s, which know nothing of turns."""

    def transcribe(self, piece: Piece) -> list[Segment]:
        words = [
            Word(word=f" {at:.1f}", start=at, end=at + 0.5, confidence=1)
            for at in np.arange(0, piece.seconds - 0.5, 0.5).tolist()
        ]
        groups = [words[at : at + 24] for at in range(0, len(words), 24)]
        return [
            Segment(
                index=0,
                start=group[0].start,
                end=group[-1].end,
                text="".join(word.word for word in group).strip(),
                confidence=1,
                words=group,
            )
            for group in groups
        ]


class TickingSlots(EchoSlots):
    """A slot with that engine, and the model of voices."""

    def __init__(self) -> None:
        super().__init__()
        model = find_model()
        assert model is not None
        self._slot._served._engine = Ticking()
        self._slot._served._voices = Voices(model)


async def words_of_run(shop: Workshop, samples: Samples, url: str) -> list[tuple[float, str, str | None]]:
    """Transcribe a recording; return when each word is said, it, and by whom."""
    run = await add_recording(shop, samples)
    await shop.database.pool.execute(
        "UPDATE transcript_run SET options = $2 WHERE id = $1", run.run_id, {"diarize": True}
    )
    transcriber = shop.transcriber(TickingSlots())
    while not await shop.run_ended(run.run_id):
        await hand_over(transcriber)
    await check_ledger(url, str(run.run_id))
    rows = await shop.database.pool.fetch(
        "SELECT words, speaker FROM segment WHERE run_id = $1 ORDER BY index", run.run_id
    )
    return [
        ((word["start"] + word["end"]) / 2, word["word"], row["speaker"])
        for row in rows
        for word in row["words"]
    ]


def share_right(words: list[tuple[float, str, str | None]], truth: Truth) -> float:
    """Return the share of the words in somebody's turn that have that one's label, by the order in which they first speak."""
    labels: dict[str, str] = {}
    for *_, who in truth:
        labels.setdefault(who, str(len(labels) + 1))
    right = [
        labels[who] == label
        for moment, _, label in words
        for start, end, who in truth
        if start / RATE <= moment < end / RATE
    ]
    return sum(right) / len(right)


async def test_words_get_their_speakers_and_the_same_recording_the_same_ones_twice(
    shop: Workshop, migrated_url: str
) -> None:
    samples, truth = conversation(["mcauliffe", "libri1088"])
    first = await words_of_run(shop, samples, migrated_url)
    assert share_right(first, truth) >= 0.95
    assert await words_of_run(shop, samples, migrated_url) == first
