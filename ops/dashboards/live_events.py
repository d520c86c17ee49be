"""How soon those who follow a run see what happens, by event stream and by webhook."""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from ops.dashboards.panels import add, board, course, number

EVENTS = '{job="notifier", route=~".*/events"}[$__rate_interval]'


def dashboard() -> Dashboard:
    """Return it."""
    made = board(
        "live-events", "live events", "Event streams and webhooks: how many, how late, what is refused."
    )
    add(made, "Now", NOW)
    add(made, "Streams", STREAMS)
    add(made, "The way there", WAY)
    add(made, "Webhooks", WEBHOOKS)
    return made


NOW = [
    number("Streams", "none", "Open event streams.", "sum(lingoloop_sse_subscribers) or vector(0)", width=4),
    number(
        "Events come after",
        "s",
        "From a change to its bytes at those who follow it: 19 of 20 are quicker.",
        'lingoloop_event_latency_seconds:quantile_rate5m{quantile="0.95"} >= 0 or vector(0)',
        limits=(0.5, 2),
        width=4,
        decimals=2,
    ),
    number(
        "The outbox's oldest message",
        "s",
        "It waits for RabbitMQ to confirm it.",
        "max(lingoloop_outbox_oldest_seconds)",
        limits=(10, 60),
        width=4,
        decimals=1,
    ),
    number(
        "Webhooks that are due",
        "none",
        "And wait for a notifier to send them.",
        'max(lingoloop_units_ready{lane="webhook"}) or vector(0)',
        limits=(100, 1000),
        width=4,
    ),
    number(
        "Webhooks that will be tried again",
        "none",
        "Or that wait until their receiver has room or is resumed.",
        'max(lingoloop_units_waiting{lane="webhook"}) or vector(0)',
        width=4,
    ),
    number(
        "Receivers that are paused",
        "none",
        "Nothing arrives there; their owner resumes them.",
        "max(lingoloop_webhook_endpoints_paused)",
        limits=(1, 100),
        width=4,
    ),
]

STREAMS = [
    course(
        "Open streams",
        "none",
        "Of one run, and of all of an owner's.",
        ("sum by (scope) (lingoloop_sse_subscribers)", "{{scope}}"),
        stacked=True,
    ),
    course(
        "Open streams by notifier",
        "none",
        "They should share them about evenly, an hour after a restart at the latest.",
        ("sum by (instance) (lingoloop_sse_subscribers)", "{{instance}}"),
    ),
    course(
        "Events come after",
        "s",
        "From a change to its bytes: half, 19 of 20, 99 of 100 are quicker.",
        ("lingoloop_event_latency_seconds:quantile_rate5m >= 0", "{{quantile}}"),
        limits=(0.5, 2),
    ),
    course(
        "Events written in a second",
        "ops",
        "Each counts once for each stream that wants it.",
        ("sum(rate(lingoloop_event_latency_seconds_count[$__rate_interval]))", "events"),
    ),
    course(
        "Streams opened in a second",
        "reqps",
        "By answer. Many 401 or 403: clients whose token has ended. Many 200: something cuts streams off.",
        (
            f"sum by (status) (rate(lingoloop_http_seconds_count{EVENTS}))",
            "{{status}}",
        ),
    ),
    course(
        "A stream begins after",
        "s",
        "Mean time until it is live, with all that its client had missed.",
        (
            f"sum(rate(lingoloop_http_seconds_sum{EVENTS})) / (sum(rate(lingoloop_http_seconds_count{EVENTS})) > 0)",
            "mean",
        ),
    ),
]

WAY = [
    course(
        "Messages that leave the outbox in a second",
        "ops",
        "Tokens and events, confirmed by RabbitMQ.",
        ("sum(rate(lingoloop_outbox_sent_total[$__rate_interval]))", "sent"),
        ("sum(rate(lingoloop_outbox_failures_total[$__rate_interval]))", "failed tries"),
    ),
    course(
        "The outbox",
        "none",
        "Messages that wait.",
        ("max(lingoloop_outbox_rows)", "wait"),
    ),
    course(
        "Connections to RabbitMQ",
        "none",
        "Of all services, by what they are for.",
        ("sum by (job, link) (lingoloop_broker_connections)", "{{job}} {{link}}"),
    ),
    course(
        "Memory of the notifiers",
        "bytes",
        "Streams and the newest events; it is bounded.",
        ('process_resident_memory_bytes{job="notifier"}', "{{instance}}"),
        width=12,
    ),
    course(
        "Cores in use by the notifiers",
        "none",
        "One process uses one core at most: near 1, start another.",
        ('rate(process_cpu_seconds_total{job="notifier"}[$__rate_interval])', "{{instance}}"),
        limits=(0.6, 0.9),
        width=12,
    ),
]

WEBHOOKS = [
    course(
        "Webhooks sent, in an hour",
        "none",
        "delivered; waiting: will be tried again; failed: for good; handed_back: at a stop; fenced: another's by then.",
        ("sum by (outcome) (rate(lingoloop_webhook_tries_total[$__rate_interval])) * 3600", "{{outcome}}"),
        stacked=True,
    ),
    course(
        "Receivers answer after",
        "s",
        "Half and 19 of 20 are quicker. After twenty it counts as none.",
        (
            "histogram_quantile(0.5, sum by (le) (rate(lingoloop_webhook_seconds_bucket[$__rate_interval]))) >= 0",
            "0.5",
        ),
        (
            "histogram_quantile(0.95, sum by (le) (rate(lingoloop_webhook_seconds_bucket[$__rate_interval]))) >= 0",
            "0.95",
        ),
    ),
    course(
        "Webhooks that are due, on their way, and put off",
        "none",
        "Due ones that only grow: no notifier takes them.",
        ('max(lingoloop_units_ready{lane="webhook"})', "due"),
        ('max(lingoloop_units_running{lane="webhook"})', "on their way"),
        ('max(lingoloop_units_waiting{lane="webhook"})', "put off"),
    ),
]
