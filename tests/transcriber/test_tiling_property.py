"""Chunks tile the recording exactly (design, invariant 5), whatever it sounds like and however its decoder hands it over.

`test_split.py` says so for sounds like speech, from their beginning and in blocks of one size. Here the blocks have any
sizes, and the plan goes on from any sample: what follows is tiled in any case. Only from a cut of the whole sound are the
cuts promised to be the same as before; between two cuts the splitter starts afresh.
"""

from dataclasses import dataclass

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from lingoloop_common.contracts.units import SAMPLE_RATE
from lingoloop_transcriber.decode import Samples
from lingoloop_transcriber.split import FRAME, LONGEST, SHORTEST, Cut, Splitter

SILENT, QUIET, LOUD = 0, 30, 6000


@dataclass(frozen=True)
class Given:
    """A sound, and the sizes of the first blocks in which it comes; what is left after them comes second by second."""

    samples: Samples
    blocks: list[int]


def lengths(*seconds: int) -> st.SearchStrategy[int]:
    """Samples: one of these seconds and a bit, so that long ones are as likely as short ones."""
    return st.builds(
        lambda second, bit: second * SAMPLE_RATE + bit, st.sampled_from(seconds), st.integers(0, 999)
    )


blocks = st.lists(lengths(0, 1, 5, 30, 70), max_size=12)


@st.composite
def sounds(draw: st.DrawFn) -> Given:
    """Up to five minutes of stretches that are loud, quiet or silent."""
    stretch = st.tuples(st.sampled_from([SILENT, QUIET, LOUD]), lengths(0, 1, 15, 40, 60))
    luck = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    parts = [
        luck.integers(-loudness, loudness, size, np.int16, endpoint=True)
        for loudness, size in draw(st.lists(stretch, min_size=draw(st.integers(0, 5)), max_size=5))
    ]
    return Given(np.concatenate([np.empty(0, np.int16), *parts]), draw(blocks))


def split(sound: Given, start: int = 0) -> list[Cut]:
    """Push the sound through a splitter that goes on at `start`; it never holds as much as the longest chunk."""
    splitter, cuts, at = Splitter(start), list[Cut](), 0
    sizes = iter(sound.blocks)
    while at < sound.samples.size:
        size = next(sizes, SAMPLE_RATE)
        cuts += splitter.push(sound.samples[at : at + size])
        at = min(at + size, sound.samples.size)
        assert at - (cuts[-1].end if cuts else start) < LONGEST
    return [*cuts, *splitter.close()]


some = settings(max_examples=40, deadline=None)


@some
@given(sounds(), st.data())
def test_from_any_sample_on_the_cuts_tile_the_rest(sound: Given, data: st.DataObject) -> None:
    end = sound.samples.size
    start = data.draw(st.integers(0, end) | st.integers(max(0, end - FRAME), end), label="start")
    cuts = split(sound, start)
    assert [start, *(cut.end for cut in cuts)] == [*(cut.start for cut in cuts), end]
    sizes = [cut.end - cut.start for cut in cuts]
    assert all(SHORTEST <= size <= LONGEST for size in sizes[:-1])
    assert all(0 < size <= LONGEST for size in sizes)


@some
@given(sounds(), st.data())
def test_each_cut_holds_its_own_samples_or_stands_for_silence(sound: Given, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, sound.samples.size), label="start")
    for cut in split(sound, start):
        own = sound.samples[cut.start : cut.end]
        if cut.samples is None:  # less than a frame at the very end is not looked at
            assert not np.any(np.abs(own[: own.size - own.size % FRAME]) > 2 * QUIET)
        else:
            np.testing.assert_array_equal(cut.samples, own)


@some
@given(sounds(), blocks, st.data())
def test_going_on_at_any_cut_gives_the_same_rest_in_whatever_blocks_it_comes(
    sound: Given, others: list[int], data: st.DataObject
) -> None:
    cuts = split(sound)
    done = data.draw(st.integers(0, len(cuts)), label="cuts that are stored")
    rest = split(Given(sound.samples, others), start=cuts[done - 1].end if done else 0)
    assert [(cut.start, cut.end) for cut in rest] == [(cut.start, cut.end) for cut in cuts[done:]]


@some
@given(lengths(0, 1, 40), st.integers(1, LONGEST))
def test_going_on_beyond_the_end_gives_nothing(size: int, beyond: int) -> None:
    """A file may decode to a little less the second time."""
    assert split(Given(np.ones(size, np.int16), []), start=size + beyond) == []
