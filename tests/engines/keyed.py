"""Sound for the example engine: text keyed in Morse code."""

import numpy as np

from lingoloop_morse import LETTERS
from tests.speech import RATE, Samples

DOT = 0.06
"""Seconds: twenty words a minute."""


def morse(text: str) -> Samples:
    """Return words keyed as a tone, with half a second of silence before and after."""
    codes = {letter: marks for marks, letter in LETTERS.items()}
    pieces = [_off(0.5)]
    for word in text.split():
        for letter in word:
            for mark in codes[letter]:
                pieces += [_on(DOT * (3 if mark == "-" else 1)), _off(DOT)]
            pieces.append(_off(2 * DOT))
        pieces.append(_off(4 * DOT))
    return np.concatenate([*pieces, _off(0.5)])


def _on(seconds: float) -> Samples:
    times = np.arange(round(seconds * RATE)) / RATE
    return (8000 * np.sin(2 * np.pi * 700 * times)).astype(np.int16)


def _off(seconds: float) -> Samples:
    return np.zeros(round(seconds * RATE), np.int16)
