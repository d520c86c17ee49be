"""Windows become turns: made-up voices, which are directions with noise around them."""

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from lingoloop_common.contracts.units import SAMPLE_RATE
from lingoloop_transcriber.clusters import tell_apart
from lingoloop_transcriber.voices import HOP, SIZE, WINDOW, WINDOWS

NOISE = 0.7
"""Of a voice's length: two windows of one speaker are alike by 0.67, as in real speech."""


def windows(who: list[int], *, gaps: dict[int, float] | None = None) -> NDArray[np.void]:
    """Windows one after the other, and seconds of silence before some of them."""
    numbers = np.random.default_rng(5)
    speakers = numbers.normal(size=(max(who, default=0) + 1, SIZE))
    speakers /= np.linalg.norm(speakers, axis=1, keepdims=True)
    found = np.zeros(len(who), WINDOWS)
    at = 0
    for place, speaker in enumerate(who):
        at += int((gaps or {}).get(place, 0.0) * SAMPLE_RATE)
        voice = speakers[speaker] + numbers.normal(size=SIZE) * NOISE / np.sqrt(SIZE)
        found[place] = (at, at + WINDOW, np.round(voice / np.abs(voice).max() * 127))
        at += HOP
    return found


@pytest.mark.parametrize("who", [[0] * 40, [0] * 12 + [1] * 8 + [0] * 6, [*[0] * 9, *[1] * 9, *[2] * 9] * 3])
def test_each_window_is_its_speakers(who: list[int]) -> None:
    turns = tell_apart(windows(who))
    names: dict[int, int] = {}
    for start, end, speaker in turns:
        inside = {who[place] for place in range(len(who)) if start <= (place * HOP + HOP) / SAMPLE_RATE < end}
        assert inside == {names.setdefault(speaker, next(iter(inside)))}
    assert len(names) == len(set(who))


def test_turns_are_in_order_without_overlap_and_end_at_a_pause() -> None:
    turns = tell_apart(windows([0] * 10 + [1] * 10 + [1] * 10, gaps={20: 3.0}))
    assert len(turns) == 3
    assert all(end <= start for (_, end, _), (start, _, _) in itertools.pairwise(turns))
    assert turns[2][0] - turns[1][1] > 2


def test_a_sound_or_two_are_nobody() -> None:
    turns = tell_apart(windows([0] * 10 + [1] * 2 + [0] * 10))
    assert {speaker for *_, speaker in turns} == {0}


def test_voices_that_are_somewhat_alike_as_on_the_telephone_are_two_speakers() -> None:
    found = windows([0] * 15 + [1] * 15)
    # Something that both have: the cosine of their means is 0.5.
    common = np.random.default_rng(9).normal(size=SIZE)
    voices = found["voice"].astype(np.float32)
    voices /= np.linalg.norm(voices, axis=1, keepdims=True)
    voices += 0.8 * common / np.linalg.norm(common)
    found["voice"] = np.round(voices / np.abs(voices).max() * 127)
    assert len({speaker for *_, speaker in tell_apart(found)}) == 2


def test_somebody_who_says_little_in_a_short_recording_is_somebody() -> None:
    turns = tell_apart(windows([0] * 20 + [1] * 5 + [0] * 20))
    assert [speaker for *_, speaker in turns] == [0, 1, 0]


def test_groups_of_many_blocks_are_joined_and_the_same_windows_give_the_same_turns() -> None:
    who = [place // 40 % 4 for place in range(1_800)]  # six blocks
    found = windows(who)
    turns = tell_apart(found)
    assert len({speaker for *_, speaker in turns}) == 4
    assert len(turns) == 1_800 // 40
    assert tell_apart(found.copy()) == turns


def test_nobody_speaks() -> None:
    assert tell_apart(windows([])) == []
