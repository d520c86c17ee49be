"""Rules about units of work: what becomes of a failed one, how long one may take, what lanes are called."""

import re
from dataclasses import dataclass
from enum import StrEnum

from lingoloop_common.contracts.states import UnitState

SAMPLE_RATE = 16_000
"""Samples per second in which chunks are counted (design, invariant 5)."""

WAVEFORM_SAMPLES = SAMPLE_RATE // 50
"""Samples in a pair of a stored waveform. Chunks begin at multiples of it."""

LOST_LIMIT = 10
"""Take-backs from holders that vanished before a unit is given up as `worker_lost`."""

SUSPECT = 3
"""Losses after which a unit may be the one that kills its workers."""

CONSUMER_TIMEOUT = 1_800.0
"""Seconds after which RabbitMQ, as it comes, takes a token back from a consumer that has not settled it."""

SMALL_SHARE = 0.25
"""The part of a lane's slots that small runs may take ahead of the order (rule 11)."""

DEFAULT_MODELS = {"whisper": "base", "openai": "whisper-1", "google": "chirp_3"}
"""The model of an engine that has several, when none is named."""

LANE_PATTERN = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}(\.[A-Za-z0-9][A-Za-z0-9._-]{0,79})?")

_PUBLISHER = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,79}/")
"""Before a model's name, as hubs write it."""


class UnitKind(StrEnum):
    """What a unit asks a worker to do."""

    PLAN = "plan"
    CHUNK = "chunk"
    IMPORT = "import"
    SPEAKERS = "speakers"
    OPERATION = "operation"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a unit: its next state, and the seconds to wait when that is `waiting`."""

    state: UnitState
    delay: float = 0.0


def lane_name(engine: str, model: str | None) -> str:
    """Return the lane of an engine, or of an engine and model: the name of the queue `work.<lane>`.

    Of `Systran/faster-whisper-small`, what is after the slash names the model.

    Raises:
        ValueError: the names hold characters that a queue or a metric label should not carry.
    """
    model = model or DEFAULT_MODELS.get(engine)
    lane = f"{engine}.{_PUBLISHER.sub('', model)}" if model else engine
    if not LANE_PATTERN.fullmatch(lane):
        raise ValueError(f"{lane!r} is not a lane: use letters, digits, '.', '_' and '-'")
    return lane


def after_failure(
    failures: int, *, permanent: bool, retry_delays: tuple[float, ...], max_retries: int
) -> Verdict:
    """Decide about a unit whose holder reported an error.

    Args:
        failures: errors reported so far, this one included.
        permanent: a repeat cannot mend it (not audio, too long, no permission).
        retry_delays: seconds before the first, second, … retry; the last one repeats.
        max_retries: how often a unit is tried again.
    """
    if permanent or failures > max_retries:
        return Verdict(UnitState.FAILED)
    delay = retry_delays[min(failures, len(retry_delays)) - 1] if retry_delays else 0.0
    return Verdict(UnitState.WAITING, delay)


def after_loss(lost: int) -> Verdict:
    """Decide about a unit whose holder vanished; `lost` counts such ends, this one included."""
    return Verdict(UnitState.FAILED if lost > LOST_LIMIT else UnitState.READY)


def deadline(expected: float, *, ceiling: float) -> float:
    """Return how many seconds a unit may run: the larger of 60 and 20 × `expected` seconds, up to `ceiling`."""
    return min(ceiling, max(60.0, 20.0 * expected))


def longest_unit(job_timeout: float) -> float:
    """Return the ceiling of deadlines: the setting, but a minute less than the broker waits for an acknowledgement."""
    return min(job_timeout, CONSUMER_TIMEOUT - 60.0)


def plan_cost(*, small: bool) -> float:
    """Return the seconds of audio that an owner is charged for a plan.

    A small run's is free: it takes a moment, and would put the run's only chunk behind all owners who were served alike.
    """
    return 0.0 if small else 1.0


def speakers_cost(seconds: float) -> float:
    """Return the seconds of audio that telling the speakers of a recording of so many seconds apart is like.

    What is heard of their voices is heard with the chunks; this is what is left to do at the end.
    """
    return 1.0 + seconds / 200


def chunks_ahead(slots: int, planned: int) -> int:
    """Return how many unfinished chunks a plan may be ahead of the work (rule 10).

    A plan that goes on decodes from the start and discards what is planned. So the farther it is, the farther ahead it
    may go: a plan is then interrupted a few times a recording, not each 32 chunks, and decoding stays linear in its length.

    Args:
        slots: of the fleet.
        planned: chunks that the ledger has.
    """
    return max(64, 2 * slots, planned // 2)
