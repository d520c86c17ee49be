"""Puts a transcriber together; the list is the order in which its parts start."""

from lingoloop_common.blobs import Blobs
from lingoloop_common.broker import Broker
from lingoloop_common.contracts.units import lane_name, longest_unit
from lingoloop_common.lifecycle import Part
from lingoloop_common.outbound import Outbound
from lingoloop_common.relay import Relay
from lingoloop_common.store.database import Database
from lingoloop_common.store.ids import new_id
from lingoloop_transcriber.attempts import WorkRules
from lingoloop_transcriber.claims import Claims
from lingoloop_transcriber.elsewhere import Elsewhere
from lingoloop_transcriber.engines import find_operations
from lingoloop_transcriber.heartbeat import Heartbeat
from lingoloop_transcriber.imports import Imports
from lingoloop_transcriber.ledger import Ledger
from lingoloop_transcriber.operations import OperationRows
from lingoloop_transcriber.settings import TranscriberSettings
from lingoloop_transcriber.slots import Slots
from lingoloop_transcriber.speakers import Speakers
from lingoloop_transcriber.worker import Worker


def parts(
    settings: TranscriberSettings, *, database: Database, broker: Broker, relay: Relay, blobs: Blobs
) -> list[Part]:
    """Return the parts of one worker, over the plumbing that the process has.

    Raises:
        EngineError: the engine cannot be used here.
    """
    lane = lane_name(settings.engine, settings.model_name)
    worker_id = new_id()
    claims = Claims(database, worker_id, lane)
    slots = Slots(settings.slots, {"engine": settings.engine, "model": settings.model})
    elsewhere = None
    if operations := find_operations(settings.engine):
        engine = operations(settings.model, blobs.uri("operations"))
        poll = settings.poll_interval_ms / 1000
        elsewhere = Elsewhere(OperationRows(database), engine, blobs, lane=lane, poll=poll)
    outbound = Outbound(allow_private=settings.allow_private_addresses)
    worker = Worker(
        lane=lane,
        broker=broker,
        relay=relay,
        blobs=blobs,
        slots=slots,
        claims=claims,
        ledger=Ledger(database),
        imports=Imports(database),
        speakers=Speakers(database),
        outbound=outbound,
        rules=WorkRules(
            retry_delays=tuple(ms / 1000 for ms in settings.worker_retry_delays),
            max_retries=settings.worker_max_retries,
            job_timeout=longest_unit(settings.job_timeout_ms / 1000),
            grace=settings.shutdown_grace_ms / 1000,
            longest_recording=settings.max_audio_duration_ms / 1000,
            largest_recording=settings.max_upload_bytes,
            owner_storage=settings.owner_storage_bytes,
            per_minute=settings.per_minute,
        ),
        fleet_slots=lambda: heartbeat.fleet_slots,
        elsewhere=elsewhere,
    )
    heartbeat = Heartbeat(
        database,
        worker_id=worker_id,
        lane=lane,
        slots=slots.count,
        abilities=lambda: slots.abilities,
        held=worker.held,
        pace=lambda: worker.pace.value,
        on_gone=worker.let_go,
        on_wanted=worker.take_work,
    )
    return [slots, outbound, *([elsewhere] if elsewhere else []), heartbeat, worker]
