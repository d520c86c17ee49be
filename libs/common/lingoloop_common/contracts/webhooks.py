"""Webhooks: what a receiver is told, and how much at a time."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from lingoloop_common.contracts import events
from lingoloop_common.contracts.events import RunState
from lingoloop_common.contracts.transcript import Wire

LANE = "webhook"
"""Where its tokens go."""

AT_ONCE = 4
"""Deliveries to one endpoint that are under way at a time: one that hangs keeps no others up."""

OWNER_AT_ONCE = 16
"""And to all of an owner's: they leave a notifier places for others, however many of them hang."""


class RunEnded(RunState):
    """How a run ended, and what its owner wrote to its recording. The words are fetched: they may be long."""

    metadata: dict[str, Any]


class Message(Wire):
    """A body as Standard Webhooks 1.0 has it."""

    type: Literal["lingoloop.run.done.v1"]
    timestamp: datetime
    data: RunEnded


def done_message(state: Mapping[str, Any], at: datetime) -> dict[str, Any]:
    """Return a `Message` in JSON's types, but for `metadata`: that stays in the database until the body is written.

    Args:
        state: the fields of `RunState`.
        at: when the run ended.
    """
    frame = RunState(**state).model_dump(mode="json", by_alias=True, exclude_none=True)
    return {"type": events.DONE, "timestamp": at.isoformat(), "data": frame}
