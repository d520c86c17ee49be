"""The first page at night: is all well, does work get done, do answers come, does anything fill up."""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from ops.dashboards.panels import add, board, course, number

JOBS = 'job=~"gateway|transcriber|notifier"'


def dashboard() -> Dashboard:
    """Return it."""
    made = board("overview", "overview", "Is all well? Red wants somebody now, yellow in the morning.")
    add(made, "Now", NOW)
    add(made, "Work", WORK)
    add(made, "Requests", REQUESTS)
    add(made, "What all else stands on", GROUND)
    return made


NOW = [
    number(
        "Alerts",
        "none",
        "Alerts that fire; their pages are in docs/operations/runbooks.md.",
        'count(ALERTS{alertstate="firing"}) or vector(0)',
        limits=(1, 1),
    ),
    number(
        "Audio that waits",
        "dtdurations",
        "Audio of open runs that is still to be transcribed, of all lanes.",
        "sum(lane:lingoloop_backlog_audio_seconds:max)",
    ),
    number(
        "Time until it is done",
        "dtdurations",
        "Of the slowest lane, at the speed of the last ten minutes.",
        "max(lane:lingoloop_drain_seconds:rate10m)",
        limits=(3600, 14400),
    ),
    number(
        "Speed",
        "suffix:× real time",
        "Seconds of audio done in a second, by all slots together.",
        "sum(lane:lingoloop_audio_seconds:rate10m)",
        decimals=1,
    ),
    number(
        "Open runs",
        "none",
        "Runs that have not ended: queued, or under way.",
        "sum(max by (status) (lingoloop_runs))",
    ),
    number(
        "Dead letters",
        "none",
        "Units that failed for good and were not put back, also those whose recording was at fault.",
        "sum(max by (code) (lingoloop_dead_letters))",
        limits=(1, 100),
    ),
    number(
        "Requests that fail",
        "percentunit",
        "Share of the answers that are 5xx, over five minutes.",
        "lingoloop_http_errors:ratio_rate5m",
        limits=(0.01, 0.05),
        decimals=1,
    ),
    number(
        "Live events come after",
        "s",
        "From a change to its bytes at those who follow the run: 19 of 20 are quicker.",
        'lingoloop_event_latency_seconds:quantile_rate5m{quantile="0.95"} >= 0 or vector(0)',
        limits=(0.5, 2),
        decimals=2,
    ),
]

WORK = [
    course(
        "Audio that waits",
        "dtdurations",
        "By lane. It may rise in the day; it must fall at night.",
        ("lane:lingoloop_backlog_audio_seconds:max", "{{lane}}"),
        stacked=True,
    ),
    course(
        "The oldest unit that is ready has waited",
        "dtdurations",
        "By lane. Beyond half an hour there is an alert.",
        ("max by (lane) (lingoloop_oldest_ready_seconds)", "{{lane}}"),
        limits=(600, 1800),
    ),
    course(
        "Slots at work, of those there are",
        "none",
        "While units wait, all should be busy.",
        ('sum(lingoloop_slots_busy{lane!="webhook"}) or vector(0)', "busy"),
        ("sum(max by (lane) (lingoloop_slots))", "there"),
        ('sum(max by (lane) (lingoloop_units_ready{lane!="webhook"}))', "units that wait"),
    ),
    course(
        "Runs that ended, in an hour",
        "none",
        "By how they ended; cancelled ones are `canceled`.",
        (
            "sum by (status, code) (rate(lingoloop_runs_ended_total[$__rate_interval])) * 3600",
            "{{status}} {{code}}",
        ),
        stacked=True,
    ),
    course(
        "Runs that fail",
        "percentunit",
        "Share of those that ended in half an hour, without those whose recording was at fault or that somebody cancelled.",
        ("lingoloop_runs_failed:ratio_rate30m", "failed"),
        limits=(0.01, 0.05),
    ),
    course(
        "Dead letters",
        "none",
        "Units that failed for good, by cause, until they are put back or their run is deleted.",
        (
            "max by (code) (lingoloop_dead_letters) > 0 or sum(max by (code) (lingoloop_dead_letters)) == 0",
            "{{code}}",
        ),
    ),
]

REQUESTS = [
    course(
        "Requests in a second",
        "reqps",
        "By service and kind of answer.",
        (
            'sum by (job, class) (label_replace(rate(lingoloop_http_seconds_count[$__rate_interval]), "class", "${1}xx", "status", "(.).."))',
            "{{job}} {{class}}",
        ),
        stacked=True,
    ),
    course(
        "Answers take",
        "s",
        "Without uploads, downloads and streams, which last as long as their clients take.",
        ("lingoloop_api_seconds:quantile_rate5m >= 0", "{{quantile}}"),
        limits=(0.5, 1),
    ),
    course(
        "Uploads in an hour",
        "none",
        "By way and outcome. Refused: the client's fault, or a limit; broken: the client went away, or a fault here.",
        (
            "sum by (way, outcome) (rate(lingoloop_uploads_total[$__rate_interval])) * 3600",
            "{{way}} {{outcome}}",
        ),
        stacked=True,
    ),
    course(
        "Bytes that come in",
        "Bps",
        "Of recordings, by way.",
        ("sum by (way) (rate(lingoloop_upload_bytes_total[$__rate_interval]))", "{{way}}"),
        stacked=True,
    ),
    course(
        "The slowest routes",
        "s",
        "Mean time of an answer, the five slowest.",
        (
            "topk(5, sum by (route) (rate(lingoloop_http_seconds_sum[$__rate_interval])) / (sum by (route) (rate(lingoloop_http_seconds_count[$__rate_interval])) > 0))",
            "{{route}}",
        ),
    ),
    course(
        "Requests and streams that are open",
        "none",
        "Of all gateways and notifiers. A stream that passes the gateway is open at both.",
        ("sum by (job, kind) (lingoloop_http_in_flight)", "{{job}} {{kind}}"),
    ),
]

GROUND = [
    course(
        "Services that answer",
        "none",
        "Processes that Prometheus reaches.",
        (f"sum by (job) (up{{{JOBS}}})", "{{job}}"),
        width=6,
    ),
    course(
        "Dependencies that are away",
        "none",
        "Services that do not reach what they need: /readyz says the same.",
        ("sum by (job, dependency) (1 - lingoloop_dependency_up)", "{{job}}: {{dependency}}"),
        limits=(1, 1),
        width=6,
    ),
    course(
        "The oldest message in the outbox",
        "s",
        "Since when it waits for RabbitMQ to confirm it.",
        ("max(lingoloop_outbox_oldest_seconds)", "waits for"),
        limits=(10, 60),
        width=6,
    ),
    course(
        "Messages in the outbox, and sent",
        "none",
        "Those that wait, and those that RabbitMQ confirmed in a second.",
        ("max(lingoloop_outbox_rows)", "wait"),
        ("sum(rate(lingoloop_outbox_sent_total[$__rate_interval]))", "sent in a second"),
        ("sum(rate(lingoloop_outbox_failures_total[$__rate_interval]))", "failed tries in a second"),
        width=6,
    ),
    course(
        "Free disk space",
        "bytes",
        "For recordings (BLOB_DIR); with a bucket, for what is fetched from it (TMPDIR).",
        ("min by (folder) (lingoloop_storage_free_bytes)", "{{folder}}"),
        limits=(100 * 2**30, 10 * 2**30),
        width=6,
    ),
    course(
        "Database connections",
        "none",
        "In use, of the pools of all processes. PostgreSQL's max_connections must allow for all of them.",
        ('sum by (job) (lingoloop_database_connections{state="busy"})', "{{job}} busy"),
        ("sum(lingoloop_database_connections_max)", "all pools"),
        width=6,
    ),
    course(
        "RabbitMQ: messages",
        "none",
        "Tokens and events that wait, and those that were handed out and are not done.",
        ("sum(rabbitmq_queue_messages_ready)", "wait"),
        ("sum(rabbitmq_queue_messages_unacked)", "handed out"),
        width=6,
    ),
    course(
        "RabbitMQ: memory, of its limit",
        "percentunit",
        "At 100 % it takes no messages until it has less; below its limit of free disk likewise.",
        ("max(rabbitmq_process_resident_memory_bytes / rabbitmq_resident_memory_limit_bytes)", "memory"),
        ("max(rabbitmq_disk_space_available_limit_bytes / rabbitmq_disk_space_available_bytes)", "disk"),
        limits=(0.7, 0.9),
        width=6,
    ),
]
