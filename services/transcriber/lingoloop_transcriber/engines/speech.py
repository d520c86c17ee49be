"""Where somebody speaks in a chunk, how that is cut into windows, and which of it no word covers."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from faster_whisper.vad import VadOptions, get_speech_timestamps

from lingoloop_common.contracts.transcript import Word
from lingoloop_common.contracts.units import SAMPLE_RATE
from lingoloop_transcriber.engines import Sound
from lingoloop_transcriber.loudness import raised

LONGEST = 28.0
"""Seconds in a window, at most: a whole chunk, since the decoder drops and mistakes less the more it hears of what is said."""

VOICE_ACTIVITY = VadOptions(
    threshold=0.5, min_silence_duration_ms=160, speech_pad_ms=100, max_speech_duration_s=LONGEST
)

MARGIN = 0.2
"""Seconds of sound kept around speech, whatever is in them."""

ROOM = 0.5
"""Seconds of sound kept around speech where nobody else speaks: at an edge that is cut close, words are mistaken."""

WIDENED_MOST = 0.5
"""Share of what was heard at once that is heard again around missed speech; more would be heard as it was before."""

INSIDE = 0.1
"""Seconds by which a word may stand out of a stretch that it belongs to."""

PART_LEAST = 0.2
"""Seconds that a part without a word lasts, at least."""

APART = 3.0
"""Seconds between two parts that are looked at apart: with more to go by, more is understood."""

GAP = 1.5
"""Seconds without speech in which somebody may be speaking quietly."""

UNFILLED = 0.4
"""Seconds of a span that its words do not fill however slowly they are said: something else was said there."""

LEAD = 0.25
"""Seconds before a word that count as covered by it, since a word's start is found late rather than early."""

TRAIL = 0.35
"""Seconds after a word that count as covered by it."""

WORD_LEAST = 0.6
SECONDS_PER_LETTER = 0.12
"""A word covers at most the larger of these: alignment stretches a word over what was dropped after it."""


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of sound, in seconds from the start of its chunk."""

    start: float
    end: float

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.end - self.start

    @property
    def middle(self) -> float:
        """The point half-way."""
        return (self.start + self.end) / 2


def find_speech(sound: Sound) -> list[Span]:
    """Return the spans in which somebody speaks, in order (Silero's model, as faster-whisper carries it).

    None is longer than LONGEST: one without a pause of 160 ms is cut at its last pause of 100 ms, or where it must.
    """
    found = get_speech_timestamps(sound, VOICE_ACTIVITY)
    return [Span(span["start"] / SAMPLE_RATE, span["end"] / SAMPLE_RATE) for span in found]


def hear(sound: Sound) -> tuple[Sound, list[Span]]:
    """Return the spans in which somebody speaks, and the sound with those raised who are too quiet beside the others.

    Where nobody is heard for long, the model listens once more to a raised copy. Not to all of it: noise raised in pauses
    would hide the speech around them.
    """
    speech = find_speech(sound)
    heard, louder = sound, raised(sound)
    quiet: list[Span] = []
    for gap in _gaps(speech, sound.size / SAMPLE_RATE):
        first, last = round(gap.start * SAMPLE_RATE), round(gap.end * SAMPLE_RATE)
        if found := find_speech(louder[first:last]):
            quiet += [Span(gap.start + span.start, gap.start + span.end) for span in found]
            heard = heard.copy() if heard is sound else heard
            heard[first:last] = louder[first:last]
    return heard, sorted([*speech, *quiet], key=lambda span: span.start)


def _gaps(speech: Sequence[Span], seconds: float) -> list[Span]:
    """Return the stretches of at least GAP seconds in which nobody speaks."""
    edges = [0.0, *(edge for span in speech for edge in (span.start, span.end)), seconds]
    gaps = [Span(start, end) for start, end in zip(edges[::2], edges[1::2], strict=True)]
    return [gap for gap in gaps if gap.seconds >= GAP]


def extent(speech: Sequence[Span]) -> Span:
    """Return the stretch from the first span's start to the last one's end."""
    return Span(speech[0].start, speech[-1].end)


def make_windows(speech: Sequence[Span]) -> list[Sequence[Span]]:
    """Group spans into windows of at most LONGEST seconds, cut in long pauses near their middles."""
    if len(speech) <= 1 or extent(speech).seconds <= LONGEST:
        return [speech] if speech else []
    at = _best_pause(speech)
    return [*make_windows(speech[:at]), *make_windows(speech[at:])]


def with_margins(window: Sequence[Span], speech: Sequence[Span]) -> Span:
    """Return the stretch of sound that a window is decoded from.

    Args:
        window: spans of `speech`, or parts of them.
        speech: all of the chunk, in order.
    """
    said = extent(window)
    before = max((span.end for span in speech if span.start < said.start), default=0.0)
    after = min((span.start for span in speech if span.end > said.end), default=said.end + ROOM)
    return Span(
        max(0.0, min(said.start - MARGIN, max(said.start - ROOM, before))),
        max(said.end + MARGIN, min(said.end + ROOM, after)),
    )


def halve(speech: Sequence[Span]) -> tuple[Sequence[Span], Sequence[Span]]:
    """Cut a window in two: in its best pause, or in the middle where there is none."""
    if len(speech) > 1:
        at = _best_pause(speech)
        return speech[:at], speech[at:]
    [span] = speech
    return [Span(span.start, span.middle)], [Span(span.middle, span.end)]


def _best_pause(speech: Sequence[Span]) -> int:
    """Return the index of the span after the pause that is longest, counting less the farther from the middle."""
    middle = extent(speech).middle

    def worth(place: int) -> float:
        pause = Span(speech[place - 1].end, speech[place].start)
        return min(pause.seconds, 1.0) - 0.05 * abs(pause.middle - middle)

    return max(range(1, len(speech)), key=worth)


def missed_speech(speech: Sequence[Span], words: Sequence[Word], *, least: float) -> list[Sequence[Span]]:
    """Return windows of the parts of `speech` that no word covers; near ones without a word between belong together.

    A window is all that is said without a pause around such parts, where that is short: a part of a sentence is not understood.

    Args:
        speech: in order, without overlap.
        words: in order.
        least: seconds of speech in a window; less are breaths and ends of words.
    """
    covers = [_cover(word) for word in words]
    groups: list[list[Span]] = []
    for part in _uncovered(speech, covers):
        before = groups[-1][-1] if groups else None
        if (
            before
            and part.start - before.end < APART
            and not any(before.end <= cover.middle <= part.start for cover in covers)
        ):
            groups[-1].append(part)
        else:
            groups.append([part])
    windows: list[Sequence[Span]] = []
    for group in groups:
        if sum(part.seconds for part in group) >= least:
            windows += [_widened(window, speech) for window in make_windows(group)]
    return [window for place, window in enumerate(windows) if window not in windows[:place]]


def _widened(window: Sequence[Span], speech: Sequence[Span]) -> Sequence[Span]:
    missed = extent(window)
    said = [span for span in speech if span.end > missed.start and span.start < missed.end]
    return said if extent(said).seconds <= WIDENED_MOST * extent(speech).seconds else window


def unfilled_speech(speech: Sequence[Span], words: Sequence[Word]) -> list[tuple[Span, Sequence[Span]]]:
    """Return stretches whose words are too few for what is said there, or one of whose words lasts longer than it can.

    With each come its spans, to be heard one by one.

    A sentence was dropped, and alignment stretched its neighbours' words over it: no part is left that no word covers.
    All of those words are in the stretch, and all spans that they touch.

    Args:
        speech: in order, without overlap.
        words: in order.
    """
    found: list[tuple[Span, Sequence[Span]]] = []
    for span in speech:
        if found and span.start < found[-1][0].end:
            continue
        said = _touching([span], words)
        if said and _unfilled(span, said) >= UNFILLED:
            spans: Sequence[Span] = []
            stretch = span
            while len(spans) < len(touched := [part for part in speech if _overlap(part, stretch) > 0]):
                spans, said = touched, _touching(touched, words)
                stretch = Span(
                    min(spans[0].start, said[0].start), max(spans[-1].end, *(word.end for word in said))
                )
            found.append((stretch, spans))
    return found


def _unfilled(span: Span, said: Sequence[Word]) -> float:
    """Return seconds of a span in which something else must have been said than its words."""
    stretched = max(_overlap(span, Span(word.start, word.end)) - _longest(word) for word in said)
    return max(stretched, span.seconds - sum(_longest(word) for word in said))


def _touching(spans: Sequence[Span], words: Sequence[Word]) -> list[Word]:
    return [
        word for word in words if any(_overlap(span, Span(word.start, word.end)) > INSIDE for span in spans)
    ]


def _overlap(one: Span, other: Span) -> float:
    return min(one.end, other.end) - max(one.start, other.start)


def with_found(words: Sequence[Word], where: Span, found: Sequence[Word]) -> list[Word]:
    """Return the words with those that another look found in a stretch, in place of those that it had, if these were fewer."""
    had = [where.start - INSIDE <= word.start and word.end <= where.end + INSIDE for word in words]
    if len(found) <= sum(had):
        return list(words)
    return in_order([*(word for word, there in zip(words, had, strict=True) if not there), *found])


def in_order(words: Iterable[Word]) -> list[Word]:
    """Return words by when they begin."""
    return sorted(words, key=lambda word: word.start)


def _uncovered(speech: Sequence[Span], covers: Sequence[Span]) -> list[Span]:
    parts = []
    for span in speech:
        at = span.start
        for cover in covers:
            if cover.end <= at or cover.start >= span.end:
                continue
            parts.append(Span(at, cover.start))
            at = max(at, cover.end)
        parts.append(Span(at, span.end))
    return [part for part in parts if part.seconds >= PART_LEAST]


def _cover(word: Word) -> Span:
    return Span(word.start - LEAD, min(word.end, word.start + _longest(word)) + TRAIL)


def _longest(word: Word) -> float:
    return max(WORD_LEAST, SECONDS_PER_LETTER * len(word.word))
