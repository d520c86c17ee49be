"""Whatever happens to a run, and in whatever order: its status only moves forward within a job (design, invariant 7).

Only a retry leads out of a final status, and only out of `failed`. A run is closed once, by the last of its units.
"""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from lingoloop_common.contracts.states import IllegalMove, RunMove, RunStatus, closing_move, moved

PLACE = {RunStatus.QUEUED: 0, RunStatus.PROCESSING: 1, RunStatus.SUCCEEDED: 2, RunStatus.FAILED: 2}

happenings = st.lists(st.sampled_from(RunMove), max_size=30)


def life(moves: list[RunMove]) -> list[tuple[RunStatus, RunMove, RunStatus]]:
    """Return the steps that the table lets a new run take; a refused move changes nothing."""
    status, steps = RunStatus.QUEUED, []
    for move in moves:
        try:
            after = moved(status, move)
        except IllegalMove:
            continue
        steps.append((status, move, after))
        status = after
    return steps


@given(happenings)
def test_within_a_job_the_status_only_moves_forward(moves: list[RunMove]) -> None:
    for before, move, after in life(moves):
        if move is not RunMove.RETRY:
            assert PLACE[after] > PLACE[before]


@given(happenings)
def test_only_a_retry_leads_out_of_a_final_status_and_to_a_queued_job(moves: list[RunMove]) -> None:
    for before, move, after in life(moves):
        assert (move is RunMove.RETRY) == before.is_final
        if before.is_final:
            assert (before, after) == (RunStatus.FAILED, RunStatus.QUEUED)


@given(happenings)
def test_a_run_that_succeeded_stays_so(moves: list[RunMove]) -> None:
    assert all(after is not RunStatus.SUCCEEDED for (_, _, after), _ in pairwise(life(moves)))


@given(happenings, st.sampled_from([RunMove.SUCCEED, RunMove.FAIL]))
def test_a_run_that_is_not_final_can_always_be_closed(moves: list[RunMove], close: RunMove) -> None:
    status = life(moves)[-1][2] if life(moves) else RunStatus.QUEUED
    if not status.is_final:
        assert moved(status, close).is_final


@given(
    st.lists(st.sampled_from(["chunk added", "unit done", "unit failed"]), max_size=30),
    st.booleans(),
    st.lists(st.booleans(), min_size=31, max_size=31),
)
def test_a_run_is_closed_once_by_its_last_unit(steps: list[str], plan_fails: bool, late: list[bool]) -> None:
    """The plan's unit is open while it adds chunks; some of them end meanwhile (`steps`), the others later (`late`)."""
    left, failed = 1, 0
    closings: list[RunMove | None] = []

    def end(*, fails: bool) -> None:
        nonlocal left, failed
        left, failed = left - 1, failed + fails
        closings.append(closing_move(left, failed))

    for step in steps:
        if step == "chunk added":
            left += 1
        elif left > 1:
            end(fails=step == "unit failed")
    end(fails=plan_fails)
    for fails in late[:left]:
        end(fails=fails)

    assert closings[:-1] == [None] * (len(closings) - 1)
    assert closings[-1] is (RunMove.FAIL if failed else RunMove.SUCCEED)
