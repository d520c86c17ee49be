"""Words become cues by the rules of subtitlers, and cues become files that players read."""

import io
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import pysubs2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wcwidth import wcswidth

from lingoloop_common.contracts.text import plain
from lingoloop_gateway.exports import timed_cues, write_srt, write_vtt
from lingoloop_gateway.pieces import CLOSING, LINE, unspaced
from lingoloop_gateway.subtitles import Cue, cues_of, settle

Segment = dict[str, Any]


def segment(text: str, start: float, end: float, words: Sequence[tuple[str, float, float]] = ()) -> Segment:
    timed = [{"word": word, "start": begin, "end": last, "confidence": 1.0} for word, begin, last in words]
    return {"index": 0, "start": start, "end": end, "text": text, "confidence": 1.0, "words": timed}


def spoken(words: Sequence[str], *, each: float = 0.4, pauses: dict[int, float] | None = None) -> Segment:
    """Words said at an even pace; `pauses` tells the seconds of silence before some."""
    timed, clock = [], 0.0
    for place, word in enumerate(words):
        clock += (pauses or {}).get(place, 0)
        timed.append((word, clock, clock + each))
        clock += each
    return segment("".join(words).strip(), 0, clock, timed)


def english(text: str, *, each: float = 0.4, pauses: dict[int, float] | None = None) -> Segment:
    return spoken([f" {word}" for word in text.split()], each=each, pauses=pauses)


def chinese(text: str) -> Segment:
    return spoken(list(text), each=0.2)


def texts(given_segment: Segment) -> list[tuple[str, ...]]:
    return [cue.lines for cue in cues_of(given_segment)]


async def shown(segments: Iterable[Segment]) -> list[Cue]:
    return [cue async for cue in timed_cues(stream(segments))]


async def stream(segments: Iterable[Segment]) -> Any:
    for one in segments:
        yield one


async def written(write: Any, segments: Iterable[Segment]) -> str:
    return b"".join([part async for part in write({}, stream(segments))]).decode()


# Where cues and lines break


def test_what_fits_is_one_cue_of_one_line() -> None:
    [cue] = cues_of(english("Ask not what your country can do."))
    assert cue == Cue(0, 2800, ("Ask not what your country can do.",))


def test_two_lines_are_of_like_length() -> None:
    assert texts(english("and then they all went home to think about it")) == [
        ("and then they all went", "home to think about it")
    ]


def test_the_line_break_is_after_punctuation_if_the_lines_stay_nearly_alike() -> None:
    assert texts(english("When we were young, we used to go to the sea")) == [
        ("When we were young,", "we used to go to the sea")
    ]


def test_the_line_break_is_not_after_punctuation_that_leaves_a_word_alone() -> None:
    assert texts(english("Well, we used to go to sea when we were young")) == [
        ("Well, we used to go to", "sea when we were young")
    ]


def test_a_sentence_ends_a_cue_before_a_comma_does() -> None:
    assert texts(
        english("It was very late. So we all went home, and there we sat down and talked.", each=0.3)
    ) == [("It was very late.",), ("So we all went home,", "and there we sat down and talked.")]


def test_a_pause_ends_a_cue_before_a_comma_does() -> None:
    assert texts(english("we waited for a while then we went home, all of us", pauses={5: 1.0})) == [
        ("we waited for a while",),
        ("then we went home, all of us",),
    ]


def test_a_clause_ends_a_cue_before_a_word_in_the_middle_does() -> None:
    words = "the first part of it is quite short, but the second goes on and on until it does not fit a cue"
    assert texts(english(words, each=0.3)) == [
        ("the first part of it is quite short,",),
        ("but the second goes on and on", "until it does not fit a cue"),
    ]


def test_a_breath_ends_a_cue_like_a_comma() -> None:
    words = "the first part of it is quite short and the second goes on and on until it does not fit a cue"
    assert texts(english(words, each=0.3, pauses={8: 0.4}))[0] == ("the first part of it is quite short",)


def test_a_sentence_that_would_flash_by_stays_with_the_next() -> None:
    assert texts(english("Yes. That is what I said.")) == [("Yes. That is what I said.",)]
    assert texts(english("Yes. That is what I said.", each=1.1)) == [("Yes.",), ("That is what I said.",)]


def test_the_end_of_a_sentence_may_be_followed_by_a_quote() -> None:
    assert texts(english("“Here we all are.” Then she left the room at once.", each=0.5)) == [
        ("“Here we all are.”",),
        ("Then she left the room at once.",),
    ]


def test_a_cue_is_at_most_seven_seconds_long() -> None:
    cues = cues_of(english("one two three four five six seven eight", each=1.0))
    assert [" ".join(cue.lines) for cue in cues] == ["one two three four", "five six seven eight"]


def test_a_word_is_broken_only_if_it_alone_is_wider_than_a_line() -> None:
    assert texts(segment(f"see {'x' * 42}", 0, 2)) == [("see", "x" * 42)]
    assert texts(segment("y" * 50, 0, 2)) == [("y" * 42, "y" * 8)]
    assert texts(segment("z" * 41 + " !", 0, 2)) == [("z" * 41, "!")]
    assert texts(segment("z" * 42 + "。", 0, 2)) == [("z" * 41, "z。")]


def test_what_readers_take_for_one_character_is_not_broken() -> None:
    family = "👩\u200d👩\u200d👧"
    assert texts(segment(family * 30, 0, 2)) == [(family * 15, family * 15)]


def test_a_word_of_several_pieces_is_not_broken() -> None:
    words = [" It", " was", " a", " well", "-known", " state", "-of", "-the", "-art", " thing", "."]
    assert texts(spoken(words, each=0.2)) == [("It was a well-known", "state-of-the-art thing.")]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("今天天气很好，我们去公园。", ("今天天气很好，我们去公园。",)),
        ("一" * 21, ("一" * 21,)),
        ("一" * 22, ("一" * 11, "一" * 11)),
        ("一" * 11 + "，" + "二" * 12, ("一" * 11 + "，", "二" * 12)),
        ("一" * 11 + "，" * 2 + "二" * 11, ("一" * 11 + "，" * 2, "二" * 11)),
        ("一" * 11 + "「" + "二" * 12, ("一" * 11, "「" + "二" * 12)),
        ("一" * 11 + "ー" + "二" * 10, ("一" * 10, "一ー" + "二" * 10)),
        (
            "我们现在用Python写一个很长很长很长很长的程序",
            ("我们现在用Python写一个", "很长很长很长很长的程序"),
        ),
        ("一" * 11 + '"' + "二" * 11, ("一" * 11 + '"', "二" * 11)),
        ("가" * 8 + " " + "나" * 15, ("가" * 8, "나" * 15)),
    ],
)
def test_cjk_text_breaks_between_characters_but_not_beside_all_punctuation(
    text: str, lines: tuple[str, ...]
) -> None:
    assert texts(chinese(text)) == [lines]


def test_thai_breaks_between_words_though_no_space_tells_them() -> None:
    word = "กขคงจฉชซฌ"
    assert texts(spoken([word] * 5)) == [(word * 2, word * 3)]


def test_text_without_words_is_spread_over_the_segments_time_by_width() -> None:
    cues = cues_of(segment("One, two. " + "一二三四五。", 10, 20))
    assert cues == [Cue(10_000, 14_000, ("One, two.",)), Cue(14_000, 20_000, ("一二三四五。",))]


def test_words_that_do_not_spell_the_text_do_not_replace_it() -> None:
    assert cues_of(segment("simulated 0.0", 20, 25, [(" 0.0", 20, 25)])) == [
        Cue(20_000, 25_000, ("simulated 0.0",))
    ]


def test_words_without_spaces_of_their_own_have_those_of_the_text() -> None:
    cues = cues_of(segment("Hello. World.", 0, 9, [("Hello.", 1, 2), ("World.", 6, 9)]))
    assert cues == [Cue(1000, 2000, ("Hello.",)), Cue(6000, 9000, ("World.",))]


def test_line_breaks_and_control_characters_become_spaces() -> None:
    assert texts(segment("  a\r\n\n b\t\x00\x1bc\x85\u2028d ", 0, 2)) == [("a b c d",)]


@pytest.mark.parametrize("text", ["", " ", "\n\x00"])
def test_a_segment_that_says_nothing_has_no_cue(text: str) -> None:
    assert cues_of(segment(text, 0, 2)) == []


# When cues are on the screen


@pytest.mark.parametrize(
    ("cue", "free", "following", "times"),
    [
        ((1000, 3000), 0, None, (1000, 3000)),
        ((1000, 1200), 0, None, (1000, 2000)),  # into silence
        ((1000, 1200), 0, 5000, (1000, 2000)),
        ((1000, 1200), 0, 1500, (1000, 1500)),  # as far as there is silence
        ((1000, 3000), 0, 2500, (1000, 2500)),  # the next begins while this is still said
        ((1000, 1000), 0, 1000, (1000, 1001)),  # no time at all
        ((1000, 900), 0, 500, (1000, 1001)),
        ((1000, 3000), 1400, None, (1400, 3000)),
        ((1000, 30_000), 0, None, (1000, 8000)),
        ((-5, 2000), 0, None, (0, 2000)),
    ],
)
def test_a_cues_time_on_the_screen(
    cue: tuple[int, int], free: int, following: int | None, times: tuple[int, int]
) -> None:
    settled = settle(Cue(*cue, ("x",)), free=free, following=following)
    assert (settled.start, settled.end) == times


async def test_the_next_cue_may_be_the_next_segments() -> None:
    cues = await shown([segment("One.", 0, 0.2), segment("Two.", 0.7, 0.7), segment("Three.", 0.7, 0.9)])
    assert [(cue.start, cue.end) for cue in cues] == [(0, 700), (700, 701), (701, 1701)]


# Any words

SIGNS = "abW文字，。！？「」（）、,. -!\"'é한국ไท\u0301\u200d👩🇩🇪<&{}\n\x00\x85"
PLAIN_SIGNS = SIGNS.translate(str.maketrans("", "", "<&{}"))
"""Those that both SRT and VTT show without any precaution."""

some = settings(max_examples=100, deadline=None)


def word_texts(signs: str) -> st.SearchStrategy[str]:
    long = st.text(st.sampled_from("ab文"), min_size=20, max_size=60)
    space = st.sampled_from(["", " ", " ", "\n"])
    return st.builds(str.__add__, space, st.text(st.sampled_from(signs), max_size=8) | long)


lengths = st.sampled_from([0.0, 0.0, 0.1, 0.3, 0.7, 2.0, 9.0])
silences = st.sampled_from([0.0, 0.0, 0.0, 0.0004, 0.5, 1.0, 4.0])


@st.composite
def transcripts(draw: st.DrawFn, signs: str = SIGNS) -> list[Segment]:
    """Segments in order, some without words."""
    clock, segments = draw(st.sampled_from([0.0, 3599.9, 359_999.0])), []
    for words in draw(st.lists(st.lists(word_texts(signs), min_size=1, max_size=40), max_size=4)):
        timed = []
        for word in words:
            begin = clock + draw(silences)
            clock = begin + draw(lengths)
            timed.append((word, begin, clock))
        text = "".join(words).strip()
        has_words = draw(st.integers(0, 3)) > 0
        segments.append(segment(text, timed[0][1], clock, timed if has_words else ()))
    return segments


def letters(text: str) -> str:
    return "".join(plain(text).split(" "))


def line_ends(text: str, lines: Iterable[str]) -> Iterable[int]:
    """Yield where in a text each line but the last ends."""
    place = 0
    for line in list(lines)[:-1]:
        place = text.index(line, place) + len(line)
        yield place


def is_within_a_word(text: str, place: int) -> bool:
    """Whether a break there parts a word that would fit a line."""
    beside = text[place - 1 : place + 1].strip()
    if len(beside) < 2 or any(unspaced(letter) or "\u0e00" <= letter < "\u0f00" for letter in beside):
        return False
    word = text[:place].rpartition(" ")[2] + text[place:].partition(" ")[0]
    return wcswidth(word) <= LINE and not any(unspaced(letter) for letter in word)


@some
@given(transcripts())
async def test_any_transcript_becomes_cues_within_the_limits(transcript: list[Segment]) -> None:
    cues = await shown(transcript)
    for cue in cues:
        assert 1 <= len(cue.lines) <= 2
        assert all(line == line.strip() != "" and wcswidth(line) <= 42 for line in cue.lines)
        assert 0 < cue.end - cue.start <= 7000
    for cue, following in pairwise(cues):
        assert cue.end <= following.start
        assert cue.end - cue.start >= 1000 or cue.end == following.start


@some
@given(transcripts())
async def test_any_transcript_is_told_whole_and_in_order(transcript: list[Segment]) -> None:
    said = "".join(letters(one["text"]) for one in transcript)
    cues = await shown(transcript)
    assert letters("".join(line for cue in cues for line in cue.lines)) == said


@some
@given(transcripts())
def test_no_word_that_fits_a_line_is_broken(transcript: list[Segment]) -> None:
    for one in transcript:
        text = plain(one["text"])
        lines = [line for cue in cues_of(one) for line in cue.lines]
        for place in line_ends(text, lines):
            assert not is_within_a_word(text, place), lines


phrases = st.builds(
    lambda begin, text, end: begin + text + end,
    st.sampled_from(["", "「", "（"]),
    st.text(st.sampled_from("一二三四"), min_size=2, max_size=20),
    st.sampled_from(["，", "。", "！", "？」", "）、", "ー", "."]),
)


@some
@given(st.lists(phrases, min_size=1, max_size=10).map("".join))
def test_no_line_begins_with_closing_punctuation_or_ends_with_opening(text: str) -> None:
    for cue in cues_of(chinese(text)):
        for line in cue.lines:
            assert line[0] not in CLOSING
            assert line[-1] not in "「（"


# Files


@some
@given(transcripts(PLAIN_SIGNS).filter(lambda transcript: all(one["start"] < 9000 for one in transcript)))
@pytest.mark.parametrize(("write", "format_"), [(write_srt, "srt"), (write_vtt, "vtt")])
async def test_a_file_is_read_back_as_it_was_written(
    write: Any, format_: str, transcript: list[Segment]
) -> None:
    cues = await shown(transcript)
    read = pysubs2.SSAFile.from_file(io.StringIO(await written(write, transcript)), format_=format_)
    assert [(event.start, event.end) for event in read] == [(cue.start, cue.end) for cue in cues]
    assert [event.plaintext for event in read] == ["\n".join(cue.lines) for cue in cues]
