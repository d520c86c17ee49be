"""`whisper`: a chunk's speech becomes timed words; what was heard but not written is tried again on its own."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from lingoloop_common.contracts.engines import MULTI, Abilities, Ability, Wishes
from lingoloop_common.contracts.transcript import Segment, Word
from lingoloop_common.contracts.units import DEFAULT_MODELS, SAMPLE_RATE
from lingoloop_transcriber.engines import Piece, Sound
from lingoloop_transcriber.engines.chinese import script_of, write_chinese
from lingoloop_transcriber.engines.decoder import Heard, Prompt
from lingoloop_transcriber.engines.languages import Stretch, by_language
from lingoloop_transcriber.engines.sentences import make_segments
from lingoloop_transcriber.engines.speech import (
    Span,
    extent,
    halve,
    hear,
    in_order,
    make_windows,
    missed_speech,
    unfilled_speech,
    with_found,
    with_margins,
)
from lingoloop_transcriber.engines.whisper_model import load_decoder

UNSURE = -0.9
"""Mean log probability of a window's tokens below which it is decoded again, in two halves."""

HALVINGS = 2
"""How often a window that loops or is unsure is cut in two."""

SHORTEST_HALVED = 4.0
"""Seconds below which a window is not cut any more."""

MISSED_LEAST = 1.0
"""Seconds of speech without a word that are worth another look."""

REFUSED = -1.0
"""Mean log probability below which what another look brought is not believed, nor what was heard in a moment."""

MOMENT = 1.0
"""Seconds of sound below which it may be any noise: a tone where a chunk begins is taken for a voice."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A chunk's sound, and the spans in which somebody speaks."""

    sound: Sound
    speech: Sequence[Span]

    def cut(self, window: Sequence[Span]) -> tuple[Sound, float]:
        """Return the sound that a window is decoded from, and the second at which that begins."""
        part = with_margins(window, self.speech)
        return self.sound[int(part.start * SAMPLE_RATE) : int(part.end * SAMPLE_RATE)], part.start


class Whisper:
    """A Whisper model in this process, on one thread: each slot is a process of its own.

    All is decided at temperature 0: the same chunk gives the same words, whoever does it, however often.
    """

    needs_audio: ClassVar[bool] = True
    elsewhere: ClassVar[bool] = False

    def __init__(self, model: str | None) -> None:
        self._decoder = load_decoder(model or DEFAULT_MODELS["whisper"])
        more = {Ability.MULTI, Ability.TRANSLATE} if self._decoder.multilingual else set()
        self.abilities = Abilities(
            languages=self._decoder.languages, can=frozenset({Ability.HOTWORDS, *more})
        )

    def detect_language(self, sound: Sound) -> str | None:
        """Return the language of a chunk's first speech; None when nobody speaks in it."""
        chunk = Chunk(*hear(sound))
        windows = make_windows(chunk.speech)
        return self._language_of(chunk, windows[0])[0] if windows else None

    def transcribe(self, piece: Piece) -> list[Segment]:
        """Return a chunk's segments with word times; silence and noise give none."""
        assert piece.samples is not None  # needs_audio
        chunk = Chunk(*hear(piece.samples))
        return [
            segment
            for stretch in self._stretches(chunk, piece.wishes.language)
            for segment in make_segments(self._words(chunk, stretch, piece.wishes))
        ]

    def _stretches(self, chunk: Chunk, language: str | None) -> list[Stretch]:
        """Return the parts of a chunk's speech that are in one language each."""
        if not chunk.speech:
            return []
        if language == MULTI:
            return by_language(chunk.speech, lambda part: self._language_of(chunk, part))
        found = language or self._language_of(chunk, make_windows(chunk.speech)[0])[0]
        return [Stretch(found, chunk.speech)]

    def _language_of(self, chunk: Chunk, window: Sequence[Span]) -> tuple[str, float]:
        sound, _ = chunk.cut(window)
        return self._decoder.detect_language(sound)

    def _words(self, chunk: Chunk, stretch: Stretch, wishes: Wishes) -> list[Word]:
        prompt = Prompt(stretch.language, wishes.task == "translate", tuple(wishes.hotwords))
        windows = make_windows(stretch.speech)
        words = in_order(word for window in windows for word in self._first_look(chunk, window, prompt))
        if prompt.translate:  # words in another order than they were said do not tell what was missed
            return words
        for window in missed_speech(stretch.speech, words, least=MISSED_LEAST):
            words = with_found(words, extent(window), self._another_look(chunk, window, prompt))
        for where, spans in unfilled_speech(stretch.speech, words):
            found = [word for span in spans for word in self._another_look(chunk, [span], prompt)]
            words = with_found(words, where, found)
        script = script_of(stretch.language)
        return write_chinese(words, script) if script else words

    def _first_look(
        self, chunk: Chunk, window: Sequence[Span], prompt: Prompt, halvings: int = HALVINGS
    ) -> Iterator[Word]:
        """Decode a window; one that loops, or that the model is unsure of, again in halves."""
        heard = self._listen(chunk, window, prompt)
        doubtful = heard.loops or heard.log_probability < UNSURE
        if doubtful and halvings and extent(window).seconds >= SHORTEST_HALVED:
            for half in halve(window):
                yield from self._first_look(chunk, half, prompt, halvings - 1)
        elif extent(window).seconds >= MOMENT or heard.log_probability >= REFUSED:
            yield from heard.words

    def _another_look(self, chunk: Chunk, window: Sequence[Span], prompt: Prompt) -> list[Word]:
        heard = self._listen(chunk, window, prompt)
        return heard.words if not heard.loops and heard.log_probability >= REFUSED else []

    def _listen(self, chunk: Chunk, window: Sequence[Span], prompt: Prompt) -> Heard:
        """Decode a window; its words' times count from the chunk's start."""
        sound, begin = chunk.cut(window)
        heard = self._decoder.decode(sound, prompt)
        moved = [
            word.model_copy(update={"start": word.start + begin, "end": word.end + begin})
            for word in heard.words
        ]
        return replace(heard, words=moved)
