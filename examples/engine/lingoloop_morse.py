"""`morse`: an engine from outside. It needs no model: letters are told by how long a tone is on, and how long off."""

from itertools import groupby
from typing import ClassVar, NamedTuple

import numpy as np

from lingoloop_common.contracts.engines import Abilities
from lingoloop_common.contracts.transcript import Segment, Word
from lingoloop_transcriber.engines import EngineError, Piece, Sound

STEP = 160
"""Samples, 10 ms, by which the loudness is looked at."""

STEPS_PER_SECOND = 16_000 // STEP

QUIET = 0.01
"""Of full scale: what stays below is silence."""

LONGEST = 1.0
"""Seconds: what sounds for longer is no Morse code."""

LETTERS = dict(
    zip(
        [
            ".-",
            "-...",
            "-.-.",
            "-..",
            ".",
            "..-.",
            "--.",
            "....",
            "..",
            ".---",
            "-.-",
            ".-..",
            "--",
            "-.",
            "---",
            ".--.",
            "--.-",
            ".-.",
            "...",
            "-",
            "..-",
            "...-",
            ".--",
            "-..-",
            "-.--",
            "--..",
            "-----",
            ".----",
            "..---",
            "...--",
            "....-",
            ".....",
            "-....",
            "--...",
            "---..",
            "----.",
        ],
        "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789",
        strict=True,
    )
)


class Beat(NamedTuple):
    """A time for which the tone is on, or off; counted in steps."""

    on: bool
    start: int
    end: int

    @property
    def steps(self) -> int:
        """How long it is."""
        return self.end - self.start


class Morse:
    """Hears Morse code."""

    needs_audio: ClassVar[bool] = True
    elsewhere: ClassVar[bool] = False
    abilities = Abilities()

    def __init__(self, model: str | None) -> None:
        if model is not None:
            raise EngineError(f"the engine morse has no models; leave out MODEL, which is {model!r}")

    def detect_language(self, sound: Sound) -> str | None:
        """Letters are letters in any language."""
        return None

    def transcribe(self, piece: Piece) -> list[Segment]:
        """Return what was keyed, as one segment with its words; silence and other sounds give none."""
        assert piece.samples is not None  # needs_audio
        beats = beats_of(piece.samples)
        tones = [beat.steps for beat in beats if beat.on]
        if not tones or max(tones) > LONGEST * STEPS_PER_SECOND:
            return []
        words = words_of(beats, dot=min(tones))
        text = " ".join(word.word.strip() for word in words)
        start, end = words[0].start, words[-1].end
        return [Segment(index=0, start=start, end=end, text=text, confidence=1.0, words=words)]


def beats_of(sound: Sound) -> list[Beat]:
    """Return when the tone is on and off, from the first tone to the last."""
    steps = sound[: sound.size // STEP * STEP].reshape(-1, STEP)
    loudness = np.sqrt(np.mean(np.square(steps), axis=1))
    loudest = float(loudness.max(initial=0.0))
    beats, at = [], 0
    for on, steps_on in groupby((loudness > max(QUIET, loudest / 2)).tolist()):
        end = at + len(list(steps_on))
        beats.append(Beat(on, at, end))
        at = end
    while beats and not beats[-1].on:
        beats.pop()
    return beats[1:] if beats and not beats[0].on else beats


def words_of(beats: list[Beat], *, dot: int) -> list[Word]:
    """Return the words in beats: a dash and the pause after a letter are three dots long, the one after a word seven."""
    words: list[Word] = []
    text = marks = ""
    start = beats[0].start
    for place, beat in enumerate(beats, 1):
        pause = beats[place].steps if place < len(beats) else 7 * dot
        if not beat.on:
            continue
        marks += "-" if beat.steps >= 2 * dot else "."
        if pause >= 2 * dot:
            text += LETTERS.get(marks, "?")
            marks = ""
        if pause >= 5 * dot:
            words.append(_word(text, start, beat.end))
            text = ""
            start = beats[place].end if place < len(beats) else beat.end
    return words


def _word(text: str, start: int, end: int) -> Word:
    seconds = [steps / STEPS_PER_SECOND for steps in (start, end)]
    return Word(word=f" {text}", start=seconds[0], end=seconds[1], confidence=1.0)
