"""What a decoder writes without a sound for it is not kept, and a pause before a sentence is not its first word's."""

import pytest

from lingoloop_common.contracts.transcript import Word
from lingoloop_transcriber.engines.word_times import tightened, without_echoes, without_run_on


def said(*words: tuple[str, float, float]) -> list[Word]:
    return [Word(word=f" {text}", start=start, end=end, confidence=0.9) for text, start, end in words]


AIR = said(("the", 0.2, 0.4), ("air", 0.4, 0.6), ("is", 0.6, 0.8), ("pure.", 0.8, 1.2))
"""Its words take 0.2 s usually."""


def test_words_that_have_no_length_at_the_end_are_left_out() -> None:
    again = said(*((text, 1.2, 1.2) for text in ("At", "that", "high", "level")))
    assert without_run_on([*AIR, *again]) == AIR


def test_nor_is_the_last_of_them_kept_which_has_what_time_is_left() -> None:
    again = said(("the", 1.2, 1.2), ("air", 1.2, 1.2), ("is", 1.2, 1.2), ("pure.", 1.2, 1.5))
    assert without_run_on([*AIR, *again]) == AIR


def test_one_short_word_may_have_been_said() -> None:
    for last in (said(("it", 1.2, 1.2)), said(("it", 1.2, 1.2), ("was", 1.2, 1.5))):
        assert without_run_on([*AIR, *last]) == [*AIR, *last]


def test_words_without_length_before_others_are_kept() -> None:
    words = [*said(*[("it", 0.1, 0.1)] * 4), *AIR]
    assert without_run_on(words) == words


def test_nothing_stays_of_what_was_invented_altogether() -> None:
    assert without_run_on(said(*[("you", 0.5, 0.5)] * 3)) == []
    assert without_run_on([]) == []


def test_a_phrase_that_was_written_twice_and_said_once_is_written_once() -> None:
    words = said(
        ("Drop", 0.0, 0.6), ("the", 0.6, 0.9), ("two.", 0.9, 1.1),
        ("Drop", 1.1, 1.1), ("the", 1.1, 1.1), ("two,", 1.1, 1.4), ("when", 1.4, 1.8),
    )  # fmt: skip
    kept = without_echoes(words)
    assert [word.word for word in kept] == [" Drop", " the", " two.", " when"]
    assert (kept[2].start, kept[2].end) == (0.9, 1.4)


def test_what_was_said_twice_is_written_twice() -> None:
    twice = said(("no", 0.0, 0.2), ("way", 0.2, 0.4), ("no", 0.4, 0.42), ("way", 0.42, 0.8))
    assert without_echoes(twice) == twice
    other = said(("no", 0.0, 0.2), ("way", 0.2, 0.4), ("in", 0.4, 0.4), ("a", 0.4, 0.8))
    assert without_echoes(other) == other
    one = said(("very", 0.0, 0.4), ("very", 0.4, 0.4), ("well", 0.4, 0.8))
    assert without_echoes(one) == one
    assert without_echoes([]) == []


def test_a_pause_before_a_sentence_is_not_its_first_words() -> None:
    words = [*AIR, *said(("And", 1.2, 3.4), ("here's", 3.4, 3.6))]
    assert [(word.start, word.end) for word in tightened(words)][4:] == [
        (pytest.approx(3.0), 3.4),
        (3.4, 3.6),
    ]


def test_nor_is_one_at_the_start_of_a_window() -> None:
    words = [*said(("Then", 0.0, 2.6)), *said(("the", 2.6, 2.8), ("air", 2.8, 3.0), ("is", 3.0, 3.2))]
    assert tightened(words)[0].start == pytest.approx(2.2)


def test_a_long_word_inside_a_sentence_stays_long() -> None:
    words = said(("the", 0.0, 0.2), ("air", 0.2, 0.4), ("is", 0.4, 2.0), ("pure", 2.0, 2.2))
    assert tightened(words) == words
    assert tightened([]) == []
