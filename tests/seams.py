"""What is right in two transcripts of a recording, word by word, and what the cuts between chunks have spoiled."""

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass

import jiwer
import numpy as np

from lingoloop_common.contracts.units import SAMPLE_RATE
from lingoloop_transcriber.engines.speech import extent, hear, make_windows
from lingoloop_transcriber.loudness import audible
from lingoloop_transcriber.split import Splitter
from tests.speech import Clip, Samples


@dataclass(frozen=True, slots=True)
class Timed:
    """A word and when it was said, in seconds."""

    word: str
    start: float
    end: float

    @property
    def middle(self) -> float:
        """The point half-way."""
        return (self.start + self.end) / 2


HESITATIONS = {"hmm", "mm", "mhm", "mmm", "uh", "um"}
"""No words to Whisper's English normaliser, and so neither here."""


def plain(word: str) -> str:
    """Return a word as it is compared; nothing for a hesitation."""
    word = re.sub(r"[^a-z0-9']", "", word.lower())
    return {"mr": "mister"}.get(word, "" if word in HESITATIONS else word)


def plain_words(text: str) -> list[str]:
    """Return the words of a text as they are compared."""
    return [word for part in text.split() if (word := plain(part))]


def right_words(reference: Sequence[str], heard: Sequence[Timed]) -> dict[int, int]:
    """Return which words of the reference were heard right: index in the reference to index in what was heard."""
    found = jiwer.process_words(" ".join(reference), " ".join(plain(word.word) or "-" for word in heard))
    return {
        part.ref_start_idx + step: part.hyp_start_idx + step
        for part in found.alignments[0]
        if part.type == "equal"
        for step in range(part.ref_end_idx - part.ref_start_idx)
    }


def spoiled(
    clip: Clip, cuts: Sequence[float], ours: Sequence[Timed], direct: Sequence[Timed], *, near: float
) -> list[str]:
    """Return the words within `near` seconds of a cut that direct decoding has right and we have not, or more often."""
    reference = plain_words(clip.words)
    mine, theirs = right_words(reference, ours), right_words(reference, direct)
    wrong = []
    for place, at in theirs.items():
        if all(abs(direct[at].middle - cut) > near for cut in cuts):
            continue
        if place not in mine:
            wrong.append(f"{reference[place]} at {direct[at].middle:.1f} s is lost")
        elif place + 1 in mine and place + 1 in theirs and mine[place + 1] != mine[place] + 1:
            wrong.append(f"something was added after {reference[place]} at {direct[at].middle:.1f} s")
    return wrong


def cuts_of(samples: Samples) -> list[float]:
    """Return the seconds at which a recording is cut, into chunks and inside them into windows."""
    splitter = Splitter()
    cuts = []
    for chunk in (*splitter.push(samples), *splitter.close()):
        at = chunk.start / SAMPLE_RATE
        cuts.append(at)
        if chunk.samples is not None:
            sound = audible(chunk.samples.astype(np.float32) / np.float32(32768))
            windows = make_windows(hear(sound)[1])
            cuts += [
                at + (extent(before).end + extent(after).start) / 2
                for before, after in itertools.pairwise(windows)
            ]
    return cuts[1:]
