"""Where the language changes in a chunk: speech becomes stretches of one language each. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lingoloop_transcriber.engines.speech import Span, extent

LEAST = 2.0
"""Seconds of speech by which a language is told."""

SURE = 0.6
"""How sure a language must be; less goes on in the one before."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Speech in one language: its code, and the spans in order, at least one."""

    language: str
    speech: Sequence[Span]


def by_language(
    speech: Sequence[Span], language_of: Callable[[Sequence[Span]], tuple[str, float]]
) -> list[Stretch]:
    """Cut speech, in its pauses, where its language changes.

    Args:
        speech: in order, at least one span.
        language_of: tells a part's language, and how sure that is, from 0 to 1.
    """
    stretches: list[Stretch] = []
    for part in _parts(speech):
        language, sure = language_of(part)
        if stretches and (sure < SURE or language == stretches[-1].language):
            stretches[-1] = Stretch(stretches[-1].language, [*stretches[-1].speech, *part])
        else:
            stretches.append(Stretch(language, part))
    return stretches


def _parts(speech: Sequence[Span]) -> list[list[Span]]:
    """Group spans until a group lasts long enough; what is left at the end belongs to the last one."""
    parts: list[list[Span]] = [[]]
    for span in speech:
        if parts[-1] and extent(parts[-1]).seconds >= LEAST:
            parts.append([])
        parts[-1].append(span)
    if len(parts) > 1 and extent(parts[-1]).seconds < LEAST:
        last = parts.pop()
        parts[-1] += last
    return parts
