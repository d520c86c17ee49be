"""Turns joined to words: who says a segment, and what becomes of one in which the speaker changes."""

import pytest

from lingoloop_common.contracts.transcript import SPLITS, Segment, Word
from lingoloop_transcriber.turns import Labels


def segment(*moments: float, index: int = 1000, text: str | None = None) -> Segment:
    """A segment with a word of 0.4 s at each moment, named by it."""
    words = [Word(word=f" {at:g}", start=at, end=at + 0.4, confidence=0.5) for at in moments]
    said = "".join(word.word for word in words).strip()
    return Segment(
        index=index,
        start=moments[0],
        end=moments[-1] + 0.4,
        text=said if text is None else text,
        confidence=0.5,
        words=words,
    )


def said(segments: list[Segment]) -> list[tuple[int, str, str | None]]:
    return [(found.index, found.text, found.speaker) for found in segments]


TWO = [(0.0, 5.0, 7), (5.5, 10.0, 3)]


@pytest.mark.parametrize(
    ("moments", "expected"),
    [
        ((1, 2, 3), [(1000, "1 2 3", "1")]),
        # A word belongs to the turn that is nearest to its middle.
        ((4, 4.5, 4.9), [(1000, "4 4.5 4.9", "1")]),
        ((3, 4, 6, 7), [(1000, "3 4", "1"), (1001, "6 7", "2")]),
        # A word alone beyond the end is no change: ends are not known that well.
        ((2, 3, 4, 5.5), [(1000, "2 3 4 5.5", "1")]),
        ((5.0, 6, 7, 8), [(1000, "5 6 7 8", "1")]),
    ],
)
def test_a_segment_is_split_where_the_speaker_changes(
    moments: tuple[float, ...], expected: list[tuple[int, str, str]]
) -> None:
    assert said(Labels(TWO).label(segment(*moments), most=SPLITS)) == expected


def test_pieces_tile_the_segments_words_and_have_their_times() -> None:
    whole = segment(3, 4, 6, 7, 8)
    first, second = Labels(TWO).label(whole, most=SPLITS)
    assert [*(first.words or []), *(second.words or [])] == whole.words
    assert (first.start, first.end, second.start, second.end) == (3, 4.4, 6, 8.4)


def test_speakers_are_counted_in_the_order_in_which_they_first_say_something() -> None:
    labels = Labels([(0, 1, 4), (1, 5, 2), (5, 9, 0), (9, 12, 2)])
    found = [labels.label(segment(*at), most=SPLITS) for at in ((2, 3), (6, 7), (10, 11))]
    assert [one.speaker for [one] in found] == ["1", "2", "1"]


@pytest.mark.parametrize("text", ["what a person wrote", "3 4 6 7"])
def test_one_that_must_stay_whole_is_given_to_who_says_most_of_it(text: str) -> None:
    [found] = Labels(TWO).label(segment(3, 6, 7, 8, text=text), most=1)
    assert (found.text, found.speaker) == (text, "1")
    labels = Labels(TWO)
    labels.label(segment(1, 2), most=SPLITS)
    [found] = labels.label(segment(3, 6, 7, 8, text=text), most=1)
    assert found.speaker == "2"


def test_a_text_that_is_not_its_words_is_not_split() -> None:
    [found] = Labels(TWO).label(segment(3, 4, 6, 7, text="三四六七"), most=SPLITS)
    assert found.text == "三四六七"


def test_a_segment_without_words_is_who_speaks_in_its_middle() -> None:
    bare = Segment(index=0, start=6, end=8, text="hello", confidence=1, words=[])
    assert said(Labels(TWO).label(bare, most=SPLITS)) == [(0, "hello", "1")]


def test_no_index_is_used_up_however_often_the_speaker_changes() -> None:
    turns = [(float(at), at + 1.0, at % 2) for at in range(12)]
    moments = [at + offset for at in range(12) for offset in (0.0, 0.5)]
    found = Labels(turns).label(segment(*moments), most=SPLITS)
    assert [one.index for one in found] == list(range(1000, 1000 + len(found)))
    assert 1 < len(found) <= SPLITS
    assert " ".join(one.text for one in found) == segment(*moments).text


def test_without_turns_nothing_is_said_of_speakers() -> None:
    assert Labels([]).label(segment(1, 2), most=SPLITS) == [segment(1, 2)]
