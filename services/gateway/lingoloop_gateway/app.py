"""Puts a gateway together; the list is the order in which its parts start."""

from collections.abc import Callable

from lingoloop_common.addresses import gate
from lingoloop_common.auth import Callers, read_tokens
from lingoloop_common.blobs import Blobs
from lingoloop_common.broker import Broker
from lingoloop_common.http import HttpServer
from lingoloop_common.lifecycle import Part
from lingoloop_common.rates import Rates
from lingoloop_common.relay import Relay
from lingoloop_common.store.database import Database
from lingoloop_common.store.forecast import Forecasts
from lingoloop_common.sweep import Sweep
from lingoloop_gateway.admin import Admin
from lingoloop_gateway.audios import Audios
from lingoloop_gateway.backlog import Backlog
from lingoloop_gateway.control import Control
from lingoloop_gateway.dead_letters import DeadLetters
from lingoloop_gateway.deletions import Deletions
from lingoloop_gateway.deliveries import Deliveries
from lingoloop_gateway.edits import Edits
from lingoloop_gateway.engines import Engines
from lingoloop_gateway.expiry import Expiry
from lingoloop_gateway.idempotency import IdempotencyKeys
from lingoloop_gateway.imports import Imports
from lingoloop_gateway.indexing import Indexing
from lingoloop_gateway.lanes import Lanes
from lingoloop_gateway.lifetimes import Lifetimes
from lingoloop_gateway.more_runs import MoreRuns
from lingoloop_gateway.openai_api import OpenAiApi
from lingoloop_gateway.orphans import Orphans
from lingoloop_gateway.passing import EventStreams
from lingoloop_gateway.peaks import Peaks
from lingoloop_gateway.probe import Probe
from lingoloop_gateway.quotas import HOUR_MS, OwnerLimits, Quotas
from lingoloop_gateway.removals import Removals
from lingoloop_gateway.resumable import Resumable
from lingoloop_gateway.retention import Retention
from lingoloop_gateway.runs import Runs
from lingoloop_gateway.search import Search
from lingoloop_gateway.server import Server
from lingoloop_gateway.settings import GatewaySettings
from lingoloop_gateway.sign_in import SignIn, SignInLink
from lingoloop_gateway.sizes import SyncLimits
from lingoloop_gateway.tus_api import TusApi
from lingoloop_gateway.uploads import UploadRules, Uploads
from lingoloop_gateway.waiting import DoneWaiter
from lingoloop_gateway.web_app import WebApp
from lingoloop_gateway.webhooks import Webhooks
from lingoloop_gateway.webhooks_api import WebhooksApi
from lingoloop_gateway.workers import Workers


def parts(
    settings: GatewaySettings,
    *,
    database: Database,
    broker: Broker,
    relay: Relay,
    blobs: Blobs,
    notifier_url: Callable[[], str],
    link: SignInLink | None = None,
) -> tuple[list[Part], HttpServer]:
    """Return the parts of a gateway, and of them the server (its `url` is known once it has started).

    `link` is for the person at this machine; without one, the web app is signed in to with a token.
    """
    probe = Probe()
    waiter = DoneWaiter(broker)
    streams = EventStreams(notifier_url)
    rules = UploadRules(
        sync=SyncLimits(settings.transcribe_sync_max_bytes, settings.transcribe_sync_max_duration_ms),
        max_bytes=settings.max_upload_bytes,
        max_duration_ms=settings.max_audio_duration_ms,
    )
    lanes = Lanes(database, settings.engine, settings.model_name)
    tokens = read_tokens(settings)
    callers = Callers(tokens, database, Rates(settings.rate_limit_per_owner))
    quotas = Quotas(
        database, OwnerLimits(settings.owner_storage_bytes, settings.owner_queued_hours * HOUR_MS)
    )
    keys = IdempotencyKeys(database)
    control = Control(database, relay)
    uploads = Uploads(
        database=database,
        relay=relay,
        blobs=blobs,
        probe=probe,
        lanes=lanes,
        rules=rules,
        quotas=quotas,
        keys=keys,
    )
    runs = Runs(database, Forecasts(database, max_age=settings.poll_interval_ms / 1000))
    removals = Removals(database, blobs)
    deletions = Deletions(database, relay, removals)
    resumable = Resumable(
        database=database,
        lanes=lanes,
        quotas=quotas,
        blobs=blobs,
        uploads=uploads,
        removals=removals,
        max_bytes=settings.max_upload_bytes,
        expires=settings.upload_expires_ms / 1000,
    )
    api = Server(
        callers=callers,
        uploads=uploads,
        imports=Imports(database=database, relay=relay, lanes=lanes, quotas=quotas),
        more_runs=MoreRuns(
            database=database,
            relay=relay,
            blobs=blobs,
            probe=probe,
            lanes=lanes,
            quotas=quotas,
            sync=rules.sync,
        ),
        audios=Audios(database),
        deletions=deletions,
        runs=runs,
        search=Search(database, runs),
        control=control,
        edits=Edits(callers=callers, database=database, runs=runs),
        peaks=Peaks(callers, database),
        admin=Admin(
            callers=callers,
            workers=Workers(database),
            backlog=Backlog(database),
            dead_letters=DeadLetters(database, control),
        ),
        engines=Engines(callers, lanes),
        sign_in=SignIn(callers=callers, tokens=tokens, link=link, settings=settings),
        web_app=WebApp(settings.web_oidc_authority),
        openai=OpenAiApi(
            callers=callers, uploads=uploads, lanes=lanes, quotas=quotas, runs=runs, waiter=waiter
        ),
        tus=TusApi(
            callers=callers,
            resumable=resumable,
            deletions=deletions,
            keys=keys,
            max_bytes=settings.max_upload_bytes,
            proxies=settings.trusted_proxies,
        ),
        webhooks=WebhooksApi(
            callers=callers, webhooks=Webhooks(database, relay), deliveries=Deliveries(database, relay)
        ),
        waiter=waiter,
        streams=streams,
        blobs=blobs,
        quotas=quotas,
        keys=keys,
        gate=gate(Rates(settings.rate_limit_per_address), settings.trusted_proxies),
        sync_timeout=settings.transcribe_sync_timeout_ms / 1000,
        inline=settings.tasks_inline_processing,
    )
    server = HttpServer(
        api.app(settings.cors_allowed_origins), host=settings.gateway_host, port=settings.gateway_port
    )
    return [
        Sweep(database, broker, relay),
        removals,
        Orphans(database, blobs),
        Indexing(database),
        Expiry(
            resumable.drop_expired,
            Retention(database, settings.event_retention_hours).drop_expired,
            Lifetimes(database, deletions, settings.retention_days).drop_expired,
        ),
        probe,
        waiter.feed,
        streams,
        server,
    ], server
