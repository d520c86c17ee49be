"""The tables of moves: what may happen to a run, and how it ends."""

from itertools import product

import pytest

from lingoloop_common.contracts.states import (
    IllegalMove,
    RunMove,
    RunStatus,
    closing_move,
    moved,
)

LEGAL = {
    ("queued", "start"): "processing",
    ("queued", "succeed"): "succeeded",
    ("queued", "fail"): "failed",
    ("processing", "succeed"): "succeeded",
    ("processing", "fail"): "failed",
    ("failed", "retry"): "queued",
}
PAIRS = list(product(RunStatus, RunMove))


@pytest.mark.parametrize(("status", "move"), [pair for pair in PAIRS if pair in LEGAL])
def test_a_legal_move_gives_the_next_status(status: RunStatus, move: RunMove) -> None:
    assert moved(status, move) == LEGAL[status, move]


@pytest.mark.parametrize(("status", "move"), [pair for pair in PAIRS if pair not in LEGAL])
def test_any_other_move_is_refused(status: RunStatus, move: RunMove) -> None:
    with pytest.raises(IllegalMove, match=f"a {status} run cannot {move}"):
        moved(status, move)


def test_retry_is_the_only_edge_back() -> None:
    order = ["queued", "processing", "succeeded", "failed"]
    back = {move for (status, move), after in LEGAL.items() if order.index(after) < order.index(status)}
    assert back == {"retry"}


@pytest.mark.parametrize(
    ("status", "final"),
    [("queued", False), ("processing", False), ("succeeded", True), ("failed", True)],
)
def test_a_run_is_final_once_it_succeeded_or_failed(status: str, final: bool) -> None:
    assert RunStatus(status).is_final is final


@pytest.mark.parametrize(
    ("left", "failed", "move"),
    [
        (2, 0, None),
        (1, 1, None),  # one failed for good, the others still finish
        (0, 0, RunMove.SUCCEED),
        (0, 1, RunMove.FAIL),
        (0, 7, RunMove.FAIL),
    ],
)
def test_a_run_closes_with_its_last_unit(left: int, failed: int, move: RunMove | None) -> None:
    assert closing_move(left, failed) is move
