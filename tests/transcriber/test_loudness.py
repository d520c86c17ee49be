"""What an engine hears: speech at its usual level, however quiet the speaker, and nothing else changed."""

import numpy as np
import pytest

from lingoloop_transcriber.engines import Sound
from lingoloop_transcriber.loudness import FRAME, LOUDEST, NEAR, audible, raised
from tests.speech import RATE

MOMENT = NEAR * FRAME


def voice(seconds: float, peak: float, seed: int = 1) -> Sound:
    """Return noise of a peak, as 16-bit samples know it."""
    sound = np.random.default_rng(seed).uniform(-1, 1, int(seconds * RATE)) * peak
    return (np.round(sound * 32768) / 32768).astype(np.float32)


def peak(sound: Sound) -> float:
    return float(np.abs(sound).max())


def test_what_is_loud_enough_stays_as_it_is() -> None:
    sound = voice(20, 0.2)
    sound -= sound.mean()
    np.testing.assert_allclose(audible(sound), sound, atol=1e-6)


@pytest.mark.parametrize("decibels", [-30, -40, -50])
def test_a_quiet_recording_is_raised_all_of_it_alike(decibels: float) -> None:
    sound = voice(20, 10 ** (decibels / 20))
    raised = audible(sound)
    assert peak(raised) == pytest.approx(LOUDEST, rel=0.01)
    np.testing.assert_allclose(raised / raised.std(), sound / sound.std(), atol=0.05)


def test_a_quiet_speaker_beside_a_loud_one_is_raised_and_the_loud_one_is_not() -> None:
    loud, quiet = voice(8, 0.8), voice(8, 0.003)
    louder = raised(np.concatenate([loud, quiet, loud]))
    np.testing.assert_allclose(louder[: loud.size], loud, atol=0.001)
    np.testing.assert_allclose(louder[-loud.size :], loud, atol=0.001)
    between = louder[loud.size : -loud.size]
    assert peak(between[2 * MOMENT : -2 * MOMENT]) == pytest.approx(LOUDEST, rel=0.02)
    assert peak(louder) <= 0.81


def test_a_short_pause_stays_quiet() -> None:
    pause = voice(1.5 * MOMENT / RATE, 0.002, seed=3)
    louder = raised(np.concatenate([voice(5, 0.5), pause, voice(5, 0.5, seed=2)]))
    assert peak(louder[5 * RATE : 5 * RATE + pause.size]) <= 0.004


@pytest.mark.parametrize("noise", [0.0, 1e-5])
def test_what_is_as_good_as_silence_stays_so(noise: float) -> None:
    assert peak(audible(np.full(5 * RATE, noise, np.float32) * np.tile([1, -1], 5 * RATE // 2))) <= 0.001


def test_an_offset_goes_and_does_not_hide_that_it_is_quiet() -> None:
    sound = voice(20, 0.01)
    shifted = audible(sound + np.float32(0.3))
    assert abs(shifted.mean()) < 0.001
    assert peak(shifted) == pytest.approx(LOUDEST, rel=0.05)


def test_beside_somebody_loud_a_sound_stays_as_it_is_unless_moments_are_asked_for() -> None:
    sound = np.concatenate([voice(8, 0.8), voice(8, 0.003)])
    sound -= sound.mean()
    np.testing.assert_allclose(audible(sound), sound, atol=1e-6)


@pytest.mark.parametrize("size", [0, 1, FRAME - 1, FRAME + 1])
def test_any_length_will_do(size: int) -> None:
    assert audible(voice(size / RATE, 0.01)).size == size
    assert raised(voice(size / RATE, 0.01)).size == size


def test_clipped_sound_stays_clipped() -> None:
    sound = np.clip(voice(5, 3.0), -1, 1).astype(np.float32)
    np.testing.assert_allclose(audible(sound), sound - sound.mean(), atol=1e-6)
