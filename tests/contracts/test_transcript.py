"""Segments move from chunk time to the recording's time."""

from hypothesis import given
from hypothesis import strategies as st

from lingoloop_common.contracts.transcript import (
    SEGMENTS_PER_CHUNK,
    Segment,
    Word,
    merge_channels,
    place_segments,
)
from lingoloop_common.contracts.units import SAMPLE_RATE


def segment(start: float, end: float, *words: tuple[float, float]) -> Segment:
    spoken = [Word(word="w", start=a, end=b, confidence=0.5) for a, b in words]
    return Segment(index=0, start=start, end=end, text="t", confidence=0.91239, words=spoken)


def test_times_are_offsets_from_the_chunk_s_first_sample() -> None:
    placed = place_segments(
        [segment(0.5, 2.25, (0.5, 1.0)), segment(3, 4)], chunk_index=7, start=32_000, end=32_000 + 160_000
    )
    assert [(s.index, s.start, s.end) for s in placed] == [(7000, 2.5, 4.25), (7001, 5.0, 6.0)]
    assert placed[0].words == [Word(word="w", start=2.5, end=3.0, confidence=0.5)]
    assert placed[0].confidence == 0.912


def test_what_an_engine_puts_beyond_the_chunk_ends_with_it() -> None:
    [placed] = place_segments([segment(-3, 99)], chunk_index=0, start=16_000, end=48_000)
    assert (placed.start, placed.end) == (1.0, 3.0)


def test_no_time_drifts_over_ten_hours() -> None:
    start = 36_000 * SAMPLE_RATE
    [placed] = place_segments([segment(0.001, 0.002)], chunk_index=1, start=start, end=start + SAMPLE_RATE)
    assert (placed.start, placed.end) == (36_000.001, 36_000.002)


seconds = st.floats(-100, 100) | st.sampled_from([float("nan"), float("inf"), float("-inf")])
spans = st.tuples(seconds, seconds)
segments = st.builds(lambda span, words: segment(*span, *words), spans, st.lists(spans, max_size=4))


@given(
    st.lists(segments, max_size=8),
    st.integers(0, 5_000),
    st.integers(0, 36_000 * SAMPLE_RATE),
    st.integers(1, 60 * SAMPLE_RATE),
)
def test_whatever_an_engine_says_times_stay_inside_the_chunk_and_never_run_backwards(
    heard: list[Segment], chunk_index: int, start: int, length: int
) -> None:
    placed = place_segments(heard, chunk_index=chunk_index, start=start, end=start + length)
    assert [s.text for s in placed] == [s.text for s in heard]
    assert [s.index for s in placed] == [
        chunk_index * SEGMENTS_PER_CHUNK + place for place in range(len(heard))
    ]
    times: list[float] = []
    for each in placed:
        times += [
            each.start,
            *(time for word in each.words or () for time in (word.start, word.end)),
            each.end,
        ]
    assert times == sorted(times)
    # To the millisecond: both chunks at a cut round it to the same one.
    first, last = round(start / SAMPLE_RATE, 3), round((start + length) / SAMPLE_RATE, 3)
    assert all(first <= time <= last for time in times)


@given(st.lists(segments, min_size=1, max_size=5), st.integers(0, 100))
def test_placing_again_gives_the_same(heard: list[Segment], chunk_index: int) -> None:
    once = place_segments(heard, chunk_index=chunk_index, start=100, end=9_000)
    assert once == place_segments(heard, chunk_index=chunk_index, start=100, end=9_000)


def test_a_chunk_s_indexes_never_reach_into_the_next_chunk_s() -> None:
    many = [segment(0, 1)] * (SEGMENTS_PER_CHUNK + 5)
    placed = place_segments(many, chunk_index=3, start=0, end=SAMPLE_RATE)
    assert placed[-1].index == 3_999


def said(*starts: float) -> list[Segment]:
    return [segment(start, start + 1) for start in starts]


def test_channels_are_merged_by_time_and_of_those_that_begin_together_the_lower_is_first() -> None:
    merged = merge_channels({0: said(0.0, 2.0, 2.0), 3: said(0.5, 2.0, 9.0)}, 7)
    assert [(s.start, s.channel) for s in merged] == [
        (0.0, 0),
        (0.5, 3),
        (2.0, 0),
        (2.0, 0),
        (2.0, 3),
        (9.0, 3),
    ]
    assert [s.index for s in merged] == list(range(7000, 7006))


def test_channels_together_say_no_more_than_a_chunk_may_hold() -> None:
    many = said(*range(SEGMENTS_PER_CHUNK))
    merged = merge_channels({0: many, 1: many}, 2)
    assert [s.index for s in merged] == list(range(2000, 3000))
