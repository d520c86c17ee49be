"""How fast transcribers are, what they wait for, and what goes wrong in their hands; by lane."""

from grafana_foundation_sdk.builders import dashboard as dashboards
from grafana_foundation_sdk.models.dashboard import VariableOption, VariableRefresh, VariableSort

from ops.dashboards.panels import PROMETHEUS, Query, add, board, course, number


def dashboard() -> dashboards.Dashboard:
    """Return it."""
    made = board("transcribers", "transcribers", "Speed, queues and failures of each engine.")
    made.with_variable(
        dashboards.QueryVariable("lane")
        .label("Lane")
        .datasource(PROMETHEUS)
        .query('label_values(lingoloop_units_ready{lane!="webhook"}, lane)')
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
        .all_value(".*")
        .current(VariableOption(text="All", value="$__all"))
    )
    add(made, "Now", NOW)
    add(made, "Speed", SPEED)
    add(made, "Failures", FAILURES)
    add(made, "Processes", PROCESSES)
    return made


def _quantiles(metric: str, by: str = "") -> list[Query]:
    labels = f"le, {by}" if by else "le"
    legend = f"{{{{{by}}}}} " if by else ""
    rate = f'sum by ({labels}) (rate({metric}_bucket{{lane=~"$lane"}}[$__rate_interval]))'
    return [(f"histogram_quantile({q}, {rate}) >= 0", f"{legend}{q}") for q in (0.5, 0.95)]


NOW = [
    number(
        "Workers",
        "none",
        "Transcribers whose heart beats and that take work.",
        'sum(max by (lane) (lingoloop_workers{lane=~"$lane", state="running"}))',
        width=4,
    ),
    number(
        "Workers that are told to stop",
        "none",
        "They take no work until they are told to go on.",
        'sum(max by (lane) (lingoloop_workers{lane=~"$lane", state="stopped"}))',
        limits=(1, 100),
        width=4,
    ),
    number(
        "Slots at work",
        "percentunit",
        "Of those there are. All should be busy while units wait.",
        '(sum(lingoloop_slots_busy{lane=~"$lane", lane!="webhook"}) or vector(0))'
        ' / clamp_min(sum(max by (lane) (lingoloop_slots{lane=~"$lane"})), 1)',
        width=4,
        decimals=0,
    ),
    number(
        "Units that wait",
        "none",
        "For a slot. More slots make it fall.",
        'sum(max by (lane) (lingoloop_units_ready{lane=~"$lane", lane!="webhook"}))',
        limits=(100, 500),
        width=4,
    ),
    number(
        "Audio that waits",
        "dtdurations",
        "Of open runs, still to be transcribed.",
        'sum(lane:lingoloop_backlog_audio_seconds:max{lane=~"$lane"})',
        width=4,
    ),
    number(
        "Time until it is done",
        "dtdurations",
        "Of the slowest lane, at the speed of the last ten minutes.",
        'max(lane:lingoloop_drain_seconds:rate10m{lane=~"$lane"})',
        limits=(3600, 14400),
        width=4,
    ),
]

SPEED = [
    course(
        "Speed of all slots",
        "suffix:× real time",
        "Seconds of audio done in a second. Above what comes in, the backlog falls.",
        ('lane:lingoloop_audio_seconds:rate10m{lane=~"$lane"}', "{{lane}}"),
    ),
    course(
        "Speed of one slot",
        "suffix:× real time",
        "While its engine works. If it falls when slots are added, they share cores.",
        ('lane:lingoloop_engine_speed:rate10m{lane=~"$lane"}', "{{lane}}"),
    ),
    course(
        "Slots",
        "none",
        "At work, and there.",
        ('sum by (lane) (lingoloop_slots_busy{lane=~"$lane", lane!="webhook"})', "{{lane}} busy"),
        ('max by (lane) (lingoloop_slots{lane=~"$lane"})', "{{lane}} there"),
    ),
    course(
        "Units that wait, run, and are put off",
        "none",
        "Put off: for a retry, for a plan that is far enough ahead, or while an engine elsewhere works.",
        ('max by (lane) (lingoloop_units_ready{lane=~"$lane", lane!="webhook"})', "{{lane}} wait"),
        ('max by (lane) (lingoloop_units_running{lane=~"$lane", lane!="webhook"})', "{{lane}} run"),
        ('max by (lane) (lingoloop_units_waiting{lane=~"$lane", lane!="webhook"})', "{{lane}} put off"),
    ),
    course(
        "Units wait for a slot",
        "s",
        "From ready to claimed, by kind: half and 19 of 20 are quicker.",
        *_quantiles("lingoloop_unit_wait_seconds", "kind"),
        limits=(600, 1800),
    ),
    course(
        "The engine takes for a chunk",
        "s",
        "Half and 19 of 20 are quicker.",
        *_quantiles("lingoloop_engine_seconds", "lane"),
    ),
    course(
        "Chunks in a second",
        "ops",
        "That were done.",
        (
            'sum by (lane) (rate(lingoloop_units_ended_total{lane=~"$lane", kind="chunk", outcome="done"}[$__rate_interval]))',
            "{{lane}}",
        ),
        stacked=True,
    ),
    course(
        "From upload to",
        "s",
        "Half of the runs are quicker, by stage: begun, planned, first words, ended.",
        (
            "histogram_quantile(0.5, sum by (le, stage) (rate(lingoloop_run_stage_seconds_bucket[$__rate_interval]))) >= 0",
            "{{stage}}",
        ),
        width=16,
    ),
]

FAILURES = [
    course(
        "Units that ended otherwise than done, in an hour",
        "none",
        "delayed: will be tried again; failed: for good; handed_back: at a stop; put_off: the engine's server is busy; fenced: another's by then.",
        (
            'sum by (outcome) (rate(lingoloop_units_ended_total{lane=~"$lane", outcome!="done"}[$__rate_interval])) * 3600 or vector(0)',
            "{{outcome}}",
        ),
        stacked=True,
    ),
    course(
        "Failed tries by cause, in an hour",
        "none",
        "Whether they were tried again or not. docs/operations/runbooks.md says what to do about each.",
        (
            'sum by (code) (rate(lingoloop_unit_failures_total{lane=~"$lane"}[$__rate_interval])) * 3600 or vector(0)',
            "{{code}}",
        ),
        stacked=True,
    ),
    course(
        "Units taken back, tokens put back, in an hour",
        "none",
        "Workers that vanished; messages that RabbitMQ lost. A few after a crash are as it should be.",
        (
            'sum(increase(lingoloop_units_taken_back_total{lane=~"$lane"}[1h])) or vector(0)',
            "units taken back",
        ),
        (
            'sum(increase(lingoloop_tokens_refilled_total{lane=~"$lane"}[1h])) or vector(0)',
            "tokens put back",
        ),
        ("sum(increase(lingoloop_queues_recreated_total[1h]))", "queues made again"),
    ),
]

PROCESSES = [
    course(
        "Memory",
        "bytes",
        "Of the transcribers' own processes. Their slots are processes of their own and not in it: the machine's or the container's figures tell.",
        ('process_resident_memory_bytes{job="transcriber"}', "{{instance}}"),
    ),
    course(
        "Cores in use",
        "none",
        "By the transcribers' own processes, without their slots.",
        ('rate(process_cpu_seconds_total{job="transcriber"}[$__rate_interval])', "{{instance}}"),
    ),
    course(
        "Running for",
        "dtdurations",
        "A line that falls to 0 again and again: it is being restarted.",
        ('time() - process_start_time_seconds{job="transcriber"}', "{{instance}}"),
    ),
]
