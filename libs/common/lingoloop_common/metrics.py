"""Prometheus metrics, all of them. Labels are bounded: lanes, kinds, states, codes; never ids, owners, or what a client sends."""

import shutil
from importlib.metadata import version
from os import PathLike

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from lingoloop_common.errors import WORK_ERRORS

STATE = CollectorRegistry()
"""What the database says. Every gateway tells the same of it, when it is scraped; the default registry is this process's own."""

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER = "other"
"""What a label says in place of a value that is not on its list."""


def known_code(code: str | None) -> str:
    """Return an error's code as a label: `none` where there is no error, `other` for one that no table has."""
    if code is None:
        return "none"
    return code if code in WORK_ERRORS else OTHER


def measure_disk(folder: str, path: str | PathLike[str]) -> None:
    """Look how full the disk is on which a folder lies; takes as long as the disk does."""
    usage = shutil.disk_usage(path)
    STORAGE_FREE.labels(folder).set(usage.free)
    STORAGE_SIZE.labels(folder).set(usage.total)


# --- what the database says, on a gateway

UNITS_READY = Gauge("lingoloop_units_ready", "Units that wait for a slot.", ["lane"], registry=STATE)
UNITS_RUNNING = Gauge("lingoloop_units_running", "Units that somebody works on.", ["lane"], registry=STATE)
UNITS_WAITING = Gauge(
    "lingoloop_units_waiting",
    "Units that are withheld: until a retry or a look is due, or there is room ahead of the work.",
    ["lane"],
    registry=STATE,
)
OLDEST_READY = Gauge(
    "lingoloop_oldest_ready_seconds",
    "Seconds that the unit has waited which is ready the longest; 0: none is.",
    ["lane"],
    registry=STATE,
)
BACKLOG_AUDIO = Gauge(
    "lingoloop_backlog_audio_seconds",
    "Seconds of audio still to be done in runs that have not ended; each of them counts one at least.",
    ["lane"],
    registry=STATE,
)
RUNS = Gauge("lingoloop_runs", "Runs that have not ended.", ["status"], registry=STATE)
STALLED_RUN = Gauge(
    "lingoloop_stalled_run_seconds",
    "Seconds since a run under way, of which nothing waits, last got on; of all such runs the most, 0: there is none.",
    registry=STATE,
)
DEAD_LETTERS = Gauge(
    "lingoloop_dead_letters", "Units that failed for good and were not put back.", ["code"], registry=STATE
)
OUTBOX_ROWS = Gauge("lingoloop_outbox_rows", "Messages that the broker has not confirmed.", registry=STATE)
OUTBOX_OLDEST = Gauge(
    "lingoloop_outbox_oldest_seconds",
    "Seconds since the oldest of them was written; 0: none.",
    registry=STATE,
)
WORKERS = Gauge(
    "lingoloop_workers", "Workers that are alive, by what they are told.", ["lane", "state"], registry=STATE
)
SLOTS = Gauge("lingoloop_slots", "Slots of the workers that take work.", ["lane"], registry=STATE)
ENDPOINTS_PAUSED = Gauge(
    "lingoloop_webhook_endpoints_paused",
    "Webhook endpoints that are told nothing until their owners resume them.",
    registry=STATE,
)

# --- any process

BUILD_INFO = Gauge("lingoloop_build_info", "1; the label says which version runs.", ["version"])
BUILD_INFO.labels(version("lingoloop-common")).set(1)
DEPENDENCY_UP = Gauge(
    "lingoloop_dependency_up",
    "1 if what this service needs answers, else 0; as /readyz says.",
    ["dependency"],
)
BROKER_BLOCKED = Gauge(
    "lingoloop_broker_blocked", "1 while RabbitMQ takes nothing, for want of memory or disk, else 0."
)
BROKER_CONNECTIONS = Gauge(
    "lingoloop_broker_connections", "Connections to RabbitMQ that stand, by what they are for.", ["link"]
)
DATABASE_CONNECTIONS = Gauge("lingoloop_database_connections", "Connections in the pool.", ["state"])
DATABASE_CONNECTIONS_MAX = Gauge("lingoloop_database_connections_max", "Connections that the pool may have.")
STORAGE_FREE = Gauge("lingoloop_storage_free_bytes", "Free bytes on the disk of a folder.", ["folder"])
STORAGE_SIZE = Gauge("lingoloop_storage_size_bytes", "All bytes of the disk of a folder.", ["folder"])
OUTBOX_SENT = Counter("lingoloop_outbox_sent_total", "Messages confirmed by the broker.")
OUTBOX_FAILURES = Counter("lingoloop_outbox_failures_total", "Batches that could not be sent.")
RUN_STAGE_SECONDS = Histogram(
    "lingoloop_run_stage_seconds",
    "Seconds from a run's acceptance to a stage of its life.",
    ["stage"],
    buckets=(0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14400),
)
RUNS_ENDED = Counter("lingoloop_runs_ended_total", "Runs whose end was written here.", ["status", "code"])
RUNS_ENDED.labels("succeeded", "none")
for code in (*WORK_ERRORS, OTHER):
    # Told with 0, too: Prometheus cannot see the rise of what begins with 1, and in a fleet each process may fail one.
    RUNS_ENDED.labels("failed", code)

# --- HTTP

HTTP_SECONDS = Histogram(
    "lingoloop_http_seconds",
    "Seconds until an answer was complete; a stream of events, until it began.",
    ["method", "route", "status"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
HTTP_IN_FLIGHT = Gauge(
    "lingoloop_http_in_flight",
    "Requests that are being answered, and event streams that have begun.",
    ["kind"],
)

# --- gateways

TOKENS_REFILLED = Counter("lingoloop_tokens_refilled_total", "Tokens the sweep found missing.", ["lane"])
QUEUES_RECREATED = Counter(
    "lingoloop_queues_recreated_total", "Queues that did not answer and were made again."
)
UPLOADS = Counter(
    "lingoloop_uploads_total", "Uploads, by how they came and what came of them.", ["way", "outcome"]
)
UPLOAD_BYTES = Counter("lingoloop_upload_bytes_total", "Bytes of recordings that came.", ["way"])

# --- gateways and workers

UNITS_TAKEN_BACK = Counter("lingoloop_units_taken_back_total", "Units of workers that vanished.", ["lane"])
UNITS_ENDED = Counter("lingoloop_units_ended_total", "Units that ended here.", ["lane", "kind", "outcome"])
UNIT_FAILURES = Counter(
    "lingoloop_unit_failures_total",
    "Attempts that failed, by their cause, whether a retry follows or not.",
    ["lane", "kind", "code"],
)

# --- workers

UNIT_WAIT_SECONDS = Histogram(
    "lingoloop_unit_wait_seconds",
    "Seconds that a unit was ready until a slot took it.",
    ["lane", "kind"],
    buckets=(0.01, 0.05, 0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600, 14400),
)
SLOTS_BUSY = Gauge("lingoloop_slots_busy", "Slots at work.", ["lane"])
ENGINE_SECONDS = Histogram(
    "lingoloop_engine_seconds",
    "Seconds an engine took for one chunk.",
    ["lane"],
    buckets=(0.1, 0.25, 0.5, 1, 2, 4, 8, 16, 32, 64, 128),
)
AUDIO_SECONDS = Counter(
    "lingoloop_audio_seconds_total", "Seconds of recordings that an engine did.", ["lane"]
)

# --- notifiers

SUBSCRIBERS = Gauge("lingoloop_sse_subscribers", "Open event streams.", ["scope"])
EVENT_LATENCY = Histogram(
    "lingoloop_event_latency_seconds",
    "Seconds from an event's transaction until it was written to a stream's subscribers.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)
WEBHOOK_TRIES = Counter("lingoloop_webhook_tries_total", "Webhooks sent, by what came of it.", ["outcome"])
WEBHOOK_SECONDS = Histogram(
    "lingoloop_webhook_seconds",
    "Seconds until a webhook's receiver answered, or did not.",
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20),
)
SPANS_LOST = Counter("lingoloop_spans_lost_total", "Spans that no collector took.")
