"""What an upload is given: a run that exists, made for it or there already, bound to the key of its request."""

from dataclasses import dataclass, replace
from uuid import UUID

from lingoloop_common.store.database import Connection
from lingoloop_common.store.runs import Row
from lingoloop_gateway.idempotency import Known, Once, claim, write_made

IDS = ("audio_id", "run_id", "job_id")


@dataclass(frozen=True, slots=True)
class Accepted:
    """A run that exists from now on, whatever happens."""

    audio_id: UUID
    run_id: UUID
    job_id: UUID
    large: bool
    reused: bool = False
    """It was there already, with the same options."""
    once: Once | None = None
    """The request that is given it, where that has an `Idempotency-Key`."""
    replayed: bool = False
    """That request came before."""


def reused(wanted: Accepted, same: Row) -> Accepted:
    """Return the run that was there already, in place of the one that was wanted."""
    ids = {"audio_id": same["audio_id"], "run_id": same["id"], "job_id": same["job_id"]}
    return replace(wanted, **ids, reused=True)


async def claimed(connection: Connection, wanted: Accepted) -> Accepted | None:
    """Take the key of the request that wants a run; return the run that it was given before, if it was.

    Raises:
        Problem: `invalid_value`; the key stands for another request.
    """
    known = await claim(connection, wanted.once) if wanted.once else None
    return made_before(known, wanted.once) if known and wanted.once else None


async def bound(connection: Connection, accepted: Accepted) -> Accepted:
    """Write a run beside the key of the request that is given it, and return it."""
    if accepted.once:
        ids = {name: str(getattr(accepted, name)) for name in IDS}
        made = {**ids, "large": accepted.large, "reused": accepted.reused}
        await write_made(connection, accepted.once, made)
    return accepted


def made_before(known: Known, once: Once) -> Accepted:
    """Return the run that a request was given the first time."""
    assert known.made is not None  # written in the transaction that took the key
    ids = {name: UUID(known.made[name]) for name in IDS}
    large, again = known.made["large"], known.made["reused"]
    return Accepted(**ids, large=large, reused=again, once=once, replayed=True)
