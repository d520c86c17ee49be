"""Speech is cut into windows in its pauses, and what no word covers is found. Also: words become segments."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lingoloop_common.contracts.transcript import Word
from lingoloop_common.contracts.units import SAMPLE_RATE
from lingoloop_transcriber import split
from lingoloop_transcriber.engines.decoder import LOOP_REPEATS, find_loop
from lingoloop_transcriber.engines.sentences import LONG, TOO_LONG, make_segments
from lingoloop_transcriber.engines.speech import (
    LONGEST,
    Span,
    extent,
    halve,
    make_windows,
    missed_speech,
    unfilled_speech,
    with_found,
    with_margins,
)


def spans(*edges: float) -> list[Span]:
    return [Span(start, end) for start, end in zip(edges[::2], edges[1::2], strict=True)]


def word(start: float, end: float, text: str = " word") -> Word:
    return Word(word=text, start=start, end=end, confidence=0.5)


def said(start: int, end: int) -> list[Word]:
    """Return words of half a second, one after the other."""
    return [word(half / 2, (half + 1) / 2) for half in range(2 * start, 2 * end)]


speech_of_a_chunk = st.lists(st.tuples(st.floats(0.2, 9), st.floats(0.2, 3)), max_size=12).map(
    lambda lengths: [
        Span(begin, begin + seconds)
        for begin, seconds in [
            (sum(s + p for s, p in lengths[:place]), seconds) for place, (seconds, _) in enumerate(lengths)
        ]
    ]
)


@given(speech_of_a_chunk)
def test_windows_hold_all_speech_in_order_and_none_is_too_long(speech: list[Span]) -> None:
    windows = make_windows(speech)
    assert [span for window in windows for span in window] == speech
    assert all(len(window) == 1 or extent(window).seconds <= LONGEST for window in windows)


def test_a_chunk_is_one_window() -> None:
    assert split.LONGEST <= LONGEST * SAMPLE_RATE
    speech = spans(0, 7, 9, 9.5, 14, 28)
    assert make_windows(speech) == [speech]


def test_a_window_is_cut_in_the_longest_pause_near_its_middle() -> None:
    speech = spans(0, 8, 8.2, 16, 16.8, 26, 26.3, 33)
    assert make_windows(speech) == [speech[:2], speech[2:]]


def test_a_pause_at_the_edge_counts_less_than_one_in_the_middle() -> None:
    speech = spans(0, 1, 1.5, 18, 18.3, 36)
    assert make_windows(speech) == [speech[:2], speech[2:]]


def test_speech_without_a_pause_stays_whole_but_is_halved_when_it_must_be() -> None:
    speech = spans(0, 30)
    assert make_windows(speech) == [speech]
    assert halve(speech) == (spans(0, 15), spans(15, 30))


def test_nothing_is_missed_when_words_cover_it() -> None:
    assert missed_speech(spans(0, 3), [word(0.2, 0.9), word(1.2, 1.9), word(2.0, 2.9)], least=1.0) == []


def test_speech_before_between_and_after_words_is_found() -> None:
    words = [word(3.0, 3.4), word(6.0, 6.4)]
    missed = missed_speech(spans(0, 9), words, least=1.0)
    assert [(round(span.start, 2), round(span.end, 2)) for [span] in missed] == [
        (0, 2.75),
        (3.75, 5.75),
        (6.75, 9),
    ]


def test_a_word_stretched_over_what_was_dropped_does_not_hide_it() -> None:
    [[missed]] = missed_speech(spans(0, 8), [word(0.1, 8.0, " a")], least=1.0)
    assert missed.start < 1.2


def test_what_follows_closely_is_looked_at_with_it() -> None:
    words = [word(0.1, 0.9)]
    speech = spans(0, 1, 2.0, 4.0, 6.4, 6.9, 7.2, 7.5)
    assert missed_speech(speech, words, least=1.0) == [speech[1:]]
    assert len(missed_speech(speech, [*words, word(4.05, 4.35)], least=0.5)) == 2


def test_what_is_short_is_a_breath() -> None:
    assert missed_speech(spans(0, 0.9, 5, 5.8), [], least=1.0) == []


def test_what_is_missed_in_a_sentence_is_heard_again_with_all_of_it() -> None:
    speech = spans(0, 10, 11, 14, 15, 25)
    words = [*said(0, 10), word(11.0, 11.4), *said(15, 25)]
    assert missed_speech(speech, words, least=1.0) == [speech[1:2]]


def test_a_sentence_that_is_most_of_what_was_heard_is_not_heard_again_as_it_was() -> None:
    [[part]] = missed_speech(spans(0, 6, 7, 8), [*said(0, 3), *said(7, 8)], least=1.0)
    assert part.start > 3


def test_what_is_missed_twice_in_a_sentence_is_heard_again_once() -> None:
    speech = spans(0, 9, 10, 30)
    words = [word(4.0, 4.4), *said(10, 30)]
    assert missed_speech(speech, words, least=1.0) == [speech[:1]]


@pytest.mark.parametrize(
    ("words", "stretches"),
    [
        pytest.param([*said(0, 3), *said(4, 6), *said(7, 9)], [], id="as many as there should be"),
        pytest.param(
            [*said(0, 3), word(4.3, 4.9, " The"), word(4.9, 7.8, " child"), *said(8, 9)],
            [(4, 9, slice(1, 3))],
            id="the next one's words are stretched back over it",
        ),
        pytest.param(
            [*said(0, 2), word(2, 5.4, " so"), word(5.4, 6.5), *said(7, 9)],
            [(0, 6.5, slice(0, 2))],
            id="the last one's words are stretched over it, and into the pause",
        ),
        pytest.param(
            [*said(0, 3), word(4, 4.2), word(4.2, 4.4), word(4.4, 6.2), *said(7, 9)],
            [(4, 6.2, slice(1, 2))],
            id="one word is stretched over it, beside others that could have filled it",
        ),
        pytest.param([*said(0, 3), word(4, 6, " internationalization"), *said(7, 9)], [], id="a long word"),
        pytest.param([*said(0, 3), *said(7, 9)], [], id="none, which is missed speech"),
        pytest.param(
            [word(0.1, 3), word(3.9, 6), word(7, 9)],
            [(0, 3, slice(0, 1)), (3.9, 6, slice(1, 2)), (7, 9, slice(2, 3))],
            id="each has one of its own",
        ),
    ],
)
def test_a_stretch_whose_words_do_not_fill_it_is_found_with_all_of_them(
    words: list[Word], stretches: list[tuple[float, float, slice]]
) -> None:
    speech = spans(0, 3, 4, 6, 7, 9)
    assert unfilled_speech(speech, words) == [
        (Span(start, end), speech[place]) for start, end, place in stretches
    ]


@pytest.mark.parametrize(
    ("speech", "window", "around"),
    [
        pytest.param((2, 3), (2, 3), (1.5, 3.5), id="nobody else speaks"),
        pytest.param((0.3, 3), (0.3, 3), (0, 3.5), id="the chunk begins"),
        pytest.param((0, 4.6, 5, 6, 6.4, 9), (5, 6), (4.6, 6.4), id="others speak a moment before and after"),
        pytest.param((0, 4.9, 5, 6, 6.1, 9), (5, 6), (4.8, 6.2), id="others speak at once"),
        pytest.param((20, 30), (20, 25), (19.5, 25.2), id="the first half"),
        pytest.param((20, 30), (25, 30), (24.8, 30.5), id="the second half"),
    ],
)
def test_margins_end_where_others_speak(
    speech: Sequence[float], window: Sequence[float], around: Sequence[float]
) -> None:
    found = with_margins(spans(*window), spans(*speech))
    assert (found.start, found.end) == pytest.approx(around)


@pytest.mark.parametrize(
    ("found", "kept"),
    [
        pytest.param([], ["a", "b", "c", "d"], id="nothing"),
        pytest.param([(2.1, 2.9, "x")], ["a", "b", "c", "d"], id="no more than there was"),
        pytest.param([(2.0, 2.4, "x"), (2.5, 2.9, "y")], ["a", "x", "y", "c", "d"], id="more"),
    ],
)
def test_what_is_found_takes_the_place_of_what_is_inside(
    found: list[tuple[float, float, str]], kept: list[str]
) -> None:
    words = [word(0, 2.5, "a"), word(2.05, 3.05, "b"), word(2.8, 3.3, "c"), word(4, 5, "d")]
    merged = with_found(words, Span(2, 3), [word(*each) for each in found])
    assert sorted(each.word for each in merged) == sorted(kept)
    assert merged == sorted(merged, key=lambda each: each.start)


def test_silence_without_words_is_not_missed() -> None:
    assert missed_speech(spans(0, 1, 9, 10), [word(0.1, 0.9), word(9.2, 9.9)], least=1.0) == []


@pytest.mark.parametrize(
    ("tokens", "at"),
    [
        ([], None),
        ([1, 2, 3, 4, 5], None),
        ([1, 2, 2, 2, 3], None),
        ([1, 2, 2, 2, 2], 2),
        ([9, 1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3, 7], 4),
        ([1, 2, 3] * (LOOP_REPEATS - 1) + [9], None),
    ],
)
def test_a_loop_is_a_phrase_said_again_and_again(tokens: list[int], at: int | None) -> None:
    assert find_loop(tokens) == at


def texts(words: list[Word]) -> list[str]:
    return [segment.text for segment in make_segments(words)]


def test_a_segment_ends_with_a_sentence() -> None:
    words = [word(0, 1, " We"), word(1, 2, " go."), word(2, 3, " You"), word(3, 4, " stay.")]
    assert texts(words) == ["We go.", "You stay."]


def test_a_segment_ends_where_the_speaker_pauses() -> None:
    assert texts([word(0, 1, " one"), word(1.5, 2, " two"), word(4, 5, " three")]) == ["one two", "three"]


def test_a_long_segment_ends_at_a_comma_and_a_longer_one_anywhere() -> None:
    words = [word(at / 2, at / 2 + 0.5, " and," if at % 4 == 3 else " and") for at in range(40)]
    lengths = [segment.end - segment.start for segment in make_segments(words)]
    assert all(LONG <= length <= LONG + 2 for length in lengths[:-1])
    words = [word(at / 2, at / 2 + 0.5, " and") for at in range(60)]
    assert max(segment.end - segment.start for segment in make_segments(words)) <= TOO_LONG + 0.5


def test_chinese_sentences_are_joined_without_spaces() -> None:
    assert texts([word(0, 1, "你好。"), word(1, 2, "再"), word(2, 3, "见。")]) == ["你好。", "再见。"]


@given(st.lists(st.tuples(st.floats(0, 2), st.floats(0.1, 2), st.sampled_from([" a", " b,", " c."]))))
def test_every_word_is_in_one_segment(parts: list[tuple[float, float, str]]) -> None:
    words, clock = [], 0.0
    for pause, seconds, text in parts:
        words.append(word(clock + pause, clock + pause + seconds, text))
        clock = words[-1].end
    segments = make_segments(words)
    assert [one for segment in segments for one in segment.words or ()] == words
    for segment in segments:
        assert segment.words
        assert (segment.start, segment.end) == (segment.words[0].start, segment.words[-1].end)
