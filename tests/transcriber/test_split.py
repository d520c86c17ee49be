"""The splitter tiles any sound, the same way however it is fed, and cuts in quiet places."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lingoloop_common.contracts.units import SAMPLE_RATE
from lingoloop_transcriber.decode import Samples
from lingoloop_transcriber.split import LONGEST, SHORTEST, Cut, Splitter


def sound(seed: int, size: int) -> Samples:
    """Speech-like: bursts of noise of varied loudness, gaps, and long silence now and then."""
    luck = np.random.default_rng(seed)
    pieces: list[Samples] = []
    left = size
    while left > 0:
        length = min(left, int(luck.integers(1, 3 * SAMPLE_RATE)))
        loudness = luck.choice([0, 3, 300, 3000])
        if luck.random() < 0.05:
            length, loudness = min(left, 30 * SAMPLE_RATE), 0
        pieces.append(luck.normal(0, loudness, length).astype(np.int16))
        left -= length
    return np.concatenate(pieces) if pieces else np.empty(0, np.int16)


def split(samples: Samples, *, block: int = SAMPLE_RATE, start: int = 0) -> list[Cut]:
    splitter = Splitter(start)
    cuts: list[Cut] = []
    for at in range(0, samples.size, block):
        cuts += splitter.push(samples[at : at + block])
    return [*cuts, *splitter.close()]


def edges(cuts: list[Cut]) -> list[tuple[int, int, bool]]:
    return [(cut.start, cut.end, cut.samples is None) for cut in cuts]


seeds = st.integers(0, 2**32 - 1)
sizes = st.integers(0, 200 * SAMPLE_RATE)
some = settings(max_examples=25, deadline=None)


@some
@given(seeds, sizes)
def test_cuts_tile_the_sound_exactly(seed: int, size: int) -> None:
    samples = sound(seed, size)
    cuts = split(samples)
    assert [cut.start for cut in cuts] == [0, *(cut.end for cut in cuts)][: len(cuts)]
    assert (cuts[-1].end if cuts else 0) == size
    for cut in cuts:
        if cut.samples is not None:
            np.testing.assert_array_equal(cut.samples, samples[cut.start : cut.end])


@some
@given(seeds, sizes, st.integers(500, 40 * SAMPLE_RATE))
def test_the_same_sound_gives_the_same_cuts_however_it_is_fed(seed: int, size: int, block: int) -> None:
    samples = sound(seed, size)
    assert edges(split(samples, block=block)) == edges(split(samples))


@some
@given(seeds, st.integers(30 * SAMPLE_RATE, 200 * SAMPLE_RATE), st.data())
def test_going_on_at_any_cut_gives_the_same_rest(seed: int, size: int, data: st.DataObject) -> None:
    samples = sound(seed, size)
    cuts = edges(split(samples))
    first = data.draw(st.integers(0, len(cuts) - 1))
    assert edges(split(samples, start=cuts[first][0], block=7777)) == cuts[first:]


@some
@given(seeds, sizes)
def test_no_cut_is_too_long_and_only_the_last_may_be_short(seed: int, size: int) -> None:
    lengths = [cut.end - cut.start for cut in split(sound(seed, size))]
    assert all(length <= LONGEST for length in lengths)
    assert all(length >= SHORTEST for length in lengths[:-1])


def test_nothing_gives_no_cut() -> None:
    assert split(np.empty(0, np.int16)) == []


def test_one_sample_is_a_cut() -> None:
    assert edges(split(np.array([5], np.int16))) == [(0, 1, False)]


def test_silence_holds_no_samples_but_takes_its_place() -> None:
    cuts = split(np.zeros(60 * SAMPLE_RATE, np.int16))
    assert cuts[-1].end == 60 * SAMPLE_RATE
    assert all(cut.samples is None for cut in cuts)


@pytest.mark.parametrize(("loudness", "silent"), [(2, True), (8, False)])
def test_silence_is_what_lies_below_eighty_decibels(loudness: int, silent: bool) -> None:
    noise = np.random.default_rng(1).normal(0, loudness, 10 * SAMPLE_RATE).astype(np.int16)
    [cut] = split(noise)
    assert (cut.samples is None) == silent


def test_one_loud_word_in_silence_is_no_silence() -> None:
    samples = np.zeros(10 * SAMPLE_RATE, np.int16)
    samples[80_000 : 80_000 + 2000] = 2000
    [cut] = split(samples)
    assert cut.samples is not None


def test_cuts_fall_into_the_gaps_of_speech() -> None:
    luck = np.random.default_rng(8)
    samples = luck.normal(0, 3000, 300 * SAMPLE_RATE).astype(np.int16)
    gaps = []
    at = 0
    while (at := at + int(luck.integers(3, 9) * SAMPLE_RATE)) < samples.size - SAMPLE_RATE:
        samples[at : at + SAMPLE_RATE // 3] //= 100
        gaps.append((at, at + SAMPLE_RATE // 3))
    cuts = split(samples)
    inner = [cut.end for cut in cuts[:-1]]
    assert len(inner) > 10
    assert all(any(begin < cut < end for begin, end in gaps) for cut in inner)


def test_an_offset_is_silence_and_its_gaps_are_found() -> None:
    assert [cut.samples for cut in split(np.full(20 * SAMPLE_RATE, 9000, np.int16))] == [None]
    voice = np.random.default_rng(1).integers(-300, 300, 40 * SAMPLE_RATE).astype(np.int16)
    voice[22 * SAMPLE_RATE : 23 * SAMPLE_RATE] = 0
    first = split(voice + np.int16(9000))[0]
    assert 22 * SAMPLE_RATE < first.end < 23 * SAMPLE_RATE


def test_of_equal_gaps_the_latest_is_taken() -> None:
    samples = np.tile(np.array([3000, -3000], np.int16), 20 * SAMPLE_RATE)
    for second in (18, 22, 26):
        samples[second * SAMPLE_RATE : second * SAMPLE_RATE + 8000] = 0
    first = split(samples)[0]
    assert 26 * SAMPLE_RATE < first.end <= 26 * SAMPLE_RATE + 8000


def test_cuts_follow_each_other() -> None:
    assert all(before.end == after.start for before, after in pairwise(split(sound(4, 150 * SAMPLE_RATE))))
