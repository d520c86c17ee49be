"""Puts a gateway together; the list is the order in which its parts start."""

from collections.abc import Callable

from lingoloop_common.auth import Callers, read_tokens
from lingoloop_common.blobs import FolderBlobs
from lingoloop_common.broker import Broker
from lingoloop_common.http import HttpServer
from lingoloop_common.lifecycle import Part
from lingoloop_common.relay import Relay
from lingoloop_common.store.database import Database
from lingoloop_common.store.forecast import Forecasts
from lingoloop_common.sweep import Sweep
from lingoloop_gateway.admin import Admin
from lingoloop_gateway.audios import Audios
from lingoloop_gateway.control import Control
from lingoloop_gateway.dead_letters import DeadLetters
from lingoloop_gateway.deletions import Deletions
from lingoloop_gateway.expiry import Expiry
from lingoloop_gateway.openai_api import OpenAiApi
from lingoloop_gateway.passing import EventStreams
from lingoloop_gateway.probe import Probe
from lingoloop_gateway.removals import Removals
from lingoloop_gateway.resumable import Resumable
from lingoloop_gateway.runs import Runs
from lingoloop_gateway.server import Server
from lingoloop_gateway.settings import GatewaySettings
from lingoloop_gateway.sizes import SyncLimits
from lingoloop_gateway.tickets import Tickets
from lingoloop_gateway.tus_api import TusApi
from lingoloop_gateway.uploads import UploadRules, Uploads
from lingoloop_gateway.waiting import DoneWaiter
from lingoloop_gateway.workers import Workers


def parts(
    settings: GatewaySettings,
    *,
    database: Database,
    broker: Broker,
    relay: Relay,
    blobs: FolderBlobs,
    notifier_url: Callable[[], str],
) -> tuple[list[Part], HttpServer]:
    """Return the parts of a gateway, and of them the server (its `url` is known once it has started)."""
    probe = Probe()
    waiter = DoneWaiter(broker)
    streams = EventStreams(notifier_url)
    rules = UploadRules(
        sync=SyncLimits(settings.transcribe_sync_max_bytes, settings.transcribe_sync_max_duration_ms),
        max_bytes=settings.max_upload_bytes,
        max_duration_ms=settings.max_audio_duration_ms,
        default_engine=settings.engine,
        default_model=settings.model_name,
    )
    callers = Callers(read_tokens(settings), database)
    control = Control(database, relay)
    uploads = Uploads(database=database, relay=relay, blobs=blobs, probe=probe, rules=rules)
    runs = Runs(database, Forecasts(database, max_age=settings.poll_interval_ms / 1000))
    removals = Removals(database, blobs)
    deletions = Deletions(database, relay, removals)
    resumable = Resumable(
        database=database,
        relay=relay,
        blobs=blobs,
        uploads=uploads,
        removals=removals,
        max_bytes=settings.max_upload_bytes,
        expires=settings.upload_expires_ms / 1000,
    )
    api = Server(
        callers=callers,
        uploads=uploads,
        audios=Audios(database),
        deletions=deletions,
        runs=runs,
        control=control,
        admin=Admin(callers=callers, workers=Workers(database), dead_letters=DeadLetters(database, control)),
        openai=OpenAiApi(callers=callers, uploads=uploads, runs=runs, control=control, waiter=waiter),
        tus=TusApi(
            callers=callers,
            resumable=resumable,
            deletions=deletions,
            max_bytes=settings.max_upload_bytes,
            trust_forwarded=settings.trust_forwarded,
        ),
        waiter=waiter,
        streams=streams,
        tickets=Tickets(database),
        blobs=blobs,
        sync_timeout=settings.transcribe_sync_timeout_ms / 1000,
        inline=settings.tasks_inline_processing,
    )
    server = HttpServer(
        api.app(settings.cors_allowed_origins), host=settings.gateway_host, port=settings.gateway_port
    )
    return [
        Sweep(database, broker, relay),
        removals,
        Expiry(resumable),
        probe,
        waiter.feed,
        streams,
        server,
    ], server
