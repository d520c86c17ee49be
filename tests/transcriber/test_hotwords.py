"""Hot words before a decoder's text: as many as fit, and believed only where one takes the place of something like it."""

import pytest

from lingoloop_transcriber.engines.hotwords import fitting, is_better


def letters(text: str) -> list[int]:
    return [ord(letter) for letter in text]


@pytest.mark.parametrize(
    ("most", "kept"), [(99, " one, two, three"), (9, " one, two"), (8, " one"), (3, ""), (0, "")]
)
def test_as_many_as_fit_are_told_each_whole(most: int, kept: str) -> None:
    assert fitting(["one", "two", "three"], letters, most) == letters(kept)


@pytest.mark.parametrize(
    ("text", "without", "better"),
    [
        (" We run Kubernetes here.", " We run Cooper Netties here.", True),
        (" LingoLoop.", " Lingo Luke.", True),
        (" 广州市、房地产中介协会分析", " 廣州市 佛地產 中間協會分析", True),  # whatever the script
        (" Kubernetes and Kubernetes", " Kubernetes and cooper netties", True),
        (" We run it here", " We ran it here.", False),  # no hot word
        (" Kubernetes, here", " Kubernetes here.", False),  # heard anyway
        (
            " Kubernetes,",
            " And I say a bunch of different words.",
            False,
        ),  # repeated, what was said is dropped
        (" LingoLoop", "", False),  # nobody spoke
        (" LingoLoop", " you", False),
        (" Kubernetes is new. Kubernetes is new.", " Cooper netties is new.", False),  # said twice
    ],
)
def test_what_they_bring_is_believed(text: str, without: str, better: bool) -> None:
    assert is_better(text, without, ["LingoLoop", "kubernetes", "房地产", "-"]) == better
