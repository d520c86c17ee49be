"""Sounds in which nobody speaks, in minutes."""

import numpy as np
from numpy.typing import NDArray

from tests.speech import RATE, Samples

Sound = NDArray[np.float64]


def noises(minutes: float) -> dict[str, Samples]:
    """Return silence, tones, music-like noise and a room's noise, so many minutes of each."""
    times = np.arange(int(minutes * 60 * RATE)) / RATE
    random = np.random.default_rng(11)
    sounds = {
        "silence": np.zeros(times.size),
        "tones": _tones(times),
        "music": _music(times, random),
        "room": _room(times, random),
    }
    return {name: sound.round().astype(np.int16) for name, sound in sounds.items()}


def _tones(times: Sound) -> Sound:
    """A tone that changes each ten seconds, and stops for two."""
    pitch = np.array([220, 440, 1000, 3000, 60])[(times // 10).astype(int) % 5]
    return np.where(times % 10 < 8, 6000 * np.sin(2 * np.pi * pitch * times), 0)


def _music(times: Sound, random: np.random.Generator) -> Sound:
    """Plucked chords, two a second, over a beat of noise."""
    scale = 220 * 2 ** (np.array([0, 2, 4, 5, 7, 9, 11, 12]) / 12)
    notes = scale[random.integers(0, 8, int(times[-1] * 2) + 1)][(times * 2).astype(int)]
    chord = sum(np.sin(2 * np.pi * notes * ratio * times) for ratio in (1, 1.25, 1.5, 2))
    beat = random.normal(0, 1, times.size) * np.exp(-20 * (times % 0.5))
    return np.asarray(1800 * np.exp(-4 * (times % 0.5)) * chord + 1500 * beat)


def _room(times: Sound, random: np.random.Generator) -> Sound:
    """Low noise that comes and goes as of ventilation, mains hum, and a knock now and then."""
    white = random.normal(0, 1, times.size + 63)
    low = np.convolve(white, np.hanning(64) / 32, mode="valid")
    hum = 40 * np.sin(2 * np.pi * 50 * times) + 15 * np.sin(2 * np.pi * 150 * times)
    knock = 2000 * np.exp(-60 * (times % 7.3)) * np.sin(2 * np.pi * 180 * times)
    return np.asarray(250 * (1 + 0.5 * np.sin(2 * np.pi * times / 23)) * low + hum + knock)
