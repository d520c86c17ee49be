"""Puts a notifier together; the list is the order in which its parts start."""

from lingoloop_common.addresses import gate
from lingoloop_common.auth import Callers, read_tokens
from lingoloop_common.broker import Broker
from lingoloop_common.feed import Feed
from lingoloop_common.http import HttpServer
from lingoloop_common.lifecycle import Part
from lingoloop_common.outbound import Outbound
from lingoloop_common.rates import Rates
from lingoloop_common.relay import Relay
from lingoloop_common.store.database import Database
from lingoloop_common.store.forecast import Forecasts
from lingoloop_notifier.deliveries import Deliveries
from lingoloop_notifier.heartbeats import Heartbeats
from lingoloop_notifier.hub import Hub
from lingoloop_notifier.progress import Progress
from lingoloop_notifier.server import Server
from lingoloop_notifier.settings import NotifierSettings
from lingoloop_notifier.webhooks import Webhooks


def parts(
    settings: NotifierSettings, *, database: Database, broker: Broker, relay: Relay
) -> tuple[list[Part], HttpServer]:
    """Return the parts of a notifier, and of them the server (its `url` is known once it has started)."""
    hub = Hub()
    feed = Feed(broker, hub.on_event, hub.on_reconnect, hub.ring.forget)
    callers = Callers(read_tokens(settings), database, Rates(settings.rate_limit_per_owner))
    interval = settings.poll_interval_ms / 1000
    forecasts = Forecasts(database, max_age=interval)
    api = Server(database=database, hub=hub, feed=feed, callers=callers, forecasts=forecasts)
    server = HttpServer(
        api.app(
            settings.cors_allowed_origins,
            gate(Rates(settings.rate_limit_per_address), settings.trusted_proxies),
        ),
        host=settings.notifier_host,
        port=settings.notifier_port,
    )
    outbound = Outbound(allow_private=settings.allow_private_addresses)
    webhooks = Webhooks(
        broker=broker,
        relay=relay,
        deliveries=Deliveries(database),
        outbound=outbound,
        retry_delays=tuple(ms / 1000 for ms in settings.webhook_retry_delays),
        grace=settings.shutdown_grace_ms / 1000,
    )
    progress = Progress(database, hub, forecasts, interval=interval)
    return [feed, progress, Heartbeats(hub), outbound, webhooks, server], server
