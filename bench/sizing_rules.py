"""What a fleet needs for so many hours of audio a day, from what one hour was measured to take. Pure."""

import math
from dataclasses import dataclass

PEAK = 3.0
"""Audio of the busiest hour over that of an average one: a day's work within eight hours."""

BUSY = 0.7
"""Share of a core that work may take at the peak; the rest is for the unforeseen, and works off what has waited."""

SLOTS = 4
"""Of a transcriber, on as many cores."""

ROOM = 1.25
"""Memory to give over the highest that was seen."""

PAIRED = 24.0
"""Hours of audio a day from which every service runs twice and a transcriber is to spare: a machine may fail."""

PEOPLE = 10
"""Connections to PostgreSQL for people, dumps and monitoring; its own reserve for superusers is among them."""

POOL = 10
"""DB_POOL_MAX."""

GUARD = 1
"""Connection that each process holds beside its pool."""

LINKS = {"gateway": 2, "transcriber": 2, "notifier": 3}
"""Connections to RabbitMQ: to publish, for events or tokens; a notifier has all three."""

MONTH, WEEK = 30, 7
"""Days; a week is EVENT_RETENTION_HOURS."""

ORIGINAL_MB = 57.6
"""An hour of MP3 at 128 kbit/s."""

CHUNKS_MB = 115.2
"""An hour at 16 kHz, as chunks hold it: written by the plan, read by a slot, deleted."""


@dataclass(frozen=True, slots=True)
class Hour:
    """What an hour of audio takes: processor seconds of each part, memory of its processes at the most, megabytes, messages."""

    seconds: dict[str, float]
    memory_mb: dict[str, float]
    chunks: float
    messages: float
    kept_mb: float
    events_mb: float
    log_mb: float


@dataclass(frozen=True, slots=True)
class Need:
    """A fleet; cores, messages and network are those of the peak."""

    real_time: float
    slot_cores: float
    transcribers: int
    transcriber_gb: float
    gateways: int
    notifiers: int
    cores: dict[str, float]
    chunks: float
    messages: float
    connections: int
    links: int
    kept_gb: float
    events_gb: float
    log_gb: float
    originals_gb: float
    network_mb: float


def need(hours_a_day: float, hour: Hour) -> Need:
    """Reckon the fleet for so many hours of audio a day; sizes are a month's, the log's a day's."""
    real_time = hours_a_day / 24 * PEAK
    cores = {part: real_time * seconds / 3600 / BUSY for part, seconds in hour.seconds.items()}
    paired = hours_a_day >= PAIRED
    transcribers = math.ceil(cores["slot"] / SLOTS) + paired
    gateways = max(1 + paired, math.ceil(cores["gateway"]))
    notifiers = max(1 + paired, math.ceil(cores["notifier"]))
    return Need(
        real_time=real_time,
        slot_cores=cores["slot"],
        transcribers=transcribers,
        transcriber_gb=(SLOTS * hour.memory_mb["slot"] + hour.memory_mb["transcriber"]) * ROOM / 1000,
        gateways=gateways,
        notifiers=notifiers,
        cores=cores,
        chunks=real_time * hour.chunks / 3600,
        messages=real_time * hour.messages / 3600,
        connections=connections(gateways + notifiers + transcribers),
        links=gateways * LINKS["gateway"]
        + transcribers * LINKS["transcriber"]
        + notifiers * LINKS["notifier"],
        kept_gb=hours_a_day * MONTH * hour.kept_mb / 1000,
        events_gb=hours_a_day * WEEK * hour.events_mb / 1000,
        log_gb=hours_a_day * hour.log_mb / 1000,
        originals_gb=hours_a_day * MONTH * ORIGINAL_MB / 1000,
        network_mb=real_time * (2 * ORIGINAL_MB + 2 * CHUNKS_MB) / 3600,
    )


def connections(processes: int, pool: int = POOL) -> int:
    """Return what `max_connections` must be at the least: all pools full, one process more during an update, and people."""
    return (processes + 1) * (pool + GUARD) + PEOPLE
