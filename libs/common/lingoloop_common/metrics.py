"""Prometheus metrics that services share. Labels are bounded: lanes, kinds, states, codes; never ids or owners."""

from prometheus_client import Counter, Gauge, Histogram

OUTBOX_SENT = Counter("lingoloop_outbox_sent_total", "Messages confirmed by the broker.")
OUTBOX_FAILURES = Counter("lingoloop_outbox_failures_total", "Batches that could not be sent.")
TOKENS_REFILLED = Counter("lingoloop_tokens_refilled_total", "Tokens the sweep found missing.", ["lane"])
UNITS_TAKEN_BACK = Counter("lingoloop_units_taken_back_total", "Units of workers that vanished.", ["lane"])
QUEUES_RECREATED = Counter(
    "lingoloop_queues_recreated_total", "Queues that did not answer and were made again."
)
UNITS_READY = Gauge("lingoloop_units_ready", "Units that wait for a slot.", ["lane"])
UNITS_ENDED = Counter("lingoloop_units_ended_total", "Units that ended here.", ["lane", "kind", "outcome"])
SLOTS_BUSY = Gauge("lingoloop_slots_busy", "Slots at work.", ["lane"])
ENGINE_SECONDS = Histogram(
    "lingoloop_engine_seconds",
    "Seconds an engine took for one chunk.",
    ["lane"],
    buckets=(0.1, 0.25, 0.5, 1, 2, 4, 8, 16, 32, 64, 128),
)
SUBSCRIBERS = Gauge("lingoloop_sse_subscribers", "Open event streams.", ["scope"])
WEBHOOK_TRIES = Counter("lingoloop_webhook_tries_total", "Webhooks sent, by what came of it.", ["outcome"])
WEBHOOK_SECONDS = Histogram(
    "lingoloop_webhook_seconds",
    "Seconds until a webhook's receiver answered, or did not.",
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20),
)
HTTP_SECONDS = Histogram(
    "lingoloop_http_seconds",
    "Seconds until an answer was complete.",
    ["method", "route", "status"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
