"""Writes the tables of `docs/operations/sizing.md` and its Chinese page from `sizing.json`: `python -m bench.sizing_page`.

`sizing.json` is the last line of `python -m bench sizing`. A table stands between `<!-- NAME -->` and `<!-- end -->`.
"""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from bench.sizing_rules import MONTH, Hour, Need, need

FIGURES = Path(__file__).with_name("sizing.json")
DOCS = Path(__file__).parents[1] / "docs" / "operations"
PAGES = (DOCS / "sizing.md", DOCS / "sizing.zh.md")

DAYS = (1, 100, 10_000)
"""Hours of audio a day."""

Figures: TypeAlias = dict[str, Any]
Label: TypeAlias = tuple[str, str]
"""English and Chinese."""

NAMES: dict[str, Label] = {
    "base": ("base", "base"),
    "base, speakers": ("base, speakers told apart", "base，区分说话人"),
    "tiny.en": ("tiny.en", "tiny.en"),
    "no engine": ("no engine", "无引擎"),
}
TAKES: tuple[tuple[Label, str], ...] = (
    (("slots, processor s", "槽位，CPU 秒"), "slot s"),
    (("transcriber beside its slots, processor s", "转写进程本身，CPU 秒"), "transcriber s"),
    (("gateway, processor s", "网关，CPU 秒"), "gateway s"),
    (("notifier, processor s", "通知服务，CPU 秒"), "notifier s"),
    (("PostgreSQL, processor s", "PostgreSQL，CPU 秒"), "postgresql s"),
    (("RabbitMQ, processor s", "RabbitMQ，CPU 秒"), "rabbitmq s"),
    (("chunks", "分块"), "chunks"),
    (("segments", "语段"), "segments"),
    (("work tokens", "工作令牌"), "tokens"),
    (("events published", "发出的事件"), "events sent"),
    (("PostgreSQL's log (WAL), MB", "预写日志（WAL），MB"), "WAL, MB"),
    (("an event stream of one run, MB", "单个任务的事件流，MB"), "run stream, MB"),
)
LITTLE = {"transcriber s", "gateway s", "notifier s", "postgresql s", "rabbitmq s"}
KEPT: tuple[tuple[Label, str], ...] = (
    (("database, MB", "数据库，MB"), "as it is"),
    (("the same, written anew, MB", "同上，重写之后，MB"), "anew"),
    (("and without events, MB", "再去掉事件，MB"), "without events"),
)
MEMORY: tuple[tuple[Label, str, str], ...] = (
    (("a slot", "一个槽位"), "resident, MB", "slot"),
    (("transcriber", "转写进程本身"), "resident, MB", "transcriber"),
    (("gateway", "网关"), "resident, MB", "gateway"),
    (("gateway's probe", "网关的探测进程"), "resident, MB", "probe"),
    (("notifier", "通知服务"), "resident, MB", "notifier"),
    (("PostgreSQL, all its processes", "PostgreSQL，全部进程"), "shares, MB", "postgresql"),
    (("RabbitMQ", "RabbitMQ"), "shares, MB", "rabbitmq"),
)
NEEDS: tuple[tuple[Label, Callable[[Need], float]], ...] = (
    (("× real time at the peak", "峰值，× 实时"), lambda n: n.real_time),
    (("cores for slots at the peak", "峰值时槽位用的核"), lambda n: n.slot_cores),
    (
        ("**transcribers**, 4 slots on 4 cores each", "**转写进程**，每个 4 槽位、4 核"),
        lambda n: n.transcribers,
    ),
    (("memory of each, GB", "每个的内存，GB"), lambda n: n.transcriber_gb),
    (("**gateways**", "**网关**"), lambda n: n.gateways),
    (("cores for all of them", "合计用的核"), lambda n: n.cores["gateway"]),
    (("**notifiers**", "**通知服务**"), lambda n: n.notifiers),
    (("cores for all of them", "合计用的核"), lambda n: n.cores["notifier"]),
    (("**PostgreSQL**, cores", "**PostgreSQL**，核"), lambda n: n.cores["postgresql"]),
    (("chunks a second", "每秒分块"), lambda n: n.chunks),
    (("`max_connections` at least", "`max_connections` 至少"), lambda n: n.connections),
    (("what is kept, GB a month", "每月新增、长期保留，GB"), lambda n: n.kept_gb),
    (("a year of it, GB", "保留一年，GB"), lambda n: n.kept_gb * 365 / MONTH),
    (("events of the last 7 days, GB", "最近 7 天的事件，GB"), lambda n: n.events_gb),
    (("log (WAL), GB a day", "WAL，每天 GB"), lambda n: n.log_gb),
    (("**RabbitMQ**, cores", "**RabbitMQ**，核"), lambda n: n.cores["rabbitmq"]),
    (("messages a second", "每秒消息"), lambda n: n.messages),
    (("connections", "连接"), lambda n: n.links),
    (("**storage**, originals, GB a month", "**存储**，原始录音，每月 GB"), lambda n: n.originals_gb),
    (("network of the storage at the peak, MB/s", "峰值时存储的网络流量，MB/s"), lambda n: n.network_mb),
)


def hour_of(figures: Figures) -> Hour:
    """Return what an hour of audio takes with base; of a part beside the slots, the larger of that and without an engine."""
    base, bare = figures["kinds"]["base"], figures["kinds"]["no engine"]
    took, without = ({key: values[0] for key, values in kind["an hour"].items()} for kind in (base, bare))
    parts = ("slot", "transcriber", "gateway", "notifier", "postgresql", "rabbitmq")
    database = base["database, MB an hour"]
    events = database["anew"] - database["without events"]
    return Hour(
        seconds={
            part: took["slot s"] if part == "slot" else max(took[f"{part} s"], without[f"{part} s"])
            for part in parts
        },
        memory_mb=base["resident, MB"],
        chunks=took["chunks"],
        messages=took["tokens"] + took["events sent"] + took["events delivered"],
        kept_mb=database["as it is"] - events,
        events_mb=events,
        log_mb=took["WAL, MB"],
    )


def tables(figures: Figures, language: int) -> dict[str, str]:
    """Return all tables as Markdown; `language` is the place in a label."""
    kinds = list(figures["kinds"].values())
    heads = [NAMES[name][language] for name in figures["kinds"]]
    first = ("an hour of audio takes", "一小时音频的开销")[language]
    most = ("at the most, MB", "峰值，MB")[language]
    needs = [need(hours, hour_of(figures)) for hours in DAYS]
    return {
        "takes": markdown([first, *heads], _takes(kinds, language)),
        "memory": markdown(
            [most, *heads],
            ([label[language], *(short(kind[how][part]) for kind in kinds)] for label, how, part in MEMORY),
        ),
        "idle": markdown(
            *_idle(
                kinds[-1]["idle, seconds a day"],
                ("processor s a day without work", "空闲时每天的 CPU 秒")[language],
            )
        ),
        "needs": markdown(
            [("hours of audio a day", "每天音频小时数")[language], *(f"{hours:,}" for hours in DAYS)],
            ([label[language], *(short(value(one)) for one in needs)] for label, value in NEEDS),
        ),
    }


def _takes(kinds: Sequence[Figures], language: int) -> Iterator[list[str]]:
    for label, key in TAKES:
        # Of one round, what a part takes anyway makes a little unsure.
        yield [
            label[language],
            *(
                spread(kind["an hour"][key]) if kind["rounds"] > 1 or key not in LITTLE else "–"
                for kind in kinds
            ),
        ]
        if key == "slot s":
            slots = [kind["an hour"][key][0] for kind in kinds]
            yield [
                ("cores for 1 × real time", "1 × 实时所需的核")[language],
                *(short(one / 3600) for one in slots),
            ]
    for label, key in KEPT:
        # Of one round, what tables and indexes take at the least would be most of it.
        sizes = (short(kind["database, MB an hour"][key]) if kind["rounds"] > 1 else "–" for kind in kinds)
        yield [label[language], *sizes]


def _idle(seconds: dict[str, float], first: str) -> tuple[list[str], list[list[str]]]:
    parts = ("gateway", "notifier", "transcriber", "postgresql", "rabbitmq")
    names = {"postgresql": "PostgreSQL", "rabbitmq": "RabbitMQ"}
    return [first, *(names.get(part, part) for part in parts)], [
        ["", *(short(seconds[part]) for part in parts)]
    ]


def markdown(head: Sequence[str], rows: "Iterator[list[str]] | list[list[str]]") -> str:
    """Return a table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def spread(values: Sequence[float]) -> str:
    """Return a median, with the least and the most where they differ."""
    median, least, most = (short(value) for value in values)
    return median if least == most else f"{median} ({least}–{most})"


def short(value: float) -> str:
    """Return a number with the digits that count."""
    if 0 < value < 0.01:
        return "< 0.01"
    return (
        f"{value:,.0f}"
        if value >= 100 or value == int(value)
        else f"{value:.2g}"
        if value < 10
        else f"{value:.3g}"
    )


def written(page: str, figures: Figures, language: int) -> str:
    """Return a page's text with its tables as the figures have them."""
    for name, table in tables(figures, language).items():
        place = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        assert len(place.findall(page)) == 1, name
        page = place.sub(lambda found, table=table: f"{found[1]}{table}\n{found[2]}", page)  # type: ignore[misc]
    return page


def main() -> None:
    """Write both pages."""
    figures = json.loads(FIGURES.read_text())
    for language, page in enumerate(PAGES):
        page.write_text(written(page.read_text(), figures, language))


if __name__ == "__main__":
    main()
