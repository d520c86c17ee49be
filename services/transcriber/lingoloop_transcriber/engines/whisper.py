"""`whisper`: a chunk's speech becomes timed words; what was heard but not written is tried again on its own."""

from collections.abc import Iterable, Iterator, Sequence
from typing import ClassVar

from lingoloop_common.contracts.engines import MULTI, Abilities, Ability, Wishes
from lingoloop_common.contracts.transcript import Segment, Word
from lingoloop_common.contracts.units import DEFAULT_MODELS, SAMPLE_RATE
from lingoloop_transcriber.engines import Piece, Sound
from lingoloop_transcriber.engines.chinese import script_of, write_chinese
from lingoloop_transcriber.engines.decoder import Prompt
from lingoloop_transcriber.engines.languages import Stretch, by_language
from lingoloop_transcriber.engines.sentences import make_segments
from lingoloop_transcriber.engines.speech import Span, extent, halve, hear, make_windows, missed_speech
from lingoloop_transcriber.engines.whisper_model import load_decoder

MARGIN = 0.2
"""Seconds of sound kept around speech."""

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
        sound, speech = hear(sound)
        windows = make_windows(speech)
        return self._language_of(sound, windows[0])[0] if windows else None

    def transcribe(self, piece: Piece) -> list[Segment]:
        """Return a chunk's segments with word times; silence and noise give none."""
        assert piece.samples is not None  # needs_audio
        sound, speech = hear(piece.samples)
        return [
            segment
            for stretch in self._stretches(sound, speech, piece.wishes.language)
            for segment in make_segments(self._words(sound, stretch, piece.wishes))
        ]

    def _stretches(self, sound: Sound, speech: Sequence[Span], language: str | None) -> list[Stretch]:
        """Return the parts of a chunk's speech that are in one language each."""
        if not speech:
            return []
        if language == MULTI:
            return by_language(speech, lambda part: self._language_of(sound, part))
        found = language or self._language_of(sound, make_windows(speech)[0])[0]
        return [Stretch(found, speech)]

    def _language_of(self, sound: Sound, window: Sequence[Span]) -> tuple[str, float]:
        return self._decoder.detect_language(_cut(sound, window))

    def _words(self, sound: Sound, stretch: Stretch, wishes: Wishes) -> list[Word]:
        prompt = Prompt(stretch.language, wishes.task == "translate", tuple(wishes.hotwords))
        words = _in_order(self._first_look(sound, make_windows(stretch.speech), prompt))
        if prompt.translate:  # words in another order than they were said do not tell what was missed
            return words
        missed = missed_speech(stretch.speech, words, least=MISSED_LEAST)
        words = _in_order([*words, *self._another_look(sound, missed, prompt)])
        script = script_of(stretch.language)
        return write_chinese(words, script) if script else words

    def _first_look(self, sound: Sound, windows: Iterable[Sequence[Span]], prompt: Prompt) -> Iterator[Word]:
        for window in windows:
            yield from self._decode(sound, window, prompt, HALVINGS)

    def _decode(self, sound: Sound, window: Sequence[Span], prompt: Prompt, halvings: int) -> Iterator[Word]:
        """Decode a window; one that loops, or that the model is unsure of, again in halves."""
        heard = self._decoder.decode(_cut(sound, window), prompt)
        doubtful = heard.loops or heard.log_probability < UNSURE
        if doubtful and halvings and extent(window).seconds >= SHORTEST_HALVED:
            for half in halve(window):
                yield from self._decode(sound, half, prompt, halvings - 1)
        elif extent(window).seconds >= MOMENT or heard.log_probability >= REFUSED:
            yield from _moved(heard.words, window)

    def _another_look(self, sound: Sound, missed: Iterable[Sequence[Span]], prompt: Prompt) -> Iterator[Word]:
        for window in missed:
            heard = self._decoder.decode(_cut(sound, window), prompt)
            if not heard.loops and heard.log_probability >= REFUSED:
                yield from _moved(heard.words, window)


def _cut(sound: Sound, window: Sequence[Span]) -> Sound:
    begin, end = _begin(window), extent(window).end + MARGIN
    return sound[int(begin * SAMPLE_RATE) : int(end * SAMPLE_RATE)]


def _begin(window: Sequence[Span]) -> float:
    return max(0.0, window[0].start - MARGIN)


def _in_order(words: Iterable[Word]) -> list[Word]:
    return sorted(words, key=lambda word: word.start)


def _moved(words: Iterable[Word], window: Sequence[Span]) -> Iterator[Word]:
    """Count words' times from the chunk's start instead of the window's."""
    by = _begin(window)
    for word in words:
        yield word.model_copy(update={"start": word.start + by, "end": word.end + by})
