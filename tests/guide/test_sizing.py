"""容量规划: the page's figures are the bench's, and its arithmetic is the rules'."""

import json
import math

import pytest

from bench.sizing_page import FIGURES, PAGES, hour_of, short, spread, written
from bench.sizing_rules import Hour, connections, need

HOUR = Hour(
    seconds={
        "slot": 100.0,
        "transcriber": 2.0,
        "gateway": 1.0,
        "notifier": 0.5,
        "postgresql": 2.52,
        "rabbitmq": 0.5,
    },
    memory_mb={"slot": 400.0, "transcriber": 100.0},
    chunks=180.0,
    messages=540.0,
    kept_mb=2.0,
    events_mb=0.5,
    log_mb=4.0,
)


@pytest.mark.parametrize("language", [0, 1], ids=["en", "zh"])
def test_the_pages_tables_are_those_of_the_figures(language: int) -> None:
    page = PAGES[language].read_text()
    assert written(page, json.loads(FIGURES.read_text()), language) == page


def test_what_hours_of_audio_need() -> None:
    fleet = need(2_400, HOUR)  # a hundred hours an hour, three hundred at the peak
    assert fleet.real_time == 300
    assert math.isclose(fleet.slot_cores, 300 * 100.0 / 3600 / 0.7)
    assert fleet.transcribers == 3 + 1  # 11.9 cores, and a spare one
    assert math.isclose(fleet.transcriber_gb, (4 * 0.4 + 0.1) * 1.25)
    assert (fleet.gateways, fleet.notifiers) == (2, 2)
    assert math.isclose(fleet.cores["postgresql"], 0.3)
    assert (fleet.chunks, fleet.messages) == (15, 45)
    assert fleet.connections == (4 + 2 + 2 + 1) * 11 + 10
    assert fleet.links == 4 * 2 + 2 * 2 + 2 * 3
    assert (fleet.kept_gb, fleet.events_gb, fleet.log_gb) == (144, 8.4, 9.6)
    assert math.isclose(fleet.originals_gb, 2_400 * 30 * 0.0576)


@pytest.mark.parametrize(("hours", "each"), [(1, 1), (23.9, 1), (24, 2)])
def test_from_a_day_of_audio_a_day_on_a_machine_may_fail(hours: float, each: int) -> None:
    fleet = need(hours, HOUR)
    assert (fleet.gateways, fleet.notifiers, fleet.transcribers) == (each, each, each)


def test_postgresqls_default_is_enough_for_seven_processes() -> None:
    assert connections(7) <= 100 < connections(8)


def test_the_figures_are_what_the_arithmetic_takes() -> None:
    hour = hour_of(json.loads(FIGURES.read_text()))
    assert hour.seconds["slot"] > 10
    assert 130 <= hour.chunks <= 225
    assert all(seconds > 0 for seconds in hour.seconds.values())


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.0099, "< 0.01"),
        (0.0123, "0.012"),
        (2.0, "2"),
        (9.87, "9.9"),
        (41.44, "41.4"),
        (12345.6, "12,346"),
    ],
)
def test_numbers_have_the_digits_that_count(value: float, text: str) -> None:
    assert short(value) == text


def test_a_spread_is_told_where_there_is_one() -> None:
    assert spread([1.0, 1.0, 1.0]) == "1"
    assert spread([2.5, 2.0, 3.0]) == "2.5 (2–3)"
