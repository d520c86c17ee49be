"""The model of voices on real speech: recordings joined from two and three voices are told apart."""

import itertools
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from lingoloop_transcriber import voices as voices_module
from lingoloop_transcriber.clusters import read_windows, tell_apart
from lingoloop_transcriber.engines import EngineError
from lingoloop_transcriber.engines.speech import Span
from lingoloop_transcriber.split import Splitter
from lingoloop_transcriber.voices import HOP, WINDOW, Voices, find_model, windows
from tests.conversation import as_sound, conversation, share_right
from tests.speech import RATE, Samples, librivox_clips

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


def chunks(samples: Samples) -> Iterator[tuple[int, Samples]]:
    splitter = Splitter()
    for cut in (*splitter.push(samples), *splitter.close()):
        if cut.samples is not None:
            yield cut.start, cut.samples


def heard(voices: Voices, samples: Samples) -> bytes:
    return b"".join(voices.listen(as_sound(part), start) for start, part in chunks(samples))


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


@needs_model
def test_voices_of_a_recording_of_three_days_have_their_times(voices: Voices) -> None:
    [clip, *_] = librivox_clips()
    start = 70 * 3600 * RATE
    late = read_windows(voices.listen(as_sound(clip.samples), start))
    early = read_windows(voices.listen(as_sound(clip.samples), 0))
    assert (late["start"] - start).tolist() == early["start"].tolist() != []
    assert tell_apart(late)[0][0] >= 70 * 3600
