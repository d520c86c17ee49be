"""An event as it arrives from the broker."""

from datetime import datetime
from typing import NamedTuple

from lingoloop_common.broker import EventMessage
from lingoloop_common.contracts.events import DONE

Key = tuple[str, str | None]
"""Names a stream: its owner, and its run or None for that of all runs."""


class Event(NamedTuple):
    """An event: whose it is, its numbers in the streams of its run and of its owner, the frame's JSON."""

    type: str
    run_id: str
    owner: str
    seq: int
    owner_seq: int
    data: bytes

    @property
    def is_done(self) -> bool:
        """Whether it tells of a run's end."""
        return self.type == DONE

    @property
    def places(self) -> tuple[tuple[Key, int], tuple[Key, int]]:
        """The streams it belongs to, and its number in each."""
        return ((self.owner, self.run_id), self.seq), ((self.owner, None), self.owner_seq)


def read(message: EventMessage) -> Event:
    """Return what a message tells; its JSON stays as it is."""
    headers = message.headers
    return Event(
        str(headers["cloudEvents_type"]),
        str(headers["cloudEvents_subject"]),
        str(headers["cloudEvents_owner"]),
        int(headers["cloudEvents_seq"]),
        int(headers["cloudEvents_ownerseq"]),
        message.body,
    )


def happened(message: EventMessage) -> float | None:
    """Return when the event of a message happened, in seconds since 1970; None where it does not say, for nothing hangs on it."""
    try:
        return datetime.fromisoformat(str(message.headers.get("cloudEvents_time"))).timestamp()
    except ValueError:
        return None
