"""The model of voices on real speech: recordings joined from two and three voices are told apart."""

import itertools
import json
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from lingoloop_transcriber import voices as voices_module
from lingoloop_transcriber.clusters import read_windows, tell_apart
from lingoloop_transcriber.engines import EngineError, Sound
from lingoloop_transcriber.engines.speech import Span, find_speech
from lingoloop_transcriber.split import Splitter
from lingoloop_transcriber.voices import HOP, WINDOW, Voices, find_model, windows
from tests.speech import RATE, SHARED, Samples, librivox_clips, read_audio

TURN = int(4.2 * RATE)
"""Samples in a turn, at least."""

SPEAKERS = ["mcauliffe", "libri1088", "austen", "JFK", "spk1", "sonnets"]

needs_model = pytest.mark.skipif(
    find_spec("lingoloop_voices") is None,
    reason="no model of voices here: install lingoloop-transcriber[speakers]",
)


@pytest.fixture(scope="module")
def voices() -> Voices:
    model = find_model()
    assert model is not None
    return Voices(model)


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


def conversation(speakers: Sequence[str]) -> tuple[Samples, list[tuple[int, int, str]]]:
    """Let speakers take turns, with 0.1 to 0.9 s of quiet noise in between; return also who speaks from when to when."""
    numbers = np.random.default_rng(3)
    left = {speaker: turns_of(speech_of(speaker)) for speaker in speakers}
    parts: list[Samples] = []
    truth: list[tuple[int, int, str]] = []
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


def chunks(samples: Samples) -> Iterator[tuple[int, Samples]]:
    splitter = Splitter()
    for cut in (*splitter.push(samples), *splitter.close()):
        if cut.samples is not None:
            yield cut.start, cut.samples


def heard(voices: Voices, samples: Samples) -> bytes:
    return b"".join(voices.listen(as_sound(part), start) for start, part in chunks(samples))


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


TWO_AND_THREE = [*itertools.combinations(SPEAKERS[:5], 2), *itertools.combinations(SPEAKERS, 3)]


def among(speakers: Sequence[str], *, quick: Sequence[Sequence[str]]) -> object:
    marks = [] if speakers in quick else [pytest.mark.slow]
    return pytest.param(speakers, marks=marks, id="+".join(speakers))


QUICK = [("mcauliffe", "austen"), ("libri1088", "JFK"), ("mcauliffe", "libri1088", "JFK")]


@needs_model
@pytest.mark.parametrize("speakers", [among(speakers, quick=QUICK) for speakers in TWO_AND_THREE])
def test_of_two_or_three_voices_95_percent_of_the_speech_gets_the_right_label(
    voices: Voices, speakers: tuple[str, ...]
) -> None:
    samples, truth = conversation(speakers)
    turns = tell_apart(read_windows(heard(voices, samples)))
    assert share_right(turns, truth) >= 0.95
    assert len({label for *_, label in turns}) == len(speakers)


@needs_model
def test_one_voice_is_one_speaker_and_the_same_sound_gives_the_same_voices(voices: Voices) -> None:
    samples = np.concatenate([clip.samples for clip in librivox_clips()])
    found = heard(voices, samples)
    assert {label for *_, label in tell_apart(read_windows(found))} == {0}
    assert heard(voices, samples) == found


@needs_model
def test_silence_has_no_voices(voices: Voices) -> None:
    assert voices.listen(np.zeros(20 * RATE, np.float32), 0) == b""


@pytest.mark.parametrize("seconds", [0.2, 1.5, 1.6, 2.3, 11.0])
def test_windows_cover_speech_evenly(seconds: float) -> None:
    found = list(windows([Span(3.0, 3.0 + seconds)]))
    assert (found[0][0], found[-1][1]) == (3 * RATE, int((3.0 + seconds) * RATE))
    for (begin, end), (following, _) in itertools.pairwise(found):
        assert 0 < following - begin <= HOP
        assert end - begin == WINDOW


def test_without_its_package_there_is_no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(voices_module, "PACKAGE", "not_installed_at_all")
    assert find_model() is None


def test_a_damaged_model_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "damaged_voices"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "voices.onnx").write_bytes(b"damaged")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(voices_module, "PACKAGE", "damaged_voices")
    with pytest.raises(EngineError, match="damaged"):
        find_model()
