"""Conversations made of real speech: voices that take turns, and who speaks when."""

import itertools
import json
from collections.abc import Sequence

import numpy as np
import pytest

from lingoloop_transcriber.engines import Sound
from lingoloop_transcriber.engines.speech import find_speech
from tests.speech import RATE, SHARED, Samples, read_audio

TURN = int(4.2 * RATE)
"""Samples in a turn, at least."""

Truth = list[tuple[int, int, str]]
"""From which sample to which, and who."""


def as_sound(samples: Samples) -> Sound:
    return samples.astype(np.float32) / np.float32(32768)


def speech_of(speaker: str) -> Samples:
    """Return all that the speech folder has of a speaker, without what is quiet around it."""
    manifest = SHARED / "manifest.json"
    if not manifest.is_file():
        pytest.skip("more speech is left out: there is no speech folder beside the project")
    names = [entry["file"] for entry in json.loads(manifest.read_text()) if entry["speaker"] == speaker]
    clips = [read_audio(SHARED / name) for name in names]
    parts = []
    for clip in clips:
        found = find_speech(as_sound(clip))
        parts.append(clip[int(found[0].start * RATE) : int(found[-1].end * RATE)])
    return np.concatenate(parts)[: 30 * RATE]


def turns_of(speech: Samples) -> list[Samples]:
    count = max(1, speech.size // TURN)
    return [speech[speech.size * turn // count : speech.size * (turn + 1) // count] for turn in range(count)]


def conversation(speakers: Sequence[str]) -> tuple[Samples, Truth]:
    """Let speakers take turns, with 0.1 to 0.9 s of quiet noise in between; return also who speaks from when to when."""
    numbers = np.random.default_rng(3)
    left = {speaker: turns_of(speech_of(speaker)) for speaker in speakers}
    parts: list[Samples] = []
    truth: Truth = []
    at = 0
    for speaker in itertools.cycle(speakers):
        if not left[speaker]:
            break
        gap = numbers.normal(0, 12, int(numbers.uniform(0.1, 0.9) * RATE)).astype(np.int16)
        turn = left[speaker].pop(0)
        parts += [gap, turn]
        truth.append((at + gap.size, at + gap.size + turn.size, speaker))
        at += gap.size + turn.size
    return np.concatenate(parts), truth


def share_right(turns: Sequence[tuple[float, float, int]], truth: Sequence[tuple[int, int, str]]) -> float:
    """Return the share of the speech that has the right label, labels being matched to speakers as fits best."""
    names = sorted({speaker for *_, speaker in truth})
    labels = range(max((label for *_, label in turns), default=-1) + 1)
    shared = np.zeros((len(names), max(len(labels), len(names))))
    for start, end, label in turns:
        for begin, stop, speaker in truth:
            shared[names.index(speaker), label] += max(0.0, min(end, stop / RATE) - max(start, begin / RATE))
    ways = itertools.permutations(range(shared.shape[1]), len(names))
    best = max(sum(shared[place, label] for place, label in enumerate(way)) for way in ways)
    return float(best / shared.sum())
