"""A changed text's words: those that stayed keep their times, the others share the time of what they stand for."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lingoloop_gateway.pieces import pieces_of
from lingoloop_gateway.rewording import reworded


def segment(*words: str) -> dict[str, Any]:
    """Return a segment with a word each second, from 10 s on."""
    timed = [
        {"word": word, "start": 10.0 + place, "end": 11.0 + place, "confidence": 0.5}
        for place, word in enumerate(words)
    ]
    return {"start": 10.0, "end": 10.0 + len(words), "words": timed}


def told(text: str, *words: str) -> list[tuple[str, float, float]]:
    return [(word["word"], word["start"], word["end"]) for word in reworded(text, segment(*words))]


ONE_TWO = [("One", 10, 11), (" two", 11, 12)]


@pytest.mark.parametrize(
    ("text", "words", "expected"),
    [
        ("One two", ["One", " two"], ONE_TWO),
        ("One, two!", ["One", " two"], [("One,", 10, 11), (" two!", 11, 12)]),
        ("One too", ["One", " two"], [("One", 10, 11), (" too", 11, 12)]),
        ("One", ["One", " two"], [("One", 10, 11)]),
        ("", ["One", " two"], []),
        ("One of us two", ["One", " two"], [("One", 10, 11), (" of", 11, 11), (" us", 11, 11), (" two", 11, 12)]),
        ("abc d two", ["One", " two"], [("abc", 10, 10.75), (" d", 10.75, 11), (" two", 11, 12)]),
        ("One two three", ["One", " two"], [*ONE_TWO, (" three", 12, 12)]),
        ("你坏", ["你好"], [("你", 10, 10.5), ("坏", 10.5, 11)]),
        ("No words", [], []),
    ],
)  # fmt: skip
def test_words_of_a_changed_text(
    text: str, words: list[str], expected: list[tuple[str, float, float]]
) -> None:
    assert told(text, *words) == expected


def test_a_person_is_sure_of_what_was_changed() -> None:
    assert [word["confidence"] for word in reworded("One too", segment("One", " two"))] == [0.5, 1.0]


LETTERS = st.text(alphabet="ab  你好.,!", max_size=30)


@settings(deadline=None)
@given(st.lists(LETTERS, max_size=6), LETTERS)
def test_the_words_spell_the_text_and_time_never_runs_back(words: list[str], text: str) -> None:
    machine = segment(*words)
    found = reworded(text, machine)
    if not any(word.strip() for word in words):
        assert found == []
        return
    assert "".join(word["word"] for word in found).replace(" ", "") == text.replace(" ", "")
    times = [time for word in found for time in (word["start"], word["end"])]
    assert times == sorted(times)
    assert all(10 <= time <= machine["end"] for time in times)
    assert "".join(piece.text for piece in pieces_of({**machine, "text": text, "words": found})) == " ".join(
        text.split()
    )
