"""Hot words before a decoder's text: as many as fit, and none written that nobody said."""

import pytest

from lingoloop_transcriber.engines.hotwords import fitting, is_echo


def letters(text: str) -> list[int]:
    return [ord(letter) for letter in text]


@pytest.mark.parametrize(
    ("most", "kept"), [(99, " one, two, three"), (9, " one, two"), (8, " one"), (3, ""), (0, "")]
)
def test_as_many_as_fit_are_told_each_whole(most: int, kept: str) -> None:
    assert fitting(["one", "two", "three"], letters, most) == letters(kept)


@pytest.mark.parametrize(
    ("text", "echo"),
    [
        (" LingoLoop", True),
        (" lingoloop, Lingo-Loop. New York!", True),
        (" 李白，李白", True),
        (" LingoLoop is new", False),
        (" New", False),
        ("", False),
        (" ...", False),
    ],
)
def test_text_of_hot_words_alone_is_told(text: str, echo: bool) -> None:
    assert is_echo(text, ["LingoLoop", "New York", "李白", "Lingo", "-"]) == echo
