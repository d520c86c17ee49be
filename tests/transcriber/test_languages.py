"""Speech in several languages is cut, in its pauses, where the language changes."""

import pytest

from lingoloop_transcriber.engines.languages import LEAST, by_language
from lingoloop_transcriber.engines.speech import Span

EN, ZH = ("en", 0.9), ("zh", 0.9)


@pytest.mark.parametrize(
    ("lengths", "heard", "stretches"),
    [
        ([3.0], [EN], [("en", 1)]),
        ([3.0, 3.0], [EN, EN], [("en", 2)]),
        ([3.0, 3.0, 3.0], [EN, ZH, EN], [("en", 1), ("zh", 1), ("en", 1)]),
        ([3.0, 3.0, 3.0], [EN, ("cy", 0.4), ZH], [("en", 2), ("zh", 1)]),  # unsure: goes on as before
        ([3.0], [("cy", 0.2)], [("cy", 1)]),  # nothing before
        ([0.5, 0.5, 0.5, 0.5], [ZH], [("zh", 4)]),  # too short alone
        ([3.0, 0.5], [EN], [("en", 2)]),  # what is left over
    ],
)
def test_stretches(
    lengths: list[float], heard: list[tuple[str, float]], stretches: list[tuple[str, int]]
) -> None:
    speech, at = [], 0.0
    for length in lengths:
        speech.append(Span(at, at + length))
        at += length + 0.1
    answers = iter(heard)
    parts: list[float] = []

    def language_of(part: object) -> tuple[str, float]:
        assert isinstance(part, list)
        parts.append(part[-1].end - part[0].start)
        return next(answers)

    found = by_language(speech, language_of)
    assert [(stretch.language, len(stretch.speech)) for stretch in found] == stretches
    assert [span for stretch in found for span in stretch.speech] == speech
    assert next(answers, None) is None
    assert len(parts) == 1 or min(parts) >= LEAST
