"""`whisper`: a chunk's speech becomes timed words; what was heard but not written is tried again on its own."""

from collections.abc import Iterable, Iterator, Sequence

from lingoloop_common.contracts.engines import Abilities
from lingoloop_common.contracts.transcript import Segment, Word
from lingoloop_common.contracts.units import DEFAULT_MODELS, SAMPLE_RATE
from lingoloop_transcriber.engines import EngineError, Piece, Sound
from lingoloop_transcriber.engines.decoder import Decoder
from lingoloop_transcriber.engines.models import default_cache, find_model
from lingoloop_transcriber.engines.sentences import make_segments
from lingoloop_transcriber.engines.speech import Span, extent, find_speech, halve, make_windows, missed_speech

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
"""Mean log probability below which what another look brought is not believed."""


class Whisper:
    """A Whisper model in this process, on one thread: each slot is a process of its own.

    All is decided at temperature 0: the same chunk gives the same words, whoever does it, however often.
    """

    needs_audio = True
    elsewhere = False

    def __init__(self, model: str | None) -> None:
        name = model or DEFAULT_MODELS["whisper"]
        folder = find_model(name, default_cache())
        try:
            self._decoder = Decoder(folder)
        except (RuntimeError, ValueError, OSError) as error:
            raise EngineError(f"the model {name!r} cannot be loaded: {error}") from error
        self.abilities = Abilities(languages=self._decoder.languages)

    def detect_language(self, sound: Sound) -> str | None:
        """Return the language of a chunk's first speech; None when nobody speaks in it."""
        windows = make_windows(find_speech(sound))
        return self._decoder.detect_language(_cut(sound, windows[0])) if windows else None

    def transcribe(self, piece: Piece) -> list[Segment]:
        """Return a chunk's segments with word times; silence and noise give none."""
        assert piece.samples is not None  # needs_audio
        sound = piece.samples
        speech = find_speech(sound)
        windows = make_windows(speech)
        if not windows:
            return []
        language = piece.wishes.language or self._decoder.detect_language(_cut(sound, windows[0]))
        words = _in_order(self._first_look(sound, windows, language))
        missed = missed_speech(speech, words, least=MISSED_LEAST)
        return make_segments(_in_order([*words, *self._another_look(sound, missed, language)]))

    def _first_look(self, sound: Sound, windows: Iterable[Sequence[Span]], language: str) -> Iterator[Word]:
        for window in windows:
            yield from self._decode(sound, window, language, HALVINGS)

    def _decode(self, sound: Sound, window: Sequence[Span], language: str, halvings: int) -> Iterator[Word]:
        """Decode a window; one that loops, or that the model is unsure of, again in halves."""
        heard = self._decoder.decode(_cut(sound, window), language)
        doubtful = heard.loops or heard.log_probability < UNSURE
        if doubtful and halvings and extent(window).seconds >= SHORTEST_HALVED:
            for half in halve(window):
                yield from self._decode(sound, half, language, halvings - 1)
        else:
            yield from _moved(heard.words, window)

    def _another_look(self, sound: Sound, missed: Iterable[Span], language: str) -> Iterator[Word]:
        for span in missed:
            heard = self._decoder.decode(_cut(sound, [span]), language)
            if not heard.loops and heard.log_probability >= REFUSED:
                yield from _moved(heard.words, [span])


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
