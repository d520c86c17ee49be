"""The rules about units: retries, losses, deadlines, how far ahead a plan may be, what a lane is called."""

import pytest

from lingoloop_common.contracts.states import UnitState
from lingoloop_common.contracts.units import (
    Verdict,
    after_failure,
    after_loss,
    chunks_ahead,
    deadline,
    lane_name,
    longest_unit,
)

DELAYS = (5.0, 30.0, 120.0)
FAILED = Verdict(UnitState.FAILED)


@pytest.mark.parametrize(
    ("failures", "verdict"),
    [
        (1, Verdict(UnitState.WAITING, 5.0)),
        (2, Verdict(UnitState.WAITING, 30.0)),
        (3, Verdict(UnitState.WAITING, 120.0)),
        (4, FAILED),
    ],
)
def test_a_failed_unit_waits_longer_each_time_until_its_retries_are_used_up(
    failures: int, verdict: Verdict
) -> None:
    assert after_failure(failures, permanent=False, retry_delays=DELAYS, max_retries=3) == verdict


def test_an_error_that_a_repeat_cannot_mend_fails_at_once() -> None:
    assert after_failure(1, permanent=True, retry_delays=DELAYS, max_retries=3) == FAILED


def test_the_last_delay_repeats() -> None:
    verdict = after_failure(9, permanent=False, retry_delays=DELAYS, max_retries=10)
    assert verdict == Verdict(UnitState.WAITING, 120.0)


def test_without_delays_a_retry_is_due_at_once() -> None:
    assert after_failure(1, permanent=False, retry_delays=(), max_retries=3) == Verdict(
        UnitState.WAITING, 0.0
    )


def test_without_retries_the_first_failure_is_the_last() -> None:
    assert after_failure(1, permanent=False, retry_delays=DELAYS, max_retries=0) == FAILED


@pytest.mark.parametrize(
    ("lost", "state"), [(1, UnitState.READY), (10, UnitState.READY), (11, UnitState.FAILED)]
)
def test_a_unit_survives_ten_lost_holders_and_not_the_eleventh(lost: int, state: UnitState) -> None:
    assert after_loss(lost) == Verdict(state)


@pytest.mark.parametrize(
    ("expected", "ceiling", "seconds"),
    [(0.1, 1800, 60), (3, 1800, 60), (4, 1800, 80), (1000, 1800, 1800), (1, 30, 30)],
)
def test_a_deadline_is_twenty_times_what_is_expected_within_limits(
    expected: float, ceiling: float, seconds: float
) -> None:
    assert deadline(expected, ceiling=ceiling) == seconds


@pytest.mark.parametrize(
    ("slots", "planned", "chunks"),
    [(0, 0, 64), (1, 0, 64), (32, 128, 64), (33, 0, 66), (1000, 10, 2000), (2, 130, 65), (2, 1600, 800)],
)
def test_a_plan_is_at_most_64_chunks_or_two_a_slot_or_half_of_itself_ahead(
    slots: int, planned: int, chunks: int
) -> None:
    assert chunks_ahead(slots, planned) == chunks


def test_a_plan_of_ten_hours_is_interrupted_a_few_times_only() -> None:
    planned, interruptions = 0, 0
    while planned < 10 * 3600 / 20:
        open_chunks = chunks_ahead(2, planned) // 2 if planned else 0  # woken when so few are left
        planned += chunks_ahead(2, planned) - open_chunks
        interruptions += 1
    assert interruptions <= 15


@pytest.mark.parametrize(
    ("engine", "model", "lane"),
    [
        ("simulated", None, "simulated"),
        ("whisper", "base", "whisper.base"),
        ("whisper", "tiny.en", "whisper.tiny.en"),
        ("openai", "gpt-4o_Mini", "openai.gpt-4o_Mini"),
        ("google", "", "google.chirp_3"),
        ("simulated", "", "simulated"),
    ],
)
def test_a_lane_is_named_after_engine_and_model(engine: str, model: str | None, lane: str) -> None:
    assert lane_name(engine, model) == lane


@pytest.mark.parametrize(
    ("engine", "model"),
    [
        ("", None),
        ("Whisper", None),
        ("whisper", "../base"),
        ("whisper", ".base"),
        ("whisper", "a b"),
        ("whisper", "base\n"),
        ("whisper", "wörter"),
        ("x" * 41, None),
        ("whisper", "x" * 81),
    ],
)
def test_names_that_a_queue_should_not_carry_are_no_lane(engine: str, model: str | None) -> None:
    with pytest.raises(ValueError, match="is not a lane"):
        lane_name(engine, model)


@pytest.mark.parametrize(
    ("setting", "ceiling"), [(60.0, 60.0), (1_740.0, 1_740.0), (1_800.0, 1_740.0), (9_000.0, 1_740.0)]
)
def test_no_unit_may_outlast_the_brokers_patience(setting: float, ceiling: float) -> None:
    assert longest_unit(setting) == ceiling
