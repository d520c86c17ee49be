"""Where somebody is heard: beside noise as much as alone, and quiet ones beside loud ones."""

import numpy as np
import pytest

from lingoloop_transcriber.engines import Sound
from lingoloop_transcriber.engines.speech import Span, find_speech, hear
from lingoloop_transcriber.split import Splitter
from tests.speech import RATE, Clip, Samples, librivox_clips, mixed, shared_clips


@pytest.fixture(scope="module")
def clips() -> list[Clip]:
    return librivox_clips()


def as_sound(samples: Samples) -> Sound:
    return samples.astype(np.float32) / np.float32(32768)


def noise(seconds: float, peak: float, seed: int = 5) -> Sound:
    return np.random.default_rng(seed).normal(0, peak / 3, int(seconds * RATE)).astype(np.float32)


def seconds_of(speech: list[Span]) -> float:
    return sum(span.seconds for span in speech)


def test_what_is_raised_in_pauses_hides_no_speech_beside_them() -> None:
    clip, splitter = mixed(shared_clips(), 1, seed=1), Splitter()
    for chunk in (*splitter.push(clip.samples), *splitter.close()):
        assert chunk.samples is not None
        plain = find_speech(as_sound(chunk.samples))
        assert seconds_of(hear(as_sound(chunk.samples))[1]) >= seconds_of(plain)


def test_a_quiet_speaker_is_heard_beside_a_loud_one_and_raised_alone(clips: list[Clip]) -> None:
    loud, quiet = (as_sound(clip.samples) for clip in clips[:2])
    loud, quiet = loud / np.abs(loud).max() * 0.5, quiet / np.abs(quiet).max() * 0.003
    both = np.concatenate([loud, np.zeros(RATE, np.float32), quiet])
    before = seconds_of(find_speech(both))
    heard, speech = hear(both)
    assert seconds_of(speech) >= before + 0.7 * (quiet.size / RATE)
    np.testing.assert_array_equal(heard[: loud.size], loud)
    assert np.abs(heard[-quiet.size :]).max() > 0.1


@pytest.mark.parametrize("peak", [0.0, 1e-4, 0.003, 0.05])
def test_nobody_is_heard_in_noise(peak: float) -> None:
    sound = noise(10, peak)
    heard, speech = hear(sound)
    assert speech == []
    assert heard is sound


def test_spans_are_in_order_and_do_not_overlap(clips: list[Clip]) -> None:
    loud, quiet = (as_sound(clip.samples) for clip in clips[:2])
    _, speech = hear(np.concatenate([quiet * 0.01, loud, quiet * 0.01, loud]))
    edges = [edge for span in speech for edge in (span.start, span.end)]
    assert edges == sorted(edges)
